//! Figures of many samples.

/// The middle one; the mean of the two in the middle of an even number.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The least and the greatest.
pub(crate) fn spread(samples: &[f64]) -> (f64, f64) {
    let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (least, greatest)
}

/// What so many of 100 samples are not above.
pub(crate) fn percentile(samples: &mut [f64], of_100: usize) -> f64 {
    if samples.is_empty() {
        return f64::NAN;
    }
    let place = ((samples.len() * of_100).div_ceil(100)).clamp(1, samples.len()) - 1;
    let (_, value, _) = samples.select_nth_unstable_by(place, f64::total_cmp);
    *value
}

#[cfg(test)]
mod tests {
    use super::{median, percentile, spread};

    #[test]
    fn figures_are_those_of_small_lists() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (1.0, 3.0));
        let mut hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut hundred, 50), 50.0);
        assert_eq!(percentile(&mut hundred, 99), 99.0);
        assert_eq!(percentile(&mut [7.0], 99), 7.0);
    }
}
