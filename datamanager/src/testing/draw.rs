//! What faults are drawn from.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::environment::SeededRandom;

/// A number of at least 0 and less than 1.
pub(super) fn share(random: &mut SeededRandom) -> f64 {
    const BITS: u32 = 53;
    (random.next_u64() >> (u64::BITS - BITS)) as f64 / (1_u64 << BITS) as f64
}

/// A duration within `bounds`.
pub(super) fn duration_in(
    random: &mut SeededRandom,
    bounds: &RangeInclusive<Duration>,
) -> Duration {
    let length = bounds.end().saturating_sub(*bounds.start());
    *bounds.start() + length.mul_f64(share(random))
}
