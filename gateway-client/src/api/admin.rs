//! What operators ask about the services behind the gateway.

use serde::{Deserialize, Serialize};

/// The store of a service: the answer of `GET /admin/stores` has one for each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreResponse {
    /// The service.
    pub service: String,
    /// What was asked of its instances: `normal` or `maintenance`.
    pub requested_mode: String,
    /// `maintenance` once all of them are in it.
    pub current_mode: String,
    /// Instances that are not yet in the mode that was asked for.
    pub waiting_for: Vec<String>,
    /// Its live instances.
    pub instances: Vec<StoreInstance>,
    /// The newest position that the instance which answered has applied.
    pub position: String,
    /// What is kept in data files.
    pub checkpoint: StoreCheckpoint,
    /// What it takes.
    pub size: StoreSize,
    /// Why nothing is known about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A live instance of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreInstance {
    /// Its unique name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The mode in which it was when it registered last.
    pub current_mode: String,
    /// The newest position that it had applied then.
    pub position: String,
    /// How many milliseconds ago that was.
    pub age_ms: u64,
}

/// What of a store is kept in data files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreCheckpoint {
    /// The number of the newest manifest.
    pub manifest: u64,
    /// Data files hold everything up to here.
    pub position: String,
    /// Runs of data files: a read looks into each of them at most once.
    pub runs: u64,
}

/// What a store takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreSize {
    /// Entries in data files; those that were replaced or deleted may be counted too.
    pub entries: u64,
    /// Bytes of data files.
    pub data_file_bytes: u64,
    /// Bytes of the log that are held in memory and not in data files yet.
    pub memory_log_bytes: u64,
}

/// Whether a service is in maintenance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MaintenanceResponse {
    /// What was asked of its instances: `normal` or `maintenance`.
    pub requested_mode: String,
    /// `maintenance` once all of them are in it.
    pub current_mode: String,
    /// Instances that are not yet in the mode that was asked for.
    pub waiting_for: Vec<String>,
}
