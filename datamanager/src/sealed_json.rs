//! Small JSON files that end with a checksum of themselves.
//!
//! The file is one line of JSON with a `format` field, then `crc32c=<8 hexadecimal digits>` over that line and its
//! line feed, then a line feed.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

const TRAILER_PREFIX: &[u8] = b"crc32c=";
const TRAILER_BYTES: usize = TRAILER_PREFIX.len() + 9;

/// Encodes `value`, whose JSON must be an object with a `format` field.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Bytes, Error> {
    let mut text = serde_json::to_vec(value).map_err(|error| {
        Error::new(
            crate::ErrorKind::Internal,
            "cannot encode a file of the store",
        )
        .with_source(error)
    })?;
    text.push(b'\n');
    let checksum = crc32c::crc32c(&text);
    text.extend_from_slice(format!("crc32c={checksum:08x}\n").as_bytes());
    Ok(Bytes::from(text))
}

/// The checksum that stands at the end of an encoded file.
pub(crate) fn checksum(encoded: &[u8]) -> u32 {
    crc32c::crc32c(&encoded[..encoded.len().saturating_sub(TRAILER_BYTES)])
}

/// The same file with the checksum that it should have.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn repair(encoded: &[u8]) -> Vec<u8> {
    let mut text = encoded[..encoded.len().saturating_sub(TRAILER_BYTES)].to_vec();
    let checksum = crc32c::crc32c(&text);
    text.extend_from_slice(format!("crc32c={checksum:08x}\n").as_bytes());
    text
}

/// Decodes the file at `path`.
///
/// # Errors
/// `Corrupt` when the checksum or the content does not fit, `Invalid` when the format is newer than `format_max`.
pub(crate) fn decode<T: DeserializeOwned>(
    path: &str,
    bytes: &[u8],
    format_max: u32,
) -> Result<T, Error> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        format: u32,
    }
    let corrupt = |what: &str| Error::corrupt(format!("{path:?} is damaged: {what}"));
    let split = bytes
        .len()
        .checked_sub(TRAILER_BYTES)
        .ok_or_else(|| corrupt("it is cut off"))?;
    let (text, trailer) = bytes.split_at(split);
    let expected = format!("crc32c={:08x}\n", crc32c::crc32c(text));
    if trailer != expected.as_bytes() {
        return Err(corrupt("its checksum does not fit"));
    }
    let envelope: Envelope = serde_json::from_slice(text)
        .map_err(|error| corrupt("it names no format").with_source(error))?;
    if envelope.format > format_max {
        return Err(Error::invalid(format!(
            "{path:?} has format {}, which is newer than {format_max}, the newest that this version reads",
            envelope.format
        )));
    }
    serde_json::from_slice(text)
        .map_err(|error| corrupt("its fields are not those expected").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, serde::Deserialize, PartialEq, Debug)]
    struct Sample {
        format: u32,
        name: String,
    }

    #[test]
    fn damage_and_newer_formats_are_told_apart() {
        let sample = Sample {
            format: 3,
            name: "x".to_owned(),
        };
        let bytes = encode(&sample).unwrap();
        assert_eq!(decode::<Sample>("a.json", &bytes, 3).unwrap(), sample);
        let newer = decode::<Sample>("a.json", &bytes, 2).unwrap_err();
        assert_eq!(newer.kind(), crate::ErrorKind::Invalid);
        assert!(
            newer.to_string().contains("format 3") && newer.to_string().contains('2'),
            "{newer}"
        );
        for offset in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[offset] ^= 4;
            assert_eq!(
                decode::<Sample>("a.json", &damaged, 3).unwrap_err().kind(),
                crate::ErrorKind::Corrupt
            );
            assert!(decode::<Sample>("a.json", &bytes[..offset], 3).is_err());
        }
    }
}
