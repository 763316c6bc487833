//! Integers and byte strings as they stand in records: little-endian, LEB128 varints, length-prefixed bytes.

use bytes::Bytes;

/// Why bytes could not be decoded, and where they went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Offset within the bytes given.
    pub(crate) offset: usize,
    pub(crate) what: &'static str,
}

pub(crate) fn put_varint(buffer: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            buffer.push(low);
            return;
        }
        buffer.push(low | 0x80);
    }
}

/// The bytes that [`put_varint`] takes for `value`.
pub(crate) fn varint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Reads from a shared buffer; byte strings come back as slices of it, without a copy.
pub(crate) struct Decoder<'a> {
    bytes: &'a Bytes,
    offset: usize,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a Bytes) -> Decoder<'a> {
        Decoder { bytes, offset: 0 }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    pub(crate) fn malformed(&self, what: &'static str) -> Malformed {
        Malformed {
            offset: self.offset,
            what,
        }
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.offset).ok_or(self.malformed(what))?;
        self.offset += 1;
        Ok(byte)
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], Malformed> {
        let error = self.malformed(what);
        let chunk = self.bytes[self.offset..].first_chunk::<N>().ok_or(error)?;
        self.offset += N;
        Ok(*chunk)
    }

    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let start = self.malformed(what);
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(what)?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return Err(start);
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(start)
    }

    pub(crate) fn bytes(&mut self, len: u64, what: &'static str) -> Result<Bytes, Malformed> {
        let error = self.malformed(what);
        let len = usize::try_from(len)
            .ok()
            .filter(|len| *len <= self.remaining())
            .ok_or(error)?;
        let slice = self.bytes.slice(self.offset..self.offset + len);
        self.offset += len;
        Ok(slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back_and_bad_ones_are_refused() {
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
            let mut buffer = Vec::new();
            put_varint(&mut buffer, value);
            assert_eq!(buffer.len(), varint_len(value));
            let bytes = Bytes::from(buffer);
            assert_eq!(Decoder::new(&bytes).varint("value"), Ok(value));
        }
        let endless = Bytes::from_static(&[0xff; 11]);
        assert!(Decoder::new(&endless).varint("value").is_err());
        let cut = Bytes::from_static(&[0x80]);
        assert!(Decoder::new(&cut).varint("value").is_err());
    }
}
