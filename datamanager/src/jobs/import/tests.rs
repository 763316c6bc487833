//! Who begins the next epoch, when the process that has sealed the log for an import is late.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::environment::Environment;
use crate::open::Builder;
use crate::testing::{SimulatedEnvironment, SimulatedObjects, Simulation};
use crate::{DataManager, ScanOptions};

const OLD: &str = "old";
const NEW: &str = "new";

/// An import whose log has been sealed in `importing`, with another process beside it.
struct Sealed {
    simulation: Simulation,
    objects: SimulatedObjects,
    /// Of the one that imports.
    process: Arc<SimulatedEnvironment>,
    /// Of the one beside it.
    other_process: Arc<SimulatedEnvironment>,
    importing: DataManager,
    other: DataManager,
    imported: Imported,
}

impl Sealed {
    fn new(seed: u64) -> Sealed {
        let simulation = Simulation::new(seed);
        let objects = SimulatedObjects::new(&simulation);
        let (a, b) = (simulation.environment("a"), simulation.environment("b"));
        let (importing, other, imported) = simulation
            .run_until(async {
                let importing = open(&objects, &a).await;
                let other = open(&objects, &b).await;
                importing.put_raw(OLD, "1", "x").await.unwrap();
                importing.maintenance_on().await.unwrap();
                let jobs = importing.jobs();
                let begun = jobs.begin(JobKind::Import).await.unwrap().unwrap();
                let entry = "{\"id\":\"1\",\"data_type\":\"new\",\"data\":\"eA==\"}";
                let input = Box::new(entry.as_bytes());
                let options = ImportOptions::new();
                let sealed = jobs
                    .read_and_seal(input, &options, begun.position.seq)
                    .await;
                let imported = sealed.unwrap();
                other.latest_snapshot().await.unwrap();
                (importing, other, imported)
            })
            .unwrap();
        Sealed {
            simulation,
            objects,
            process: a,
            other_process: b,
            importing,
            other,
            imported,
        }
    }

    /// Goes on with the import as the process does that has sealed the log.
    async fn go_on(&self) -> Result<ImportReport, Error> {
        self.importing
            .jobs()
            .begin_imported_epoch(self.imported.clone())
            .await
    }

    /// Both processes have `data` and nothing else, in the second epoch, and the store works and is sound.
    async fn ends_with(&self, data: &str) {
        for store in [&self.importing, &self.other] {
            store.jobs().wait_for_own_epoch(2).await.unwrap();
            let snapshot = store.latest_snapshot().await.unwrap();
            assert_eq!(snapshot.types().await.unwrap(), [data]);
            let scan = snapshot.scan_raw(data, &ScanOptions::new()).unwrap();
            assert_eq!(scan.collect().await.unwrap().len(), 1);
        }
        self.other.maintenance_off(true).await.unwrap();
        self.other.put_raw("later", "1", "x").await.unwrap();
        self.importing.latest_snapshot().await.unwrap();
        self.importing.put_raw("later", "2", "x").await.unwrap();
        for store in [&self.importing, &self.other] {
            assert_eq!(
                store
                    .latest_snapshot()
                    .await
                    .unwrap()
                    .count("later")
                    .await
                    .unwrap(),
                2
            );
            assert_eq!(store.stats().epoch, 2);
            store.close().await.unwrap();
        }
        let keys = self.objects.keys().into_iter();
        let epochs: Vec<String> = keys.filter(|key| key.starts_with("base/epochs/")).collect();
        assert_eq!(epochs.len(), 2, "{epochs:?}");
        let report = builder(&self.objects, &self.other_process)
            .verify()
            .await
            .unwrap();
        assert!(report.is_sound(), "{report:?}");
    }
}

fn builder(objects: &SimulatedObjects, process: &Arc<SimulatedEnvironment>) -> Builder {
    let settings = crate::Settings {
        maintain: false,
        ..crate::Settings::default()
    };
    Builder::from_ost(objects.ost(process, "base"))
        .environment(process.clone())
        .settings(settings)
}

async fn open(objects: &SimulatedObjects, process: &Arc<SimulatedEnvironment>) -> DataManager {
    builder(objects, process).open().await.unwrap()
}

#[test]
fn an_import_whose_epoch_another_process_has_begun_fails_and_the_old_data_stays() {
    for seed in 1..=10 {
        let sealed = Sealed::new(seed);
        let run = async {
            sealed.other.jobs().begin_next_epoch().await.unwrap();
            assert_eq!(sealed.importing.stats().epoch, 1, "it has not seen it yet");
            let error = sealed.go_on().await.unwrap_err();
            assert_eq!(error.to_string(), superseded().to_string());
            sealed.ends_with(OLD).await;
        };
        sealed.simulation.run_until(run).unwrap();
    }
}

/// It took the position of the seal, at which the next epoch begins, for the seal, and began an epoch with its own data behind
/// one whose log was open.
#[test]
fn an_import_that_goes_on_in_the_next_epoch_fails_and_begins_none() {
    let sealed = Sealed::new(11);
    let run = async {
        sealed.other.jobs().begin_next_epoch().await.unwrap();
        sealed.importing.jobs().wait_for_own_epoch(2).await.unwrap();
        let error = sealed.go_on().await.unwrap_err();
        assert_eq!(error.to_string(), superseded().to_string());
        sealed.ends_with(OLD).await;
    };
    sealed.simulation.run_until(run).unwrap();
}

#[test]
fn of_an_import_and_a_process_that_goes_on_the_first_counts_in_both() {
    let (mut imported_first, mut other_first) = (0, 0);
    for seed in 12..=21 {
        let sealed = Sealed::new(seed);
        let run = async {
            // Both have found the log sealed. The import has fewer steps left, so it is the one that waits.
            let import = async {
                let delay = Duration::from_millis(seed % 5 * 10);
                sealed.process.sleep(delay).await;
                sealed.go_on().await
            };
            let other = async {
                if let Err(error) = sealed.other.jobs().begin_next_epoch().await {
                    assert_eq!(
                        error.kind(),
                        ErrorKind::Unavailable,
                        "seed {seed}: {error:?}"
                    );
                }
            };
            let (imported, ()) = futures::join!(import, other);
            match imported {
                Ok(report) => {
                    assert_eq!(report.epoch, 2);
                    sealed.ends_with(NEW).await;
                    imported_first += 1;
                }
                Err(error) => {
                    assert_eq!(error.to_string(), superseded().to_string());
                    sealed.ends_with(OLD).await;
                    other_first += 1;
                }
            }
        };
        sealed.simulation.run_until(run).unwrap();
    }
    assert!(
        imported_first > 0 && other_first > 0,
        "{imported_first} and {other_first}"
    );
}

#[test]
fn a_sealed_log_is_continued_with_the_old_data_after_ten_seconds_and_not_before() {
    let sealed = Sealed::new(30);
    let clock = &sealed.other_process;
    let run = async {
        // It has just applied the seal.
        let seen = clock.steady_time();
        sealed.process.kill();
        let epoch = "base/epochs/0000000002.json";
        while sealed.objects.content(epoch).is_none() {
            clock.sleep(Duration::from_millis(5)).await;
        }
        let waited = clock.steady_time() - seen;
        let expected = Duration::from_millis(9_900)..Duration::from_millis(10_100);
        assert!(expected.contains(&waited), "{waited:?}");
        sealed.other.jobs().wait_for_own_epoch(2).await.unwrap();
        let snapshot = sealed.other.latest_snapshot().await.unwrap();
        assert_eq!(snapshot.types().await.unwrap(), [OLD]);
        sealed.other.close().await.unwrap();
    };
    sealed.simulation.run_until(run).unwrap();
}

#[test]
fn nothing_is_appended_behind_the_end_of_a_log() {
    let simulation = Simulation::new(31);
    let objects = SimulatedObjects::new(&simulation);
    let (a, b) = (simulation.environment("a"), simulation.environment("b"));
    let run = async {
        let (sealing, other) = (open(&objects, &a).await, open(&objects, &b).await);
        let kind = LogKind::Object;
        let seal = sealing.jobs().seal(EpochCause::Switch, kind, None);
        let seal = seal.await.unwrap();
        // One knows that the log has ended, and the other is about to hear of it.
        let commits = [(&sealing, "1"), (&other, "2")].map(async |(store, id)| {
            while store.put_raw(NEW, id, "x").await.is_err() {}
        });
        let begun = sealing.jobs().begin(JobKind::Checkpoint).await;
        assert_eq!(begun.unwrap_err().kind(), ErrorKind::Unavailable);
        futures::future::join_all(commits).await;
        let behind = format!("base/wal/{:010}/{:020}.wal", seal.epoch, seal.seq + 1);
        assert_eq!(objects.content(&behind), None);
        for store in [&sealing, &other] {
            assert_eq!(store.stats().epoch, 2);
            let snapshot = store.latest_snapshot().await.unwrap();
            assert_eq!(snapshot.count(NEW).await.unwrap(), 2);
            store.close().await.unwrap();
        }
    };
    simulation.run_until(run).unwrap();
}
