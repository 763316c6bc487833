//! Numbers that look random and are the same in every run.

/// An endless sequence from a seed: SplitMix64.
///
/// Written out here so that it stays the same with every version of every dependency, and figures can be compared over
/// years.
///
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Clone, Debug)]
pub struct Numbers {
    state: u64,
}

const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

impl Numbers {
    /// The sequence of `seed`.
    pub fn from_seed(seed: u64) -> Numbers {
        Numbers { state: seed }
    }

    /// The next number, any of 64 bits.
    pub fn next_number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(INCREMENT);
        scatter(self.state)
    }

    /// The next index below `count`, which is above 0. Each is as likely as the others to within `count` / 2^64.
    pub fn next_index(&mut self, count: usize) -> usize {
        assert!(count > 0, "there is no index below 0");
        let index = (u128::from(self.next_number()) * count as u128) >> 64;
        usize::try_from(index).expect("it is below count")
    }
}

/// Another number for each number, with none given twice.
pub(crate) fn scatter(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::Numbers;

    #[test]
    fn numbers_are_those_of_the_published_generator() {
        let mut numbers = Numbers::from_seed(1_234_567);
        let found: Vec<u64> = (0..3).map(|_| numbers.next_number()).collect();
        let published = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ];
        assert_eq!(found, published);
    }

    #[test]
    fn indexes_stay_below_their_count() {
        let mut numbers = Numbers::from_seed(1);
        let mut seen = [false; 7];
        for _ in 0..1_000 {
            seen[numbers.next_index(7)] = true;
        }
        assert_eq!(seen, [true; 7]);
    }
}
