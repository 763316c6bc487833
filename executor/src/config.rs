//! The section `executor` of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use service::config::{Limits, ServerSection, Sources, Web, go_duration, invalid, missing};

use crate::Error;

/// The name of the section and of the component.
pub(crate) const NAME: &str = "executor";
/// The label by which the run service tells executors of this kind.
pub(crate) const DRIVER_LABEL: &str = runservice::api::DRIVER_LABEL;
const LISTEN_ADDRESS_DEFAULT: &str = "127.0.0.1:4001";
const DATA_DIR_DEFAULT: &str = "./data/executor";
const RUNSERVICE_URL_DEFAULT: &str = "http://127.0.0.1:4000";
/// A task comes with its whole environment and all its steps.
const JSON_BYTES_MAX_DEFAULT: usize = 8 * 1024 * 1024;
const MIB: u64 = 1024 * 1024;

/// How the executor runs: what is in the section, or its defaults. `config.reference.yml` shows all keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// What all servers have. By default the data is in `./data/executor` and the executor listens on `127.0.0.1:4001`. What
    /// it says of a store is not looked at.
    pub server: ServerSection,
    /// What it has alone.
    pub executor: ExecutorSettings,
}

/// The keys that the section has beside those of all servers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExecutorSettings {
    /// Where the run service is, with commas between several instances of it: the executor stays with one, and goes to
    /// the next when that one cannot be reached. Default `http://127.0.0.1:4000`.
    #[serde(rename = "runserviceURL")]
    pub runservice_url: String,
    /// A file with the token that the run service asks for. Empty: none.
    pub runservice_token_file: PathBuf,
    /// The certificate that the run service's has to be signed with, PEM, beside those that the system trusts.
    #[serde(rename = "runserviceCAFile")]
    pub runservice_ca_file: PathBuf,
    /// Where the run service reaches the executor. Empty: at the address that it listens on or, if that is every address, at
    /// the one from which this machine reaches the run service.
    #[serde(rename = "advertiseURL")]
    pub advertise_url: String,
    /// Where steps are executed. It has to be given.
    pub driver: DriverSettings,
    /// The image of a container that prepares others. Only drivers with containers look at it.
    pub init_image: InitImage,
    /// Accepted, and not needed.
    pub toolbox_path: PathBuf,
    /// Told to the run service. The label `driver` is the executor's own.
    pub labels: BTreeMap<String, String>,
    /// Tasks at once; 0: any number. Default 2. Raised, tasks get less of the machine each.
    pub active_tasks_limit: u32,
    /// Whether tasks with privileged containers are taken.
    pub allow_privileged_containers: bool,
    /// A task that takes longer fails. 0: no limit. Default 24 h.
    #[serde(deserialize_with = "go_duration")]
    pub task_timeout: Duration,
    /// Preparations that take longer fail. Default 10 min.
    #[serde(deserialize_with = "go_duration")]
    pub setup_timeout: Duration,
    /// Bytes of the log of one step, at most; what comes behind them is lost, and the step goes on. Default 256 MiB.
    pub log_bytes_max: u64,
    /// Bytes of the files of one archive, at most. Default 4 GiB.
    pub archive_bytes_max: u64,
    /// Files of one archive, at most. Default 1,000,000.
    pub archive_entries_max: u64,
    /// With fewer bytes free where the data is no task is taken. Default 256 MiB.
    pub disk_free_bytes_min: u64,
    /// The program that is started as a supervisor. Default: this one. It has to call
    /// [`become_supervisor_if_asked`](crate::become_supervisor_if_asked) first.
    pub supervisor_program: PathBuf,
}

impl Default for ExecutorSettings {
    fn default() -> ExecutorSettings {
        ExecutorSettings {
            runservice_url: RUNSERVICE_URL_DEFAULT.to_owned(),
            runservice_token_file: PathBuf::new(),
            runservice_ca_file: PathBuf::new(),
            advertise_url: String::new(),
            driver: DriverSettings::default(),
            init_image: InitImage::default(),
            toolbox_path: PathBuf::new(),
            labels: BTreeMap::new(),
            active_tasks_limit: 2,
            allow_privileged_containers: false,
            task_timeout: Duration::from_secs(24 * 3_600),
            setup_timeout: Duration::from_secs(600),
            log_bytes_max: 256 * MIB,
            archive_bytes_max: 4096 * MIB,
            archive_entries_max: 1_000_000,
            disk_free_bytes_min: 256 * MIB,
            supervisor_program: PathBuf::new(),
        }
    }
}

/// Where steps are executed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct DriverSettings {
    /// Which driver.
    #[serde(rename = "type")]
    pub kind: DriverKind,
    /// With `host`: who executes the steps, a name in `/etc/passwd` or `uid:gid`. Empty: who executes the executor. Another
    /// one needs the rights of root.
    pub user: String,
    /// With `host`: the environment of all steps, beside `PATH`, `HOME`, `TMPDIR`, `USER` and `LOGNAME`.
    pub environment: BTreeMap<String, String>,
    /// With `docker`: the network of the containers. Empty: the engine's own.
    pub network: String,
    /// With `host`: bytes of memory that one process may address (RLIMIT_AS). With `docker`: bytes of memory of each container.
    /// 0: no limit.
    pub memory_bytes_max: u64,
    /// With `host`: processes that the user may have (RLIMIT_NPROC), which does not bind root. With `docker`: processes of each
    /// container. 0: no limit.
    pub processes_max: u64,
    /// With `host`: files that one process may have open (RLIMIT_NOFILE). 0: as the executor.
    pub open_files_max: u64,
    /// With `host`: bytes of a file that a step writes (RLIMIT_FSIZE). 0: no limit.
    pub file_bytes_max: u64,
    /// With `host`: seconds of processor time of one process (RLIMIT_CPU). 0: no limit.
    pub cpu_seconds_max: u64,
}

/// A driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DriverKind {
    /// None was named.
    #[default]
    #[serde(rename = "")]
    None,
    /// Processes of this machine. Nothing isolates them.
    Host,
    /// Containers of a Docker engine on this machine (cargo feature `docker`).
    Docker,
}

/// An image that prepares containers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct InitImage {
    /// Its name. Default `busybox:stable`.
    pub image: String,
}

impl Default for InitImage {
    fn default() -> InitImage {
        InitImage {
            image: "busybox:stable".to_owned(),
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
            executor: ExecutorSettings::default(),
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
            .default_value("executor.dataDir", DATA_DIR_DEFAULT)
            .default_value("executor.web.listenAddress", LISTEN_ADDRESS_DEFAULT)
            .default_value("executor.limits.jsonBytesMax", json_bytes_max)
            .load()?;
        let (server, executor) = config.server_section(NAME)?;
        let settings = Settings { server, executor };
        settings.check()?;
        Ok(settings)
    }

    /// Looks whether the settings can be used.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let executor = &self.executor;
        if executor.driver.kind == DriverKind::None {
            let accepted = "\"docker\" executes what the run service sends in containers; \"host\" executes it as processes of this machine, with nothing between them and it";
            return Err(missing("executor.driver.type", accepted));
        }
        if executor.labels.contains_key(DRIVER_LABEL) {
            let key = format!("executor.labels.{DRIVER_LABEL}");
            let accepted = "the executor sets this label itself";
            return Err(invalid(&key, &executor.labels[DRIVER_LABEL], accepted));
        }
        if executor.setup_timeout.is_zero() {
            let accepted = "a duration above 0 is expected";
            return Err(invalid("executor.setupTimeout", "0s", accepted));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key with a value of its own.
    const ALL: &str = include_str!("../config.reference.yml");

    fn read(text: &str) -> Result<Settings, Error> {
        Settings::load(Sources::new().text(text))
    }

    /// Field case OP-03: a misspelt key had no effect.
    #[test]
    fn every_key_changes_a_setting_and_a_misspelt_one_is_named() {
        let all = read(ALL).unwrap();
        let lines: Vec<&str> = ALL.lines().collect();
        let mut tried = 0;
        for (number, line) in lines.iter().enumerate() {
            let (key, value) = line.trim_start().split_once(':').unwrap_or_default();
            let is_free = matches!(key, "zone" | "LANG");
            let is_comment = line.trim_start().starts_with('#');
            if is_comment || is_free || *line == "executor:" {
                continue;
            }
            let misspelt = line.replacen(key, &format!("{key}x"), 1);
            let mut changed = lines.clone();
            changed[number] = &misspelt;
            let error = read(&changed.join("\n")).unwrap_err().to_string();
            assert!(error.contains(&format!("{key}x")), "{key}: {error}");
            tried += 1;
            // A whole section is more than one line, and a driver has to be named.
            if value.is_empty() || key == "type" {
                continue;
            }
            changed.remove(number);
            assert_ne!(read(&changed.join("\n")).unwrap(), all, "{key}");
        }
        assert_eq!(tried, 44);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (text, named) in [
            ("", "executor.driver.type"),
            (
                "executor: {driver: {type: kubernetes}}",
                "executor.driver.type",
            ),
            (
                "executor: {driver: {type: host}, labels: {driver: x}}",
                "executor.labels.driver",
            ),
            (
                "executor: {driver: {type: host}, setupTimeout: 0s}",
                "executor.setupTimeout",
            ),
            (
                "executor: {driver: {type: host}, activeTasksLimit: -1}",
                "executor.activeTasksLimit",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
        assert!(read("executor: {driver: {type: host}}").is_ok());
    }
}
