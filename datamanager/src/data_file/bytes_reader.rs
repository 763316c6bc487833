//! Reads numbers and byte strings off a slice that may hold anything.

/// A position in a slice. Every method gives `None` instead of reading past the end.
pub(super) struct BytesReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BytesReader<'a> {
    /// Reads `bytes` from `position` on.
    pub(super) fn new(bytes: &'a [u8], position: usize) -> BytesReader<'a> {
        BytesReader { bytes, position }
    }

    /// Where the next read starts.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    /// Whether everything has been read.
    pub(super) fn is_at_end(&self) -> bool {
        self.position >= self.bytes.len()
    }

    /// One byte.
    pub(super) fn u8(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.position)?;
        self.position += 1;
        Some(byte)
    }

    /// Four bytes, lowest first.
    pub(super) fn u32(&mut self) -> Option<u32> {
        let bytes = self.bytes.get(self.position..)?.first_chunk::<4>()?;
        self.position += 4;
        Some(u32::from_le_bytes(*bytes))
    }

    /// Eight bytes, lowest first.
    pub(super) fn u64(&mut self) -> Option<u64> {
        let bytes = self.bytes.get(self.position..)?.first_chunk::<8>()?;
        self.position += 8;
        Some(u64::from_le_bytes(*bytes))
    }

    /// A LEB128 number: seven bits a byte, lowest first, the top bit set on all but the last byte.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A LEB128 number that is a length or position in memory.
    pub(super) fn varint_usize(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    /// The next `length` bytes, as positions in the slice.
    pub(super) fn range(&mut self, length: usize) -> Option<std::ops::Range<usize>> {
        let end = self.position.checked_add(length)?;
        if end > self.bytes.len() {
            return None;
        }
        let range = self.position..end;
        self.position = end;
        Some(range)
    }
}

/// Appends `value` as LEB128.
pub(super) fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// How many bytes two strings have in common at their start.
pub(super) fn common_prefix_bytes(left: &[u8], right: &[u8]) -> usize {
    let length = left.len().min(right.len());
    let mut common = 0;
    while common + 8 <= length && left[common..common + 8] == right[common..common + 8] {
        common += 8;
    }
    while common < length && left[common] == right[common] {
        common += 1;
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varint_reads_back_and_overlong_one_is_refused() {
        for value in [
            0,
            1,
            127,
            128,
            300,
            u64::from(u32::MAX),
            u64::MAX - 1,
            u64::MAX,
        ] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut reader = BytesReader::new(&bytes, 0);
            assert_eq!(reader.varint(), Some(value));
            assert!(reader.is_at_end());
            assert_eq!(
                BytesReader::new(&bytes[..bytes.len() - 1], 0).varint(),
                None
            );
        }
        assert_eq!(BytesReader::new(&[0xff; 11], 0).varint(), None);
        let mut too_large = [0xff; 10];
        too_large[9] = 0x02;
        assert_eq!(BytesReader::new(&too_large, 0).varint(), None);
    }

    #[test]
    fn common_prefix_ends_at_first_difference() {
        assert_eq!(common_prefix_bytes(b"", b"a"), 0);
        assert_eq!(common_prefix_bytes(b"abcdefghijk", b"abcdefghijx"), 10);
        assert_eq!(common_prefix_bytes(b"abcdefgh", b"abcdefghi"), 8);
        assert_eq!(common_prefix_bytes(b"abcxefgh", b"abcdefghi"), 3);
    }
}
