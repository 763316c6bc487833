//! The name of one attempt to commit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Position, RecordId};

/// Names one transaction within the record that tried to commit it.
///
/// It is printed and parsed as `epoch/seq/record id/index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CommitId {
    /// The epoch in which the record was to be appended.
    pub epoch: u32,
    /// The number that the record was to have.
    pub seq: u64,
    /// The record's id.
    pub record: RecordId,
    /// Which transaction of the record, counted from 0.
    pub index: u32,
}

impl CommitId {
    /// The transaction of that index in the record at `position`.
    pub(crate) fn in_record(position: Position, index: u32) -> CommitId {
        CommitId {
            epoch: position.epoch,
            seq: position.seq,
            record: position.record,
            index,
        }
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}/{}/{}/{}",
            self.epoch, self.seq, self.record, self.index
        )
    }
}

impl FromStr for CommitId {
    type Err = Error;

    fn from_str(text: &str) -> Result<CommitId, Error> {
        let invalid = || {
            Error::invalid(format!(
                "{text:?} is not a commit id: epoch/seq/record id/index is expected"
            ))
        };
        let parts: Vec<&str> = text.split('/').collect();
        let [epoch, seq, record, index] = parts.as_slice() else {
            return Err(invalid());
        };
        Ok(CommitId {
            epoch: epoch
                .parse()
                .map_err(|error| invalid().with_source(error))?,
            seq: seq.parse().map_err(|error| invalid().with_source(error))?,
            record: record.parse()?,
            index: index
                .parse()
                .map_err(|error| invalid().with_source(error))?,
        })
    }
}

/// What became of a commit that was reported as unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It stands in the log.
    Committed,
    /// It does not stand in the log and never will.
    NotCommitted,
    /// Nothing stands at its place yet: it may still land. Ask again.
    Undecided,
    /// The part of the log that would tell is gone.
    TooOld,
}
