//! What the clients of a run did and were told, and whether a store that keeps its promises can have told them that.
//!
//! Clients of any number of processes do their work through a [`Client`], which writes everything down: what was read
//! and written, when an operation began and ended, what listeners got, what became of commits that were unknown, and
//! imports. Afterwards all of it is one [`History`], and [`History::check`] replays the log in the order of its positions:
//!
//! - Every transaction that was acknowledged stands in the log once, at its position; none that was refused does, and one
//!   of which nothing is known either stands there or does not, for everybody.
//! - Every transaction has read what was there just before it, ranges included, so that the log is a serial order.
//! - Every snapshot, and every transaction that came to nothing, has read the state at its position.
//! - A transaction that began after another was acknowledged has the later position. A snapshot of the newest state shows
//!   everything that anybody knew of before; any other one what its own process did.
//! - Listeners got every transaction whole, once and in order.
//! - No transaction was committed with a token of a change group that had been committed to since.
//!
//! The first thing that is not so is a [`Violation`], which names the operations.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use datamanager::testing::history::Recorder;
//! # let directory = tempfile::tempdir().unwrap();
//! # let url = format!("file://{}", directory.path().display());
//!
//! let store = datamanager::DataManager::open(&url).await?;
//! let recorder = Recorder::in_memory();
//! let client = recorder.client(&store, "writer");
//! let mut transaction = client.begin();
//! transaction.get_raw("user", "bob").await?;
//! transaction.put_raw("user", "bob", "{}")?;
//! transaction.commit().await?;
//! let mut snapshot = client.latest_snapshot().await?;
//! snapshot.read_everything().await?;
//! drop(snapshot);
//! store.close().await?;
//! let report = recorder.history().check().expect("the store keeps its promises");
//! assert_eq!((report.committed, report.views), (1, 1));
//! # Ok::<(), datamanager::Error>(())
//! # }).unwrap();
//! ```
//!
//! # What is left out
//! Entries that expire, and writes that do not go through a [`Client`].

mod event;
mod violation;

mod client;
mod recorded_follow;
mod recorded_history;
mod recorded_snapshot;
mod recorded_transaction;
mod recorder;

mod check;

pub use self::check::Report;
pub use self::client::Client;
pub use self::event::{
    Answer, CursorPosition, Event, Freshness, Item, Key, MARKER_TYPE, OperationId, Range, Step,
    Value, ViewPosition,
};
pub use self::recorded_follow::RecordedFollow;
pub use self::recorded_history::History;
pub use self::recorded_snapshot::RecordedSnapshot;
pub use self::recorded_transaction::RecordedTransaction;
pub use self::recorder::Recorder;
pub use self::violation::{Violation, ViolationKind};
