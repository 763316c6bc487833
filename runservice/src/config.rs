//! The section `runservice` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use ost::Ost;
use serde::Deserialize;
use service::Options;
use service::config::{Limits, ServerSection, Sources, Web, go_duration, invalid};

use crate::Error;

/// The name of the section, of the component, and of the prefix in etcd.
pub(crate) const NAME: &str = "runservice";
/// Below it the documents are, in the directory or bucket.
const BASE_PATH: &str = "rundata";
/// Below it logs, workspace archives and caches are.
const OBJECTS_PATH: &str = "runobjects";
const LISTEN_ADDRESS_DEFAULT: &str = "127.0.0.1:4000";
const DATA_DIR_DEFAULT: &str = "./data/runservice";
/// A run has its environment and all its tasks in one body.
const JSON_BYTES_MAX_DEFAULT: usize = 8 * 1024 * 1024;
const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How the service runs: what is in the section, or its defaults. `config.reference.yml` shows all keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// What all servers have. By default the data is in `./data/runservice`, the service listens on `127.0.0.1:4000`, and a
    /// body of JSON has at most 8 MiB.
    pub server: ServerSection,
    /// What it has alone.
    pub runs: RunSettings,
}

/// The keys that the section has beside those of all servers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct RunSettings {
    /// Caches are removed so long after they were written. Default 7 days.
    #[serde(deserialize_with = "go_duration")]
    pub run_cache_expire_interval: Duration,
    /// Workspace archives are removed so long after they were written. Default 7 days. Lowered, a restart from the failed
    /// tasks may lack what the other tasks have left.
    #[serde(deserialize_with = "go_duration")]
    pub run_workspace_expire_interval: Duration,
    /// Whether the oldest queued run of each group is started when no other one of the group runs, and tasks with approvers
    /// enough are approved. Default yes. Off, an external scheduler has to do it.
    pub start_queued_runs: bool,
    /// An executor that has not reported for so long gets no tasks. Default 60 s.
    #[serde(deserialize_with = "go_duration")]
    pub executor_dead_after: Duration,
    /// The tasks of an executor that has not reported for so long, while this service could hear it, fail. Default 5 min.
    /// Raised, runs hang longer when a machine is lost; lowered, a short loss of the network costs more tasks.
    #[serde(deserialize_with = "go_duration")]
    pub executor_lost_after: Duration,
    /// A file with the token that is shown to executors. Empty: none. It is shown to whoever registers as an executor, which
    /// the service's own token should therefore be needed for.
    pub executor_token_file: PathBuf,
    /// The certificates that those of executors with TLS have to be signed with, PEM, beside those that the system trusts.
    #[serde(rename = "executorCAFile")]
    pub executor_ca_file: PathBuf,
    /// Run events that are kept for replay, at most. Default 10,000.
    pub run_events_max: u64,
}

impl Default for RunSettings {
    fn default() -> RunSettings {
        RunSettings {
            run_cache_expire_interval: WEEK,
            run_workspace_expire_interval: WEEK,
            start_queued_runs: true,
            executor_dead_after: Duration::from_secs(60),
            executor_lost_after: Duration::from_secs(300),
            executor_token_file: PathBuf::new(),
            executor_ca_file: PathBuf::new(),
            run_events_max: 10_000,
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            server: ServerSection {
                data_dir: DATA_DIR_DEFAULT.into(),
                web: Web::at(LISTEN_ADDRESS_DEFAULT),
                limits: Limits {
                    json_bytes_max: JSON_BYTES_MAX_DEFAULT,
                    ..Limits::default()
                },
                ..ServerSection::default()
            },
            runs: RunSettings::default(),
        }
    }
}

impl Settings {
    /// Reads the section from where the configuration comes from.
    ///
    /// # Errors
    /// An unknown key, or a value that does not fit: each is named.
    pub fn load(sources: Sources) -> Result<Settings, Error> {
        let json_bytes_max = JSON_BYTES_MAX_DEFAULT.to_string();
        let config = sources
            .default_value("runservice.dataDir", DATA_DIR_DEFAULT)
            .default_value("runservice.web.listenAddress", LISTEN_ADDRESS_DEFAULT)
            .default_value("runservice.limits.jsonBytesMax", json_bytes_max)
            .load()?;
        let (server, runs) = config.server_section(NAME)?;
        let settings = Settings { server, runs };
        settings.options()?;
        Ok(settings)
    }

    pub(crate) fn options(&self) -> Result<Options, Error> {
        let positive = "a duration above 0 is expected";
        for (key, value) in [
            ("executorDeadAfter", self.runs.executor_dead_after),
            ("executorLostAfter", self.runs.executor_lost_after),
        ] {
            if value.is_zero() {
                return Err(invalid(&format!("{NAME}.{key}"), "0s", positive));
            }
        }
        self.server.options(NAME, BASE_PATH)
    }

    /// Where logs, workspace archives and caches are.
    pub(crate) fn objects(&self) -> Result<Ost, Error> {
        self.server.store(NAME, BASE_PATH)?.place(OBJECTS_PATH)
    }
}
