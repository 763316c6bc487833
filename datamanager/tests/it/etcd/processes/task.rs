//! What a worker is told to do.

use std::path::PathBuf;
use std::time::Duration;

use datamanager::{Builder, DataManager, EtcdOptions, Settings};
use ost::Ost;
use serde::{Deserialize, Serialize};

/// The variable of a worker's environment that holds its task.
pub(super) const TASK: &str = "DM_TEST_ETCD_TASK";

/// A worker's task, and where it meets the test: files in `directory`, which begin with its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) directory: PathBuf,
    /// The object storage.
    pub(super) url: String,
    pub(super) endpoints: String,
    pub(super) prefix: String,
    /// How many clients work at once, each with one operation after the other.
    pub(super) clients: u32,
    /// How long a client waits between two operations.
    pub(super) pause: Duration,
    /// Bytes of what a client writes that nobody else does.
    pub(super) value_bytes: usize,
    pub(super) tuning: Tuning,
}

/// The settings that scenarios differ in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Tuning {
    pub(super) flush_interval: Duration,
    pub(super) recovery_wait: Duration,
    pub(super) commit_timeout: Duration,
    pub(super) maintain: bool,
    pub(super) job_claim_max: Duration,
    pub(super) inline_budget_bytes: u64,
}

impl Default for Tuning {
    fn default() -> Tuning {
        let settings = Settings::default();
        Tuning {
            flush_interval: settings.flush_interval,
            recovery_wait: Duration::from_secs(4),
            commit_timeout: settings.commit_timeout,
            maintain: settings.maintain,
            job_claim_max: settings.job_claim_max,
            inline_budget_bytes: settings.inline_budget_bytes,
        }
    }
}

/// A file by which a worker and the test tell each other something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// The recorded history.
    History,
    /// What the worker prints and logs.
    Log,
    /// The worker has opened the store.
    Open,
    /// Nothing the worker asks of the store is answered but with an error that it cannot do anything about: that error.
    Refused,
    /// Each error that a client was told, a line each.
    Errors,
    /// The worker is to end.
    End,
    /// The worker's clients are to stand still while this is there.
    Rest,
    /// The worker is to write a checkpoint; it removes the file when it begins.
    Checkpoint,
    /// How often the worker has written one, and what came of the last.
    Checkpointed,
}

impl File {
    pub(super) fn extension(self) -> &'static str {
        match self {
            File::History => "history",
            File::Log => "log",
            File::Open => "open",
            File::Refused => "refused",
            File::Errors => "errors",
            File::End => "end",
            File::Rest => "rest",
            File::Checkpoint => "checkpoint",
            File::Checkpointed => "checkpointed",
        }
    }
}

impl Task {
    pub(super) fn path(&self, file: File) -> PathBuf {
        let name = format!("{}.{}", self.name, file.extension());
        self.directory.join(name)
    }

    pub(super) fn is_there(&self, file: File) -> bool {
        self.path(file).exists()
    }

    /// Leaves a file for the other side; it is there as a whole or not at all.
    pub(super) fn leave(&self, file: File, content: &str) {
        let path = self.path(file);
        let new = path.with_extension(format!("{}-new", file.extension()));
        std::fs::write(&new, content).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    /// What the other side has left; nothing if it has not.
    pub(super) fn read(&self, file: File) -> String {
        std::fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    /// Takes a file away, and says whether it was there.
    pub(super) fn take(&self, file: File) -> bool {
        std::fs::remove_file(self.path(file)).is_ok()
    }

    pub(super) fn builder(&self) -> Builder {
        self.configure(DataManager::builder(&self.url).unwrap())
    }

    /// As [`Task::builder`], on objects that were opened otherwise.
    pub(super) fn builder_on(&self, ost: Ost) -> Builder {
        self.configure(Builder::from_ost(ost))
    }

    fn configure(&self, builder: Builder) -> Builder {
        let mut settings = Settings::default();
        settings.flush_interval = self.tuning.flush_interval;
        settings.etcd_recovery_wait = self.tuning.recovery_wait;
        settings.commit_timeout = self.tuning.commit_timeout;
        settings.maintain = self.tuning.maintain;
        settings.job_claim_max = self.tuning.job_claim_max;
        settings.inline_budget_bytes = self.tuning.inline_budget_bytes;
        let etcd = EtcdOptions::new(&self.endpoints, &self.prefix).unwrap();
        builder.name(&self.name).settings(settings).etcd(etcd)
    }
}
