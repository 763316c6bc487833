//! What the routes that all servers share answer, and parts of which the requests and answers of several are made.

pub mod json;
mod names;
mod time;

pub use names::UnknownName;
pub use time::{InvalidTime, Time};

use serde::{Deserialize, Serialize};

/// The header with which a server says for whom it asks another one.
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) const CALLER: &str = "x-dm-caller";

/// Whether a store or an instance accepts changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Everything is served.
    Normal,
    /// Only what an operator needs is served.
    Maintenance,
}

/// The answer of `GET /api/v1alpha/maintenance`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct MaintenanceStatus {
    /// What was asked for last.
    pub requested_mode: Mode,
    /// `maintenance` once every live instance is in it, `normal` otherwise.
    pub current_mode: Mode,
    /// Since which position changes are refused, if they are.
    pub since: Option<String>,
    /// The instance that switched it on.
    pub requested_by: Option<String>,
    /// The instance that imports, if one does.
    pub importing: Option<String>,
    /// Live instances that are not yet in the mode that was asked for.
    pub waiting_for: Vec<String>,
}

/// One live instance, in the answer of `GET /api/v1alpha/instances`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct InstanceStatus {
    /// Its unique name, which its log lines carry.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What was asked of all instances.
    pub requested_mode: Mode,
    /// The mode in which it was when it registered last.
    pub current_mode: Mode,
    /// The newest position that it had applied then.
    pub position: String,
    /// How many milliseconds ago that was.
    pub age_ms: u64,
}

/// The store of the instance that answers: the answer of `GET /api/v1alpha/store`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct StoreStatus {
    /// The unique name of the instance.
    pub instance: String,
    /// The newest position that it has applied.
    pub position: String,
    /// Data files hold everything up to here.
    pub covered: String,
    /// The object storage holds the log up to here, as far as this instance knows.
    pub flushed: String,
    /// The number of the manifest that is read from.
    pub manifest: u64,
    /// Runs of data files: a read looks into each of them at most once.
    pub runs: u64,
    /// Entries of data files; those that were replaced or deleted may be counted too.
    pub entries: u64,
    /// Bytes of data files.
    pub data_file_bytes: u64,
    /// Bytes of the log that are held in memory.
    pub memory_log_bytes: u64,
}

/// The body of every reply that tells of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// What kind of failure it is, for programs: lower case, with underscores.
    #[serde(default)]
    pub code: String,
    /// What went wrong, for people.
    #[serde(default)]
    pub message: String,
}
