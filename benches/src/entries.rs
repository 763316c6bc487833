//! The entries that are written and read.

use bytes::Bytes;

use crate::numbers::{Numbers, scatter};

/// The type of all entries.
pub const DATA_TYPE: &str = "document";

const HEAD: &[u8] = b"{\"id\":\"";
const MIDDLE: &[u8] = b"\",\"text\":\"";
const TAIL: &[u8] = b"\"}";
const ID_BYTES: usize = 16;
const TEXT_START: usize = HEAD.len() + ID_BYTES + MIDDLE.len();

/// The id of entry `number`: 16 hexadecimal digits, all different, in no order.
pub fn entry_id(number: u64) -> String {
    format!("{:016x}", scatter(number))
}

/// A value of exactly `bytes` bytes for entry `number`, always the same.
///
/// # Shape
/// `{"id":"<16 hexadecimal digits>","text":"<hexadecimal digits>"}`. The text cannot be compressed to less than half.
pub fn entry_value(number: u64, bytes: usize) -> Bytes {
    assert!(
        bytes >= TEXT_START + TAIL.len(),
        "an entry of {bytes} bytes has no room for its id"
    );
    let mut value = Vec::with_capacity(bytes + ID_BYTES);
    value.extend_from_slice(HEAD);
    value.extend_from_slice(entry_id(number).as_bytes());
    value.extend_from_slice(MIDDLE);
    let mut numbers = Numbers::from_seed(number);
    while value.len() < bytes {
        value.extend_from_slice(format!("{:016x}", numbers.next_number()).as_bytes());
    }
    value.truncate(bytes - TAIL.len());
    value.extend_from_slice(TAIL);
    Bytes::from(value)
}

/// Whether `value` is that of the entry `id`, by the id that stands in it.
pub fn belongs_to(value: &[u8], id: &str) -> bool {
    value.get(HEAD.len()..HEAD.len() + ID_BYTES) == Some(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{belongs_to, entry_id, entry_value};

    #[test]
    fn values_have_their_length_and_name_their_entry() {
        for bytes in [36, 37, 400, 1024] {
            let value = entry_value(5, bytes);
            assert_eq!(value.len(), bytes);
            assert!(value.ends_with(b"\"}"));
            assert!(belongs_to(&value, &entry_id(5)));
            assert!(!belongs_to(&value, &entry_id(6)));
        }
    }
}
