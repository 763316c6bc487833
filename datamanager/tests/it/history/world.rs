//! Machines whose processes live and die, and what goes wrong around them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use datamanager::environment::{Environment, SeededRandom};
use datamanager::testing::history::{Client, Recorder, Report};
use datamanager::testing::{ObjectFaults, SimulatedEnvironment, SimulatedObjects};
use datamanager::{Builder, DataManager, Error, ErrorKind, LogKind, Settings};
use futures::future::{BoxFuture, join_all};

use super::actors::{Actor, Shared};
use crate::site::Site;

const MACHINES: [&str; 4] = ["a", "b", "c", "d"];
/// Where a machine has the log while it is in files.
const LOG_DIRECTORY: &str = "/store";
/// So short that records are removed while a process is paused.
const HEAD_CONFIRM_MAX: Duration = Duration::from_millis(300);
/// How often it is decided what goes wrong next.
const TICK: Duration = Duration::from_millis(50);

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) report: Report,
    pub(super) manifests: u64,
    pub(super) records_removed: u64,
    pub(super) epochs: u32,
    pub(super) kills: usize,
    pub(super) trace_hash: u64,
}

impl Outcome {
    /// Counts another run in.
    pub(super) fn add(&mut self, other: &Outcome) {
        let (sum, report) = (&mut self.report, &other.report);
        sum.committed += report.committed;
        sum.refused += report.refused;
        sum.unknown += report.unknown;
        sum.found += report.found;
        sum.deliveries += report.deliveries;
        sum.imports += report.imports;
        self.manifests += other.manifests;
        self.records_removed += other.records_removed;
        self.epochs += other.epochs;
        self.kills += other.kills;
    }
}

/// A part of a run, between two moves of the log.
struct Phase {
    log: LogKind,
    /// How many machines have a process that writes.
    writers: usize,
    /// Whether one more only reads.
    has_reader: bool,
    work_time: Duration,
}

impl Phase {
    /// What a run consists of: in one of three the log moves to files and back.
    fn draw(random: &mut SeededRandom) -> Vec<Phase> {
        let mut shared = |seconds| {
            let writers = 2 + random.below(3);
            Phase {
                log: LogKind::Object,
                writers,
                has_reader: writers < MACHINES.len(),
                work_time: Duration::from_secs(seconds),
            }
        };
        let phases = [shared(9), shared(4), shared(4)];
        let [long, short, last] = phases;
        if random.below(3) > 0 {
            return vec![long];
        }
        let alone = Phase {
            log: LogKind::File,
            writers: 1,
            has_reader: false,
            work_time: Duration::from_secs(4),
        };
        vec![short, alone, last]
    }
}

/// What every process is started with.
#[derive(Clone)]
struct World {
    seed: u64,
    objects: SimulatedObjects,
    settings: Settings,
    recorder: Recorder,
    shared: Arc<Shared>,
    /// Where the log is now.
    log: LogKind,
}

/// A process with an open store and clients.
struct Life {
    process: Arc<SimulatedEnvironment>,
    is_reader: bool,
    /// Completes with the store when all clients have ended but the listener, which it also gives.
    work: BoxFuture<'static, Option<(DataManager, Listening)>>,
}

type Listening = BoxFuture<'static, Option<()>>;

impl World {
    fn new(site: &Site) -> World {
        let shared = Shared {
            seed: site.seed,
            ..Shared::default()
        };
        World {
            seed: site.seed,
            objects: site.objects.clone(),
            settings: site.settings.clone(),
            recorder: Recorder::in_memory(),
            shared: Arc::new(shared),
            log: LogKind::Object,
        }
    }

    fn builder(&self, process: &Arc<SimulatedEnvironment>) -> Builder {
        Builder::from_ost(self.objects.ost(process, "base"))
            .environment(process.clone())
            .settings(self.settings.clone())
            .log_directory(LOG_DIRECTORY)
            .name(process.name())
    }

    async fn open(&self, process: &Arc<SimulatedEnvironment>, is_reader: bool) -> DataManager {
        loop {
            let builder = self.builder(process).log(self.log);
            let builder = match is_reader {
                true => builder.read_only(),
                false => builder,
            };
            // A reader may be there before the store is.
            let passes = |error: &Error| match error.kind() {
                ErrorKind::Unavailable => true,
                kind => is_reader && kind == ErrorKind::NotFound,
            };
            match builder.open().await {
                Ok(store) => return store,
                Err(error) if passes(&error) => {
                    process.sleep(Duration::from_millis(50)).await;
                }
                Err(error) => panic!("seed {}: {error:?}", self.seed),
            }
        }
    }

    /// Moves the log, once nobody has the store open any more.
    async fn move_log(&mut self, process: &Arc<SimulatedEnvironment>, log: LogKind) {
        loop {
            match self.builder(process).switch_log(log).await {
                Ok(()) => {
                    self.log = log;
                    return;
                }
                // Processes that were killed count for a minute.
                Err(error) => take_passing(self.seed, error),
            }
            process.sleep(Duration::from_secs(5)).await;
        }
    }

    /// Starts a process that opens the store and has clients of all kinds, or those that only read, until they are to stop.
    fn start(
        &self,
        process: Arc<SimulatedEnvironment>,
        is_reader: bool,
        random: &mut SeededRandom,
    ) -> Life {
        let (world, inner, mut random) = (self.clone(), process.clone(), random.fork());
        let work = process.run("life", async move {
            let store = world.open(&inner, is_reader).await;
            let mut actor = |client: &str| Actor {
                client: world.recorder.client(&store, client),
                process: inner.clone(),
                random: random.fork(),
                shared: world.shared.clone(),
            };
            let listening = inner.run("listener", actor("listener").listen());
            let mut work = vec![
                inner.run("look", actor("look").look()),
                inner.run("audit", actor("audit").audit_snapshots()),
            ];
            if !is_reader {
                work.extend([
                    inner.run("transfer", actor("transfer").transfer()),
                    inner.run("audit", actor("audit").audit_in_transactions()),
                    inner.run("mix", actor("mix").mix()),
                    inner.run("mix", actor("mix").mix()),
                    inner.run("groups", actor("groups").use_groups()),
                    inner.run("writers", actor("writers").write_at_once()),
                    inner.run("jobs", actor("jobs").keep_in_order()),
                ]);
            }
            if inner.name() == MACHINES[0] {
                work.push(inner.run("operator", actor("operator").operate()));
            }
            join_all(work).await;
            (store, listening)
        });
        Life {
            process,
            is_reader,
            work,
        }
    }
}

/// What goes wrong with a machine, until it ends.
#[derive(Clone, Copy)]
enum Trouble {
    Paused,
    CutOff,
    /// Killed at some step; started again at the end.
    Killed,
}

/// The machines, and their troubles with the time of their ends.
struct Machines<'a> {
    site: &'a Site,
    world: World,
    random: SeededRandom,
    lives: Vec<Life>,
    troubles: Vec<Option<(Duration, Trouble)>>,
    /// What a kill takes from the disk of its machine.
    is_power_cut: bool,
    kills: usize,
}

impl Machines<'_> {
    /// Lets clients work while things go wrong, and ends all troubles.
    async fn work(&mut self, clock: &SimulatedEnvironment, work_time: Duration) {
        let end = clock.steady_time() + work_time;
        let mut storm_ends = clock.steady_time();
        while clock.steady_time() < end {
            clock.sleep(TICK).await;
            let now = clock.steady_time();
            if now >= storm_ends {
                storm_ends = now + self.milliseconds(200, 1_500);
                let faults = self.draw_faults();
                self.site.objects.set_faults(faults);
            }
            for machine in 0..self.lives.len() {
                match self.troubles[machine] {
                    Some((ends, trouble)) if now >= ends => self.end(machine, trouble),
                    None if self.random.below(60) == 0 => self.begin(machine, now),
                    _ => {}
                }
            }
        }
        self.site.objects.set_faults(ObjectFaults::default());
        for machine in 0..self.lives.len() {
            if let Some((_, trouble)) = self.troubles[machine] {
                self.end(machine, trouble);
            }
        }
    }

    fn milliseconds(&mut self, least: usize, most: usize) -> Duration {
        Duration::from_millis((least + self.random.below(most - least)) as u64)
    }

    fn draw_faults(&mut self) -> ObjectFaults {
        let share = [0.0, 0.01, 0.03, 0.1][self.random.below(4)];
        ObjectFaults {
            error_before: share,
            throttled: share / 2.0,
            error_after: share,
            late: share,
            late_max: HEAD_CONFIRM_MAX * 2,
        }
    }

    fn begin(&mut self, machine: usize, now: Duration) {
        let process = &self.lives[machine].process;
        let (trouble, most) = match self.random.below(4) {
            0 => {
                process.pause();
                // Some stand still until the records that they would have read are gone.
                let most = if self.random.coin() { 500 } else { 5_000 };
                (Trouble::Paused, most)
            }
            1 => {
                self.site.objects.set_reachable(process.name(), false);
                (Trouble::CutOff, 2_000)
            }
            2 => {
                // A clock that jumps needs no end.
                let shift = self.random.below(4_000) as i64 - 2_000;
                process.shift_wall_clock(shift);
                return;
            }
            _ => {
                process.kill_after(self.random.below(2_000) as u64);
                (Trouble::Killed, 3_000)
            }
        };
        let ends = now + self.milliseconds(20, most);
        self.troubles[machine] = Some((ends, trouble));
    }

    fn end(&mut self, machine: usize, trouble: Trouble) {
        let process = self.lives[machine].process.clone();
        match trouble {
            Trouble::Paused => process.resume(),
            Trouble::CutOff => self.site.objects.set_reachable(process.name(), true),
            Trouble::Killed => {
                match self.is_power_cut {
                    true => process.cut_power(),
                    false => process.kill(),
                }
                self.kills += 1;
                let again = self.site.process(process.name());
                let is_reader = self.lives[machine].is_reader;
                self.lives[machine] = self.world.start(again, is_reader, &mut self.random);
            }
        }
        self.troubles[machine] = None;
    }
}

/// One run, whose history is checked.
pub(super) fn run(seed: u64) -> Outcome {
    let mut site = Site::new(seed).with_busy_jobs();
    site.settings.head_confirm_max = HEAD_CONFIRM_MAX;
    site.settings.probe_interval_max = HEAD_CONFIRM_MAX / 4;
    site.settings.data_file_bytes_max = 2_000;
    site.settings.level1_bytes_max = 4_000;
    site.settings.segment_records_max = 7;
    site.settings.import_wait_max = Duration::from_secs(5);
    let mut world = World::new(&site);
    let mut random = site.simulation.random();
    let mut outcome = Outcome::default();
    for (number, phase) in Phase::draw(&mut random).iter().enumerate() {
        site.run(async || {
            if number > 0 {
                let mover = site.process(MACHINES[0]);
                world.move_log(&mover, phase.log).await;
            }
            run_phase(&site, &world, phase, &mut random, &mut outcome).await;
        });
    }
    let process = site.process("fresh");
    site.run(async || {
        let store = world.open(&process, false).await;
        let client = world.recorder.client(&store, "fresh");
        look_at_everything(&client, seed).await;
        client.record_epochs().await.unwrap();
        store.close().await.unwrap();
        let report = world.builder(&process).verify().await.unwrap();
        assert!(report.is_sound(), "seed {seed}: {report:?}");
    });
    let history = world.recorder.history();
    match history.check() {
        Ok(report) => outcome.report = report,
        Err(violation) => {
            let path = std::env::temp_dir().join(format!("history-{seed}.ndjson"));
            history
                .write(std::fs::File::create(&path).unwrap())
                .unwrap();
            panic!(
                "seed {seed}: {violation}; all of it is in {}",
                path.display()
            );
        }
    }
    let kept = site.objects.keys();
    let kept = kept.iter().filter(|key| key.starts_with("base/wal/"));
    outcome.records_removed = outcome.report.last_seq.saturating_sub(kept.count() as u64);
    outcome.trace_hash = site.simulation.trace_hash();
    outcome
}

async fn run_phase(
    site: &Site,
    world: &World,
    phase: &Phase,
    random: &mut SeededRandom,
    outcome: &mut Outcome,
) {
    world.shared.begin();
    let clock = site.process("clock");
    let count = phase.writers + usize::from(phase.has_reader);
    let mut lives = Vec::new();
    for (number, name) in MACHINES[..count].iter().enumerate() {
        let is_reader = number >= phase.writers;
        lives.push(world.start(site.process(name), is_reader, random));
    }
    let mut machines = Machines {
        site,
        world: world.clone(),
        random: random.fork(),
        troubles: vec![None; lives.len()],
        lives,
        is_power_cut: phase.log == LogKind::File,
        kills: 0,
    };
    machines.work(&clock, phase.work_time).await;
    outcome.kills += machines.kills;
    world.shared.stop.store(true, Ordering::SeqCst);
    let ended = join_all(machines.lives.into_iter().map(|life| life.work)).await;
    let ended = ended.into_iter().map(|ended| ended.unwrap());
    let (stores, listening): (Vec<_>, Vec<_>) = ended.unzip();
    finish(world, &stores, &clock).await;
    join_all(listening).await;
    outcome.manifests += stores[0].stats().manifest;
    outcome.epochs = stores[0].stats().epoch;
    for store in &stores {
        store.close().await.unwrap();
    }
}

/// Commits a last transaction, and has every process look at everything.
async fn finish(world: &World, stores: &[DataManager], clock: &SimulatedEnvironment) {
    let seed = world.seed;
    let clients: Vec<Client> = stores
        .iter()
        .map(|store| world.recorder.client(store, "last"))
        .collect();
    let last = loop {
        // Who has switched maintenance on may have been killed.
        stores[0].maintenance_off(true).await.unwrap();
        let mut transaction = clients[0].begin();
        transaction.put_raw("item", "last", "x").unwrap();
        match transaction.commit().await {
            Ok(committed) => break committed.position,
            Err(error) => take_passing(seed, error),
        }
        clock.sleep(TICK).await;
    };
    world.shared.last_seq.store(last.seq, Ordering::SeqCst);
    let unknown = world.shared.unknown.lock().unwrap().clone();
    for client in &clients {
        look_at_everything(client, seed).await;
        for id in &unknown {
            client.outcome(*id).await.unwrap();
        }
    }
}

fn take_passing(seed: u64, error: Error) {
    let passes = [
        ErrorKind::Maintenance,
        ErrorKind::Conflict,
        ErrorKind::Unavailable,
        ErrorKind::Unknown,
    ];
    assert!(passes.contains(&error.kind()), "seed {seed}: {error:?}");
}

async fn look_at_everything(client: &Client, seed: u64) {
    loop {
        let mut snapshot = client.latest_snapshot().await.unwrap();
        match snapshot.read_everything().await {
            Ok(_) => return,
            // Files are collected as soon as they have been merged here, also those that a snapshot reads.
            Err(error) => assert_eq!(error.kind(), ErrorKind::Expired, "seed {seed}: {error:?}"),
        }
    }
}
