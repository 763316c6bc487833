//! What a history can be wrong in.

use std::error::Error;
use std::fmt;

/// Which promise a history breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViolationKind {
    /// The history contradicts itself, or does not tell what became of a transaction: the test has to record more.
    Incomplete,
    /// One number of the log was given to two records, or one place in a record to two transactions.
    Branched,
    /// A later epoch has a record with a number that is not above those of an earlier one, or outside of the epoch.
    EpochOrder,
    /// A transaction stands in the log, or in the state, that its client was told is not committed.
    RefusedIsPresent,
    /// A transaction that its client was told is committed is missing where it has to be.
    CommittedIsMissing,
    /// A transaction stands in the log twice, or was delivered twice.
    Doubled,
    /// A transaction stands in the log with other writes than it was committed with.
    Altered,
    /// A transaction stands in the log that no client has committed.
    Foreign,
    /// A listener got transactions in another order than that of the log.
    ListenerOrder,
    /// A transaction was committed although something that it has read was changed before it.
    NotSerializable,
    /// A snapshot or a transaction has read something else than the state at its position.
    SnapshotRead,
    /// A snapshot is older than it may be.
    Stale,
    /// A transaction that began after another was acknowledged comes before it in the log.
    RealTimeOrder,
    /// What was said of a commit that was unknown is not so, or was said differently before.
    WrongOutcome,
    /// A transaction was committed although a change group of its token had been committed to.
    ChangeGroup,
}

/// The first thing found that a store which keeps its promises cannot have done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    kind: ViolationKind,
    message: String,
}

impl Violation {
    pub(super) fn new(kind: ViolationKind, message: impl Into<String>) -> Violation {
        Violation {
            kind,
            message: message.into(),
        }
    }

    /// Which promise is broken.
    pub fn kind(&self) -> ViolationKind {
        self.kind
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({:?})", self.message, self.kind)
    }
}

impl Error for Violation {}
