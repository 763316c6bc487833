//! Places in the log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::environment::Environment;

/// The name of one record of the log: 16 bytes from the operating system's random generator.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId([u8; 16]);

impl RecordId {
    /// The id that stands for "no record": the predecessor of the first record of a store.
    pub const NONE: RecordId = RecordId([0; 16]);

    pub(crate) fn random(environment: &dyn Environment) -> RecordId {
        let mut bytes = [0; 16];
        environment.fill_random(&mut bytes);
        RecordId(bytes)
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> RecordId {
        RecordId(bytes)
    }

    /// The id's bytes, as they stand in records.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for RecordId {
    type Err = Error;

    fn from_str(text: &str) -> Result<RecordId, Error> {
        let invalid = || {
            Error::invalid(format!(
                "{text:?} is not a record id: 32 hexadecimal digits are expected"
            ))
        };
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        let number =
            u128::from_str_radix(text, 16).map_err(|error| invalid().with_source(error))?;
        Ok(RecordId(number.to_be_bytes()))
    }
}

impl Serialize for RecordId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<RecordId, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A place in the log: the state after the record named here, and after everything before it.
///
/// `seq` numbers the records without a gap and rises across epochs; it is the only revision number there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The epoch that the record belongs to; 0 only before the first record of a store.
    pub epoch: u32,
    /// The record's number; 0 only before the first record of a store.
    pub seq: u64,
    /// The record's id.
    pub record: RecordId,
}

impl Position {
    /// Before the first record of a store.
    pub const START: Position = Position {
        epoch: 0,
        seq: 0,
        record: RecordId::NONE,
    };
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.epoch, self.seq)
    }
}
