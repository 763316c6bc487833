//! The power of a machine is cut at every step of what a store does, and again while it is being opened afterwards.
//!
//! What was acknowledged is there, once, after the first opening that comes to its end, and after the power was cut once more:
//! what an opening has read it has made durable.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datamanager::environment::Environment;
use datamanager::testing::SimulatedEnvironment;
use datamanager::{DataManager, Error, ExportOptions, ImportOptions, LogKind, ScanOptions};

use crate::host::Host;

const STEPS_MAX: u64 = 3_000;
/// Who waits for a process without power waits for so long.
const WAIT_MAX: Duration = Duration::from_secs(100);

/// Whether each mark was acknowledged.
type Told = Mutex<BTreeMap<String, bool>>;

type Process = Arc<SimulatedEnvironment>;

/// One machine, whose power is to be cut.
struct Machine {
    host: Host,
    told: Told,
    steps: u64,
}

impl Machine {
    fn new(steps: u64) -> Machine {
        let mut host = Host::new(steps);
        host.settings.maintain = false;
        host.settings.segment_records_max = 2;
        host.settings.data_file_bytes_max = 200;
        host.settings.level0_runs_max = 2;
        host.settings.file_retention = Duration::ZERO;
        host.settings.wal_retention = Duration::ZERO;
        Machine {
            host,
            told: Told::default(),
            steps,
        }
    }

    /// Adds 1 to the counter and leaves a mark with its value.
    async fn mark(&self, store: &DataManager, name: &str) -> Result<(), Error> {
        self.told.lock().unwrap().insert(name.to_owned(), false);
        let mut transaction = store.begin();
        let value = transaction.get_raw("counter", "it").await?;
        let value = value.map_or(0, |value| number(&value)) + 1;
        transaction.put_raw("counter", "it", value.to_string())?;
        transaction.put_raw("mark", name, value.to_string())?;
        transaction.commit().await?;
        self.told.lock().unwrap().insert(name.to_owned(), true);
        Ok(())
    }

    /// Runs `work`, for as long as anything goes on in it. Returns whether it came to its end.
    fn run(&self, work: impl Future<Output = bool>) -> bool {
        let watch = self.host.simulation.environment("watch");
        let limited = async {
            let work = Box::pin(work);
            match futures::future::select(work, watch.sleep(WAIT_MAX)).await {
                futures::future::Either::Left((done, _)) => done,
                futures::future::Either::Right(_) => false,
            }
        };
        self.host.simulation.run_until(limited).unwrap()
    }

    /// Opens the store twice, and cuts the power after each; half of the time it is cut once more while the store is opened.
    fn look(self: &Arc<Machine>, what: &str) {
        let case = format!("{what}, cut after {} steps", self.steps);
        if self.steps % 2 == 1 {
            let process = self.host.process();
            let (machine, opening) = (self.clone(), process.clone());
            self.run(async {
                let opened = process.run(
                    "open",
                    async move { machine.open(&opening).await.map(drop) },
                );
                process.kill_after(self.steps * 7 % 60);
                matches!(opened.await, Some(Ok(())))
            });
            process.cut_power();
        }
        for opening in 1..=2 {
            let process = self.host.process();
            let looked = self.run(async {
                let store = self.open(&process).await.unwrap();
                self.check(&store, &case).await;
                if store.maintenance().since.is_some() {
                    store.maintenance_off(true).await.unwrap();
                }
                let name = format!("opening{opening}");
                self.mark(&store, &name).await.unwrap();
                store.checkpoint().await.unwrap();
                self.mark(&store, &format!("{name}-more")).await.unwrap();
                self.check(&store, &case).await;
                if opening == 2 {
                    store.collect_garbage().await.unwrap();
                    store.close().await.unwrap();
                    let report = self.host.builder(&process).verify().await.unwrap();
                    assert!(report.is_sound(), "{case}: {report:?}");
                }
                true
            });
            assert!(looked, "{case}: opening {opening} does not come to its end");
            process.cut_power();
        }
    }

    async fn open(&self, process: &Process) -> Result<DataManager, Error> {
        self.host.open(process).await
    }

    async fn check(&self, store: &DataManager, case: &str) {
        let snapshot = store.latest_snapshot().await.unwrap();
        let mut marks = BTreeMap::new();
        let mut scan = snapshot.scan_raw("mark", &ScanOptions::new()).unwrap();
        while let Some(entry) = scan.next().await.unwrap() {
            marks.insert(entry.id, number(&entry.value));
        }
        let told = self.told.lock().unwrap().clone();
        for (mark, acknowledged) in &told {
            let is_kept = marks.contains_key(mark) || !acknowledged;
            assert!(is_kept, "{case}: {mark} is lost");
        }
        let mut numbers: Vec<u64> = marks.values().copied().collect();
        numbers.sort_unstable();
        let expected: Vec<u64> = (1..=marks.len() as u64).collect();
        assert_eq!(numbers, expected, "{case}: {marks:?}");
        let counter = snapshot.get_raw("counter", "it").await.unwrap();
        let counter = counter.map_or(0, |value| number(&value));
        assert_eq!(counter, marks.len() as u64, "{case}");
    }
}

fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

/// Runs `work` on a new machine each time, whose power is cut one step later than before, until it comes to its end. It is a
/// task of the process, and so ends with it.
fn at_every_step<W>(
    what: &str,
    prepare: impl AsyncFn(&Machine, &Process),
    work: impl Fn(Arc<Machine>, Process) -> W,
) where
    W: Future<Output = Result<(), Error>> + Send + 'static,
{
    for steps in 0..STEPS_MAX {
        let machine = Arc::new(Machine::new(steps));
        let process = machine.host.process();
        let prepared = machine.run(async {
            prepare(&machine, &process).await;
            true
        });
        assert!(prepared);
        process.cut_power();
        let process = machine.host.process();
        let done = machine.run(async {
            let work = process.run("work", work(machine.clone(), process.clone()));
            process.kill_after(steps);
            matches!(work.await, Some(Ok(())))
        });
        let was_cut = process.is_killed();
        assert!(done || was_cut, "{what}: failed after {steps} steps");
        process.cut_power();
        machine.look(what);
        if done && !was_cut {
            assert!(steps > 20, "{what}: there were {steps} steps to be cut at");
            return;
        }
    }
    panic!("{what} does not end");
}

async fn prepare_nothing(_: &Machine, _: &Process) {}

/// A few commits, some of them in data files.
async fn prepare_some(machine: &Machine, process: &Process) {
    let store = machine.open(process).await.unwrap();
    for number in 0..3 {
        let name = format!("before{number}");
        machine.mark(&store, &name).await.unwrap();
        if number < 2 {
            store.checkpoint().await.unwrap();
        }
    }
    store.close().await.unwrap();
}

#[test]
fn a_first_start_and_commits_cut_off_at_any_step_lose_and_double_nothing() {
    at_every_step("commits", prepare_nothing, |machine, process| async move {
        let store = machine.open(&process).await?;
        for number in 0..5 {
            machine.mark(&store, &number.to_string()).await?;
        }
        store.close().await
    });
}

#[test]
fn jobs_cut_off_at_any_step_lose_and_double_nothing() {
    at_every_step("jobs", prepare_some, |machine, process| async move {
        let store = machine.open(&process).await?;
        for number in 0..2 {
            machine.mark(&store, &number.to_string()).await?;
            store.checkpoint().await?;
        }
        store.compact().await?;
        store.collect_garbage().await?;
        machine.mark(&store, "last").await?;
        store.checkpoint().await?;
        store.collect_garbage().await?;
        store.close().await
    });
}

#[test]
fn an_import_cut_off_at_any_step_loses_and_doubles_nothing() {
    at_every_step("import", prepare_some, |machine, process| async move {
        let store = machine.open(&process).await?;
        store.maintenance_on().await?;
        let mut export = store.export(ExportOptions::new()).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = export.next().await? {
            bytes.extend_from_slice(&piece);
        }
        drop(export);
        store
            .import(Cursor::new(bytes), ImportOptions::new())
            .await?;
        store.maintenance_off(false).await?;
        machine.mark(&store, "imported").await?;
        store.close().await
    });
}

/// The next opening failed: it went on to a log of a kind that it had not been opened for.
#[test]
fn the_end_of_a_log_in_files_cut_off_at_any_step_loses_and_doubles_nothing() {
    at_every_step("to objects", prepare_some, |machine, process| async move {
        let builder = machine.host.builder(&process);
        builder.switch_log(LogKind::Object).await
    });
}

/// The next opening gave a store that failed as soon as the next epoch had begun.
#[test]
fn the_end_of_a_log_of_objects_cut_off_at_any_step_loses_and_doubles_nothing() {
    let prepare = async |machine: &Machine, process: &Process| {
        prepare_some(machine, process).await;
        let builder = machine.host.builder(process);
        builder.switch_log(LogKind::Object).await.unwrap();
    };
    at_every_step("to files", prepare, |machine, process| async move {
        let builder = machine.host.builder(&process);
        builder.switch_log(LogKind::File).await
    });
}
