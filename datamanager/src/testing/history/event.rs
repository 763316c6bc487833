//! What is recorded of a run.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{CommitId, Position, ScanOptions};

/// The data type of the entry that every recorded transaction also writes, with its operation's name as the id. What the
/// store holds of this type is exactly what was committed.
pub const MARKER_TYPE: &str = "history";

/// Characters of a value that a message shows, at most.
const SHOWN_CHARS_MAX: usize = 60;

/// Names one operation of a run: `process/client#number`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationId {
    /// The open store that it went through. A store that is opened again is another one.
    pub process: String,
    /// The client, whose operations come one after the other.
    pub client: String,
    /// Counts the operations of the process.
    pub number: u64,
}

impl fmt::Display for OperationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}/{}#{}",
            self.process, self.client, self.number
        )
    }
}

/// The key of an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The data type.
    pub data_type: String,
    /// The id.
    pub id: String,
}

impl Key {
    /// The key of an entry.
    pub fn new(data_type: impl Into<String>, id: impl Into<String>) -> Key {
        Key {
            data_type: data_type.into(),
            id: id.into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.data_type, self.id)
    }
}

/// The bytes of an entry. They are base64 in JSON, and shown as text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Value(pub Bytes);

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.0);
        let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
        write!(formatter, "{shown:?}")?;
        if shown.len() < text.len() {
            write!(formatter, "... ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl<T: Into<Bytes>> From<T> for Value {
    fn from(bytes: T) -> Value {
        Value(bytes.into())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Value(bytes.into()))
    }
}

/// An entry that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its key.
    pub key: Key,
    /// Its bytes.
    pub value: Value,
    /// The number of the record that is said to have written it, where that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// A state of the store, as a snapshot names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewPosition {
    /// The epoch that the snapshot belongs to. An epoch that begins with an import holds the import at its base already.
    pub epoch: u32,
    /// The last record that it holds.
    pub position: Position,
}

impl fmt::Display for ViewPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.epoch, self.position.seq)
    }
}

/// One step of an operation, in the order in which its client took them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// An entry was looked up.
    Get {
        /// Its key.
        key: Key,
        /// What was there.
        found: Option<Value>,
    },
    /// Entries of a type were read in order.
    Scan {
        /// What was asked for.
        range: Range,
        /// What came, in the order in which it came.
        found: Vec<Item>,
        /// Whether the range was read to its end. Otherwise the client stopped, and nothing is said of what follows.
        complete: bool,
    },
    /// Everything was read, of all types, by rising type and id.
    Everything {
        /// What came.
        found: Vec<Item>,
    },
    /// An entry is written by the transaction.
    Put {
        /// Its key.
        key: Key,
        /// What is written.
        value: Value,
    },
    /// An entry is deleted by the transaction.
    Delete {
        /// Its key.
        key: Key,
    },
    /// The transaction is only to be committed if none of these groups was committed to since `seq`; it counts as a commit
    /// to all of them.
    Token {
        /// The epoch of the token.
        epoch: u32,
        /// The record that it knows of.
        seq: u64,
        /// The change groups.
        groups: Vec<String>,
    },
    /// The transaction counts as a commit to a change group.
    Touch {
        /// The change group.
        group: String,
    },
}

/// Which entries of one type are read, and in which order: [`ScanOptions`](crate::ScanOptions) for a history.
///
/// `start` and `end` are meant in the direction of the scan. The scan begins at `start` and ends before `end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The data type.
    pub data_type: String,
    /// What all ids begin with.
    pub prefix: String,
    /// The first id, whether it exists or not.
    pub start: Option<String>,
    /// The id before which the scan ends.
    pub end: Option<String>,
    /// Whether the largest id comes first.
    pub reverse: bool,
}

impl Range {
    /// All ids of a type, the smallest first.
    pub fn all(data_type: impl Into<String>) -> Range {
        Range {
            data_type: data_type.into(),
            prefix: String::new(),
            start: None,
            end: None,
            reverse: false,
        }
    }

    /// Only ids that begin with `prefix`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Range {
        self.prefix = prefix.into();
        self
    }

    /// Begins at `id`.
    pub fn start(mut self, id: impl Into<String>) -> Range {
        self.start = Some(id.into());
        self
    }

    /// Ends before `id`.
    pub fn end(mut self, id: impl Into<String>) -> Range {
        self.end = Some(id.into());
        self
    }

    /// The largest first.
    pub fn reverse(mut self) -> Range {
        self.reverse = true;
        self
    }

    /// Whether an id lies within.
    pub fn contains(&self, id: &str) -> bool {
        let is_behind = |bound: &String| match self.reverse {
            true => id <= bound.as_str(),
            false => id >= bound.as_str(),
        };
        let is_before = |bound: &String| match self.reverse {
            true => id > bound.as_str(),
            false => id < bound.as_str(),
        };
        id.starts_with(&self.prefix)
            && self.start.as_ref().is_none_or(is_behind)
            && self.end.as_ref().is_none_or(is_before)
    }

    pub(super) fn options(&self) -> ScanOptions {
        let mut options = ScanOptions::new().prefix(&self.prefix);
        if let Some(start) = &self.start {
            options = options.start(start);
        }
        if let Some(end) = &self.end {
            options = options.end(end);
        }
        match self.reverse {
            true => options.reverse(),
            false => options,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}*", self.data_type, self.prefix)?;
        if let Some(start) = &self.start {
            write!(formatter, " from {start:?}")?;
        }
        if let Some(end) = &self.end {
            write!(formatter, " until {end:?}")?;
        }
        match self.reverse {
            true => formatter.write_str(" in reverse"),
            false => Ok(()),
        }
    }
}

/// What a client was told of its transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It stands in the log.
    Committed {
        /// The position of its record.
        position: Position,
        /// Which transaction of the record it is.
        index: u32,
    },
    /// It was not committed and never will be.
    Refused {
        /// The kind of the error.
        kind: String,
    },
    /// It may stand in the log, or not.
    Unknown {
        /// Its name for looking it up.
        id: CommitId,
    },
}

/// Which snapshot a client has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freshness {
    /// What the process has applied.
    Applied,
    /// The newest state of the store.
    Latest,
    /// One that holds this record.
    AtLeast {
        /// The number of the record.
        seq: u64,
    },
}

/// One line of a history. Times come from one clock that all processes of the run share, and that never goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// A transaction has been handed over for its commit. One without an [`Event::Answered`] had no answer.
    Submitted {
        /// The operation.
        operation: OperationId,
        /// Before its snapshot was taken.
        start: u64,
        /// When it was there.
        opened: u64,
        /// What it has read from.
        view: ViewPosition,
        /// What it has read and is to write.
        steps: Vec<Step>,
    },
    /// The answer to a transaction.
    Answered {
        /// The operation.
        operation: OperationId,
        /// When the answer was there.
        end: u64,
        /// The answer.
        answer: Answer,
    },
    /// A snapshot was read, or a transaction was given up by its client before its commit.
    Viewed {
        /// The operation.
        operation: OperationId,
        /// Before the snapshot was asked for.
        start: u64,
        /// When it was there.
        opened: u64,
        /// What was asked for.
        freshness: Freshness,
        /// What it is a snapshot of.
        view: ViewPosition,
        /// What was read. Writes are those that were never handed over.
        steps: Vec<Step>,
    },
    /// It was looked up what became of a commit that was unknown.
    LookedUp {
        /// The operation.
        operation: OperationId,
        /// When the answer was there.
        end: u64,
        /// The commit.
        id: CommitId,
        /// Whether it stands; `None` if that cannot be told, or not yet.
        committed: Option<bool>,
    },
    /// A listener has begun.
    Listening {
        /// Its name.
        listener: OperationId,
        /// Behind this it has begun.
        cursor: CursorPosition,
    },
    /// A listener got a transaction.
    Delivered {
        /// The listener.
        listener: OperationId,
        /// When it was there.
        at: u64,
        /// The record of the transaction.
        position: Position,
        /// Which transaction of the record it is.
        index: u32,
        /// What it writes; `None` for a delete.
        writes: Vec<(Key, Option<Value>)>,
    },
    /// A listener has stopped.
    Stopped {
        /// The listener.
        listener: OperationId,
        /// All up to here has been delivered.
        cursor: CursorPosition,
    },
    /// An import was tried.
    Imported {
        /// The operation.
        operation: OperationId,
        /// Everything that the store is to hold, by rising type and id.
        content: Vec<Item>,
    },
    /// What became of an import. One without this had no answer.
    ImportAnswered {
        /// The operation.
        operation: OperationId,
        /// When the answer was there.
        end: u64,
        /// Whether it took effect; `None` if that is not known.
        took_effect: Option<bool>,
        /// The epoch that has begun with it; 0 if none has.
        epoch: u32,
        /// Where that epoch begins.
        base: Position,
    },
    /// The log was put back to what it had been at least some seconds ago, as an etcd that is restored to a backup.
    WentBack {
        /// When it was there again.
        at: u64,
    },
    /// An epoch that the store has.
    Epoch {
        /// Its number.
        epoch: u32,
        /// Where it begins.
        base: Position,
        /// Whether an import is what it begins with.
        imported: bool,
    },
}

/// A place in the log between two transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorPosition {
    /// The record that it is in or behind.
    pub seq: u64,
    /// Transactions of that record that lie before it; `u32::MAX` behind the whole record.
    pub delivered: u32,
}

impl fmt::Display for CursorPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.delivered {
            u32::MAX => write!(formatter, "{}", self.seq),
            delivered => write!(formatter, "{}.{delivered}", self.seq),
        }
    }
}
