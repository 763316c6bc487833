//! Processes that die at each point of the protocol, by themselves, as by `SIGKILL`: see `datamanager::testing::FAILPOINTS`.
//!
//! A worker, this test binary run again, does everything that there is with one store, and writes down what it was told. It is
//! run once for each point and dies there. Whatever it leaves, the store opens, holds what was acknowledged once and nothing
//! that was refused, goes on working, is sound, and all of that again after it has been opened once more.

mod aftermath;
mod worker;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use datamanager::testing::{ChildProcess, FAILPOINT_VARIABLE, FAILPOINTS};
use datamanager::{Builder, DataManager, Error, ErrorKind, LogKind, Settings};

/// Variables by which the worker is told what to do.
const DIRECTORY: &str = "DM_TEST_FAILPOINT_DIRECTORY";
const LOG: &str = "DM_TEST_FAILPOINT_LOG";
const ETCD: &str = "DM_TEST_FAILPOINT_ETCD";
/// How often the worker is let past a point at most before it dies there.
const PASSES_MAX: &str = "DM_SOAK_FAILPOINT_PASSES";

/// Workers at once: they wait for disks and for times more than they work.
const WORKERS: usize = 8;
const WORKER_TIME_MAX: Duration = Duration::from_secs(120);

/// Points that a process passes wherever its log is.
const ANYWHERE: &[&str] = &[
    "first-epoch-created",
    "append-begun",
    "append-done",
    "record-applied",
    "acknowledged",
    "memtable-frozen",
    "job-begun",
    "data-file-written",
    "manifest-derived",
    "manifest-created",
    "manifest-announced",
    "manifest-read",
    "pin-put",
    "manifest-removed",
    "data-file-removed",
    "log-file-removed",
    "maintenance-appended",
    "import-written",
    "sealed",
    "base-manifest-created",
    "next-log-prepared",
    "epoch-created",
    "epoch-read",
];
/// Points of a log in files.
const IN_FILES: &[&str] = &["segment-written", "segment-begun"];
/// Points of a log in etcd.
const IN_ETCD: &[&str] = &[
    "blob-put",
    "flush-object-created",
    "flushed-noted",
    "keys-removed",
    "head-opened",
];
/// Points of the recovery of a log that etcd has lost.
const IN_RECOVERY: &[&str] = &[
    "recovery-announced",
    "held-saved",
    "recovery-answered",
    "lost-log-sealed",
    "sealed-head-put",
];

#[test]
fn every_failpoint_is_passed_by_some_worker() {
    let lists = [ANYWHERE, IN_FILES, IN_ETCD, IN_RECOVERY];
    let passed: BTreeSet<&str> = lists.into_iter().flatten().copied().collect();
    assert_eq!(passed, FAILPOINTS.iter().copied().collect());
}

/// A store in a directory, and where its log was to begin.
pub(crate) struct Store {
    directory: PathBuf,
    log: LogKind,
    /// Endpoint and prefix.
    #[cfg_attr(not(feature = "etcd"), expect(dead_code, reason = "there is none"))]
    etcd: Option<(String, String)>,
}

impl Store {
    fn settings() -> Settings {
        let mut settings = Settings::default();
        settings.maintain = false;
        settings.data_file_bytes_max = 500;
        settings.level0_runs_max = 2;
        settings.segment_records_max = 4;
        settings.file_retention = Duration::ZERO;
        settings.wal_retention = Duration::ZERO;
        settings.head_confirm_max = Duration::from_millis(100);
        settings.probe_interval_min = Duration::from_millis(2);
        settings.probe_interval_max = Duration::from_millis(20);
        settings.job_claim_max = Duration::from_millis(100);
        settings.flush_interval = Duration::from_millis(20);
        settings.wal_inline_bytes_max = 1_000;
        settings.etcd_recovery_wait = Duration::from_secs(1);
        settings
    }

    /// Options that leave it open where the log is.
    fn builder(&self) -> Builder {
        let url = format!("file://{}/store", self.directory.display());
        DataManager::builder(&url)
            .unwrap()
            .settings(Store::settings())
    }

    fn with_etcd(&self, builder: Builder) -> Builder {
        #[cfg(feature = "etcd")]
        if let Some((endpoint, prefix)) = &self.etcd {
            return builder.etcd(datamanager::EtcdOptions::new(endpoint, prefix).unwrap());
        }
        builder
    }

    /// Opens the store wherever its log is by now; it begins as it was to.
    async fn open(&self) -> DataManager {
        let began = self.with_etcd(self.builder()).log(self.log).open().await;
        let opened = match began {
            Err(error) if is_about_the_log(&error) => self.builder().open().await,
            opened => opened,
        };
        match opened {
            Err(error) if is_about_the_log(&error) => self.move_again().await,
            opened => opened.unwrap(),
        }
    }

    /// Goes on with a move to etcd, as an operator would, once the registration of the dead one has run out.
    async fn move_again(&self) -> DataManager {
        let builder = || self.with_etcd(self.builder());
        while let Err(error) = builder().switch_log(self.log).await {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        builder().open().await.unwrap()
    }

    async fn is_sound(&self) {
        let verified = self.with_etcd(self.builder()).verify().await;
        let verified = match verified {
            Err(error) if is_about_the_log(&error) => self.builder().verify().await,
            verified => verified,
        };
        let verified = verified.unwrap();
        assert!(verified.is_sound(), "{verified:?}");
    }

    fn journal(&self) -> PathBuf {
        self.directory.join("journal")
    }
}

fn is_about_the_log(error: &Error) -> bool {
    let messages = ["switch-log", "can be reached only"];
    error.kind() == ErrorKind::Invalid
        && messages.iter().any(|what| error.to_string().contains(what))
}

/// Lets a worker die at the point `name`, when it gets there for the time of the number `passes`. Returns whether it did.
fn let_die(store: &Store, name: &str, passes: u32) -> bool {
    let printed = store.directory.join("printed");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "failpoints::worker::worker_does_everything_that_there_is",
        ])
        .env(DIRECTORY, &store.directory)
        .env(LOG, store.log.to_string())
        .env(FAILPOINT_VARIABLE, format!("{name}:{passes}"))
        .stdout(File::create(&printed).unwrap())
        .stderr(File::create(store.directory.join("errors")).unwrap());
    if let Some((endpoint, prefix)) = &store.etcd {
        command.env(ETCD, format!("{endpoint} {prefix}"));
    }
    let mut worker = ChildProcess::spawn(&mut command).unwrap();
    let status = worker.wait(WORKER_TIME_MAX).unwrap();
    const ABORTED: i32 = 6;
    let has_died = status.signal() == Some(ABORTED);
    assert!(
        has_died || status.success(),
        "{name}:{passes}: {status}: {}",
        std::fs::read_to_string(printed).unwrap()
    );
    has_died
}

/// Lets workers die at all points of `names`, and looks at what each leaves.
fn run(names: &[&str], make: impl Fn(&Path) -> Store + Sync) {
    let passes_max: u32 = std::env::var(PASSES_MAX).map_or(1, |value| value.parse().unwrap());
    let cases = names
        .iter()
        .flat_map(|name| (1..=passes_max).map(move |passes| (*name, passes)));
    let cases = Mutex::new(cases);
    let work = || {
        let next = || cases.lock().unwrap().next();
        while let Some((name, passes)) = next() {
            let directory = tempfile::tempdir().unwrap();
            let store = make(directory.path());
            let has_died = let_die(&store, name, passes);
            assert!(has_died || passes > 1, "no worker passes {name}");
            aftermath::check(&store, &format!("{name}:{passes}"));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
}

fn in_directory(log: LogKind) -> impl Fn(&Path) -> Store + Sync {
    move |directory| Store {
        directory: directory.to_owned(),
        log,
        etcd: None,
    }
}

#[test]
fn a_process_that_dies_at_any_point_with_a_log_in_files_leaves_a_whole_store() {
    run(&[ANYWHERE, IN_FILES].concat(), in_directory(LogKind::File));
}

#[test]
fn a_process_that_dies_at_any_point_with_a_log_of_objects_leaves_a_whole_store() {
    run(ANYWHERE, in_directory(LogKind::Object));
}

#[cfg(feature = "etcd")]
mod in_etcd {
    use std::sync::atomic::{AtomicU32, Ordering};

    use datamanager::testing::{Etcd, EtcdOptions as Cluster};

    use super::*;

    /// A place for the keys of each store.
    fn stores(etcd: &Etcd) -> impl Fn(&Path) -> Store + Sync {
        let endpoint = etcd.endpoints()[0].clone();
        let made = AtomicU32::new(0);
        move |directory| {
            let number = made.fetch_add(1, Ordering::Relaxed);
            Store {
                directory: directory.to_owned(),
                log: LogKind::Etcd,
                etcd: Some((endpoint.clone(), format!("/test/{number}"))),
            }
        }
    }

    fn start() -> Option<Etcd> {
        Etcd::can_run()
            .unwrap()
            .then(|| Etcd::start(Cluster::new()).unwrap())
    }

    #[test]
    fn a_process_that_dies_at_any_point_with_a_log_in_etcd_leaves_a_whole_store() {
        let Some(etcd) = start() else {
            return;
        };
        run(&[ANYWHERE, IN_ETCD].concat(), stores(&etcd));
    }

    #[test]
    fn a_process_that_dies_at_any_point_of_a_recovery_leaves_it_to_the_next() {
        let Some(etcd) = start() else {
            return;
        };
        let make = stores(&etcd);
        run(IN_RECOVERY, |directory| {
            let store = make(directory);
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let opened = store.open().await;
                for number in 0..5 {
                    worker::mark(&opened, &store, &format!("before-{number}"), 10).await;
                }
                opened.close().await.unwrap();
            });
            let (_, prefix) = store.etcd.as_ref().unwrap();
            etcd.etcdctl(&["del", "--prefix", &format!("{prefix}/")])
                .unwrap();
            store
        });
    }
}
