//! Where a listener is in the log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Position, RecordId};

/// Stands for all transactions of a record.
const WHOLE_RECORD: u32 = u32::MAX;

/// A place in the log from which it can be followed: behind a number of transactions of one record.
///
/// It is printed, parsed and serialized as `epoch/seq/record id/delivered`, where `delivered` is `end` behind the whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The epoch in whose log reading goes on; behind the last record of an epoch it may be the one after it.
    pub(crate) epoch: u32,
    pub(crate) seq: u64,
    pub(crate) record: RecordId,
    pub(crate) delivered: u32,
}

impl Cursor {
    /// Behind the whole record at `position`, in the log of `epoch`.
    pub(crate) fn behind(epoch: u32, position: Position) -> Cursor {
        Cursor::within(epoch, position, WHOLE_RECORD)
    }

    /// Behind `delivered` transactions of the record at `position`.
    pub(crate) fn within(epoch: u32, position: Position, delivered: u32) -> Cursor {
        Cursor {
            epoch,
            seq: position.seq,
            record: position.record,
            delivered,
        }
    }

    pub(crate) fn is_behind_record(&self) -> bool {
        self.delivered == WHOLE_RECORD
    }

    pub(crate) fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            seq: self.seq,
            record: self.record,
        }
    }

    /// The epoch in whose log reading goes on.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The number of the record that the cursor is in or behind.
    pub fn seq(&self) -> u64 {
        self.seq
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}/", self.epoch, self.seq, self.record)?;
        match self.is_behind_record() {
            true => formatter.write_str("end"),
            false => write!(formatter, "{}", self.delivered),
        }
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Cursor, Error> {
        let invalid = || {
            Error::invalid(format!(
                "{text:?} is not a cursor: epoch/seq/record id/delivered is expected"
            ))
        };
        let parts: Vec<&str> = text.split('/').collect();
        let [epoch, seq, record, delivered] = parts.as_slice() else {
            return Err(invalid());
        };
        let delivered = match *delivered {
            "end" => WHOLE_RECORD,
            number => number
                .parse()
                .map_err(|error| invalid().with_source(error))?,
        };
        Ok(Cursor {
            epoch: epoch
                .parse()
                .map_err(|error| invalid().with_source(error))?,
            seq: seq.parse().map_err(|error| invalid().with_source(error))?,
            record: record.parse()?,
            delivered,
        })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cursor, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_from_its_text() {
        let position = Position {
            epoch: 3,
            seq: 99,
            record: RecordId::from_bytes([0xab; 16]),
        };
        for cursor in [Cursor::behind(4, position), Cursor::within(3, position, 7)] {
            assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
            let json = serde_json::to_string(&cursor).unwrap();
            assert_eq!(serde_json::from_str::<Cursor>(&json).unwrap(), cursor);
        }
        assert!(
            Cursor::behind(4, position)
                .to_string()
                .ends_with("abab/end")
        );
        for text in ["", "1/2", "1/2/ab/end", "1/2/3/4/5"] {
            assert_eq!(
                text.parse::<Cursor>().unwrap_err().kind(),
                crate::ErrorKind::Invalid
            );
        }
    }
}
