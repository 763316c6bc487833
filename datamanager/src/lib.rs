//! A transactional document database on object storage, embeddable and shared by many processes.
//!
//! All writers append batches of transactions to one log; every process applies the log to memory and decides
//! conflicts there. See `ARCHITECTURE.md` for the map, and `docs/formats.md` for every byte that is stored.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! # let directory = tempfile::tempdir().unwrap();
//! # let url = format!("file://{}", directory.path().display());
//! use datamanager::DataManager;
//!
//! let store = DataManager::open(&url).await?;
//! let mut transaction = store.begin();
//! if transaction.get_raw("user", "bob").await?.is_none() {
//!     transaction.put_raw("user", "bob", "{\"admin\":true}")?;
//! }
//! transaction.commit().await?;
//! store.close().await?;
//! # Ok::<(), datamanager::Error>(())
//! # }).unwrap();
//! ```

/// The programs that the README shows, as doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

pub mod data_file;
pub mod environment;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

mod commit_id;
mod cursor;
mod data_manager;
mod documents;
mod error;
#[cfg(feature = "etcd")]
mod etcd_options;
mod export;
mod follow;
mod maintenance;
mod open;
mod position;
mod record_info;
mod scan;
mod settings;
mod snapshot;
mod stats;
mod timestamp;
mod token;
mod transaction;
mod update;
mod upkeep;
mod verify;

mod commit_ticket;
mod committer;
mod conflict;
mod disk_cache;
mod failpoint;
mod file_set;
mod history;
mod instances;
mod jobs;
mod memtable;
mod merge;
mod mutation;
mod opener;
mod read_view;
mod recent_records;
mod registry;
mod state;

mod codec;
mod control;
mod entry_key;
mod epoch;
mod export_format;
mod log;
mod log_kind;
mod manifest;
mod record;
mod sealed_json;
mod store;
mod store_clock;
mod store_id;
mod wal_file;

pub use commit_id::{CommitId, Outcome};
pub use committer::Committed;
pub use cursor::Cursor;
pub use data_manager::DataManager;
pub use documents::{
    Change, ChangedDocuments, Changes, Collection, Document, DocumentScan, FieldKind, IndexCursor,
    IndexField, IndexKey, IndexScan, IndexState, IndexStatus, IndexVerification, IndexedType,
    Indexes, KeyEncoder, Previous, Query, View, ViewChange,
};
pub use entry_key::{DATA_TYPE_BYTES_MAX, ID_BYTES_MAX, check_data_type, check_id};
pub use error::{Conflict, Error, ErrorKind, UniqueViolation};
#[cfg(feature = "etcd")]
pub use etcd_options::EtcdOptions;
pub use export::{Conversion, Expansion, Export, ExportOptions, HeldSnapshot, TransferredEntry};
pub use export_format::ExportFormat;
pub use follow::{Follow, FollowedTransaction, FollowedWrite};
pub use instances::{Instance, Mode};
pub use jobs::{
    CheckpointReport, CompactionReport, GarbageReport, ImportOptions, ImportReport, Pin,
};
pub use log_kind::LogKind;
pub use maintenance::MaintenanceStatus;
pub use open::Builder;
pub use position::{Position, RecordId};
pub use record_info::{RecordInfo, WriteInfo};
pub use scan::{Entry, Scan, ScanOptions};
pub use settings::{Durability, Settings, UniqueWhileBuilding};
pub use snapshot::Snapshot;
pub use stats::{RunStats, Stats};
pub use timestamp::Timestamp;
pub use token::{GROUP_NAME_BYTES_MAX, Token};
pub use transaction::{Transaction, TransactionScan};
pub use upkeep::DeleteOptions;
pub use verify::{Damage, Verification};
