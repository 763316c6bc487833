//! Places in a store's log, as clients and servers tell them to each other.
//!
//! A reply carries the position that its server had applied, in the header [`POSITION`]. A client that sends it back, to
//! whichever instance, as [`MIN_POSITION`] gets an answer from a state that is at least as new.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The header of a reply: the position that the server had applied when it answered.
pub const POSITION: &str = "x-dm-position";
/// The header of a request: the oldest position that may be answered from.
pub const MIN_POSITION: &str = "x-dm-min-position";

/// The number of a record of the log, with the epoch that it belongs to: `3/1207`.
///
/// Later positions are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The record's number, which rises across epochs.
    pub seq: u64,
    /// The epoch.
    pub epoch: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.epoch, self.seq)
    }
}

impl FromStr for Position {
    type Err = Error;

    fn from_str(text: &str) -> Result<Position, Error> {
        let parsed = text.split_once('/').and_then(|(epoch, seq)| {
            Some(Position {
                epoch: number(epoch)?,
                seq: number(seq)?,
            })
        });
        parsed.ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            Error::bad_request(format!(
                "{shown:?} is not a position: two numbers with a slash between them are expected"
            ))
        })
    }
}

/// Digits alone; `parse` would take a sign too.
fn number<N: FromStr>(text: &str) -> Option<N> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(feature = "server")]
impl From<datamanager::Position> for Position {
    fn from(position: datamanager::Position) -> Position {
        Position {
            seq: position.seq,
            epoch: position.epoch,
        }
    }
}

#[cfg(feature = "server")]
impl From<Position> for datamanager::Position {
    /// The record's id is left open; waiting for a position does not look at it.
    fn from(position: Position) -> datamanager::Position {
        datamanager::Position {
            epoch: position.epoch,
            seq: position.seq,
            ..datamanager::Position::START
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_from_text_in_order_and_anything_else_is_refused() {
        let position = Position {
            epoch: 3,
            seq: 1207,
        };
        assert_eq!(position.to_string(), "3/1207");
        assert_eq!("3/1207".parse::<Position>().unwrap(), position);
        assert!(
            position
                < Position {
                    epoch: 4,
                    seq: 1208
                }
        );
        for text in [
            "",
            "/",
            "3",
            "3/",
            "/7",
            "+3/7",
            "3/-7",
            "3/7/1",
            " 3/7",
            "4294967296/1",
        ] {
            let error = text.parse::<Position>().unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::BadRequest, "{text:?}");
        }
    }
}
