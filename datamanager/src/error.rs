//! The one error type of this crate.

use std::error::Error as StdError;
use std::fmt;

use crate::Position;
use crate::commit_id::CommitId;

/// What a caller can do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing does not exist: take it as absent.
    NotFound,
    /// Something that was read has changed since: read again, then retry. [`Error::conflict`] names it.
    Conflict,
    /// Another document has the key that a unique index allows once: take another. [`Error::violation`] names both.
    NotUnique,
    /// Writes are switched off by an operator: wait.
    Maintenance,
    /// The commit may or may not have happened: look [`Error::commit_id`] up with `DataManager::outcome`.
    Unknown,
    /// The position asked for is older than what is kept: start from a new snapshot.
    Compacted,
    /// The position asked for is on a branch of the log that was given up, or the data was replaced by an import behind it:
    /// start from a new snapshot. [`Error::base`] says where the store's history begins anew.
    Diverged,
    /// The snapshot has been given up, because too much had to be kept for it: take a new one.
    Expired,
    /// The request, a setting or the store's format does not fit: change it, a retry does not help.
    Invalid,
    /// The store cannot do it now; nothing has been committed: retry later.
    Unavailable,
    /// Stored bytes are not what was written: stop, tell the operator.
    Corrupt,
    /// A fault of this library.
    Internal,
}

impl ErrorKind {
    fn as_str(self) -> &'static str {
        match self {
            ErrorKind::NotFound => "not found",
            ErrorKind::Conflict => "conflict",
            ErrorKind::NotUnique => "not unique",
            ErrorKind::Maintenance => "maintenance",
            ErrorKind::Unknown => "unknown",
            ErrorKind::Compacted => "compacted",
            ErrorKind::Diverged => "diverged",
            ErrorKind::Expired => "expired",
            ErrorKind::Invalid => "invalid",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a transaction clashed with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Conflict {
    /// An entry that the transaction had read, or had found missing, was written since.
    Entry {
        /// The entry's data type.
        data_type: String,
        /// The entry's id.
        id: String,
    },
    /// An entry was written within a range that the transaction had scanned.
    Range {
        /// The data type of the entry written.
        data_type: String,
        /// The id of the entry written.
        id: String,
    },
    /// A change group of the transaction's token was committed to since.
    Group {
        /// The group's name.
        name: String,
    },
    /// An entry that was read expired, or one that was read as expired had not, when the transaction was to commit.
    Expiry,
    /// A document was written while all of its type were looked at for a key of a unique index that is not complete, again and
    /// again.
    Indexes,
    /// The transaction's snapshot is older than the changes that are remembered for checking.
    TooOld,
    /// The store has begun a new epoch since the snapshot or the token was taken.
    Epoch,
}

impl fmt::Display for Conflict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Conflict::Entry { data_type, id } => {
                write!(
                    formatter,
                    "entry {id:?} of type {data_type:?} was written since it was read"
                )
            }
            Conflict::Range { data_type, id } => {
                write!(
                    formatter,
                    "entry {id:?} of type {data_type:?} was written within a range since it was scanned"
                )
            }
            Conflict::Group { name } => write!(
                formatter,
                "change group {name:?} was committed to since the token was taken"
            ),
            Conflict::Expiry => formatter.write_str("an entry that was read has expired meanwhile"),
            Conflict::Indexes => formatter.write_str(
                "documents were written again and again while all were looked at for a key of an incomplete unique index",
            ),
            Conflict::TooOld => {
                formatter.write_str("the transaction's snapshot is too old to be checked")
            }
            Conflict::Epoch => {
                formatter.write_str("the store has begun a new epoch since the transaction began")
            }
        }
    }
}

/// A key that a unique index allows once, and two documents with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UniqueViolation {
    /// The type of both documents.
    pub data_type: String,
    /// The index.
    pub index: String,
    /// The key, as text: one value, or several in parentheses.
    pub key: String,
    /// The id of the document that has it.
    pub owner: String,
    /// The id of the document that was to have it too.
    pub id: String,
}

impl fmt::Display for UniqueViolation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "document {:?} of type {:?} cannot have {} in unique index {:?}: document {:?} has it",
            self.id, self.data_type, self.key, self.index, self.owner
        )
    }
}

/// Why a call failed: a [kind](Error::kind) for programs, a message for people, and the cause as its source.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    conflict: Option<Conflict>,
    violation: Option<UniqueViolation>,
    commit_id: Option<CommitId>,
    base: Option<Position>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                source: None,
                conflict: None,
                violation: None,
                commit_id: None,
                base: None,
            }),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Corrupt, message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Unavailable, message)
    }

    pub(crate) fn diverged(message: impl Into<String>, base: Position) -> Error {
        let mut error = Error::new(ErrorKind::Diverged, message);
        error.inner.base = Some(base);
        error
    }

    pub(crate) fn conflicting(conflict: Conflict) -> Error {
        let mut error = Error::new(ErrorKind::Conflict, format!("cannot commit: {conflict}"));
        error.inner.conflict = Some(conflict);
        error
    }

    pub(crate) fn not_unique(violation: UniqueViolation) -> Error {
        let mut error = Error::new(ErrorKind::NotUnique, violation.to_string());
        error.inner.violation = Some(violation);
        error
    }

    pub(crate) fn commit_unknown(commit_id: CommitId, why: &str) -> Error {
        let mut error = Error::new(
            ErrorKind::Unknown,
            format!("commit {commit_id} may or may not have happened: {why}"),
        );
        error.inner.commit_id = Some(commit_id);
        error
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Error {
        self.inner.source = Some(source.into());
        self
    }

    /// What the caller can do.
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// What the transaction clashed with, for [`ErrorKind::Conflict`].
    pub fn conflict(&self) -> Option<&Conflict> {
        self.inner.conflict.as_ref()
    }

    /// The key that was to be unique, for [`ErrorKind::NotUnique`].
    pub fn violation(&self) -> Option<&UniqueViolation> {
        self.inner.violation.as_ref()
    }

    /// The commit whose outcome is open, for [`ErrorKind::Unknown`].
    pub fn commit_id(&self) -> Option<CommitId> {
        self.inner.commit_id
    }

    /// Where the store's history begins anew, for [`ErrorKind::Diverged`].
    pub fn base(&self) -> Option<Position> {
        self.inner.base
    }

    /// The message and those of all causes, joined by colons.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = StdError::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Error({}: {})", self.inner.kind, self.chain())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<ost::Error> for Error {
    fn from(error: ost::Error) -> Error {
        let kind = match error.kind() {
            ost::ErrorKind::NotFound => ErrorKind::NotFound,
            ost::ErrorKind::Invalid | ost::ErrorKind::Denied => ErrorKind::Invalid,
            ost::ErrorKind::Corrupt => ErrorKind::Corrupt,
            ost::ErrorKind::Internal => ErrorKind::Internal,
            _ => ErrorKind::Unavailable,
        };
        Error::new(kind, "the object storage failed").with_source(error)
    }
}
