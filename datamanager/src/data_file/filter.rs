//! The bloom filter: which keys are surely not in the file.
//!
//! Every key has one 64-byte line of the filter, which one memory access brings, and in it a few bits that are set.
//!
//! Layout: `docs/formats.md`, section "Data file", "Filter".

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::error::Damage;

const LINE_BYTES: usize = 64;

/// The way keys are hashed and bits chosen that version 1 of the file knows.
const ALGORITHM: u8 = 1;

/// Most bits that are set for a key.
const PROBES_MAX: u8 = 30;

/// The hash of a key that its place in the filter follows from.
pub(super) fn filter_hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// Builds the filter section's content for keys with these hashes, at about `bits_per_key` bits for each.
pub(super) fn build_filter(hashes: &[u64], bits_per_key: u8) -> Vec<u8> {
    let bits = (hashes.len() as u64).saturating_mul(u64::from(bits_per_key));
    let lines = usize::try_from(bits.div_ceil(8 * LINE_BYTES as u64))
        .unwrap_or(usize::MAX)
        .max(1);
    // About ln 2 of the bits per key; less, because the keys of a line crowd its bits.
    let probes = (u32::from(bits_per_key) * 3 / 5).clamp(1, u32::from(PROBES_MAX));
    let probes = u8::try_from(probes).unwrap_or(PROBES_MAX);
    let mut filter = vec![0; 2 + lines * LINE_BYTES];
    filter[0] = ALGORITHM;
    filter[1] = probes;
    let bits = &mut filter[2..];
    for hash in hashes {
        let line = line_of(*hash, lines) * LINE_BYTES;
        for (byte, mask) in probes_of(*hash, probes) {
            bits[line + byte] |= mask;
        }
    }
    filter
}

/// The filter of an open file.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    bits: Bytes,
    lines: usize,
    probes: u8,
}

impl Filter {
    /// Reads the content of the filter section, which is at `offset` of the file.
    pub(super) fn parse(content: &Bytes, offset: u64) -> Result<Filter, Damage> {
        let [algorithm, probes, bits @ ..] = &content[..] else {
            return Err(Damage::new(offset, "filter is too short"));
        };
        if *algorithm != ALGORITHM || !(1..=PROBES_MAX).contains(probes) {
            return Err(Damage::new(offset, "filter is of an unknown kind"));
        }
        if bits.is_empty() || bits.len() % LINE_BYTES != 0 {
            return Err(Damage::new(offset, "filter has a wrong length"));
        }
        Ok(Filter {
            bits: content.slice(2..),
            lines: bits.len() / LINE_BYTES,
            probes: *probes,
        })
    }

    /// Bytes of memory that the filter holds.
    pub(super) fn bytes(&self) -> usize {
        self.bits.len()
    }

    /// Whether a key with this hash may be in the file.
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        let line = line_of(hash, self.lines) * LINE_BYTES;
        let Some(line) = self.bits.get(line..line + LINE_BYTES) else {
            return true;
        };
        probes_of(hash, self.probes).all(|(byte, mask)| line[byte] & mask != 0)
    }
}

/// The upper half of the hash chooses the line.
fn line_of(hash: u64, lines: usize) -> usize {
    let line = ((hash >> 32) * lines as u64) >> 32;
    usize::try_from(line).unwrap_or(0)
}

/// The lower half chooses the bits: each is the top nine bits of the half, multiplied anew each time.
fn probes_of(hash: u64, probes: u8) -> impl Iterator<Item = (usize, u8)> {
    let [b0, b1, b2, b3, ..] = hash.to_le_bytes();
    let mut state = u32::from_le_bytes([b0, b1, b2, b3]);
    (0..probes).map(move |_| {
        let bit = state >> 23;
        state = state.wrapping_mul(0x9e37_79b9);
        ((bit / 8) as usize, 1 << (bit % 8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter_of(count: u64, bits_per_key: u8) -> Filter {
        let hashes: Vec<u64> = (0..count).map(|n| filter_hash(&n.to_le_bytes())).collect();
        Filter::parse(&Bytes::from(build_filter(&hashes, bits_per_key)), 0).unwrap()
    }

    #[test]
    fn hash_is_the_one_that_the_format_names() {
        // The published XXH3 64-bit values with seed 0.
        assert_eq!(filter_hash(b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(filter_hash(b"a"), 0xe6c6_32b6_1e96_4e1f);
    }

    #[test]
    fn bits_are_the_ones_that_the_format_names() {
        let filter = build_filter(&[0x8000_0000_ffff_ffff], 10);
        assert_eq!(filter.len(), 2 + 64);
        assert_eq!(filter[..2], [1, 6]);
        let mut expected = [0_u8; 64];
        let mut state = 0xffff_ffff_u32;
        for _ in 0..6 {
            expected[(state >> 26) as usize] |= 1 << ((state >> 23) & 7);
            state = state.wrapping_mul(0x9e37_79b9);
        }
        assert_eq!(filter[2..], expected);
    }

    #[test]
    fn ten_bits_a_key_let_about_one_absent_key_in_a_hundred_through() {
        let filter = filter_of(20_000, 10);
        assert!((0..20_000_u64).all(|n| filter.may_contain(filter_hash(&n.to_le_bytes()))));
        let passed = (20_000..220_000_u64)
            .filter(|n| filter.may_contain(filter_hash(&n.to_le_bytes())))
            .count();
        assert!((800..3000).contains(&passed), "{passed} of 200000");
    }

    #[test]
    fn any_bits_per_key_hold_every_key() {
        for bits_per_key in [1, 2, 8, 20, 255] {
            for count in [1, 2, 700] {
                let filter = filter_of(count, bits_per_key);
                assert!((0..count).all(|n| filter.may_contain(filter_hash(&n.to_le_bytes()))));
            }
        }
    }
}
