//! Machines whose processes live and die, and what goes wrong around them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use datamanager::environment::{Environment, SeededRandom};
use datamanager::testing::history::{Client, Recorder, Report};
use datamanager::testing::{SimulatedEnvironment, SimulatedObjects};
use datamanager::{
    Builder, DataManager, Durability, Error, ErrorKind, LogKind, Position, Settings,
};
use futures::future::{BoxFuture, join_all};

use super::actors::{Actor, Shared};
use super::etcd::Etcd;
use super::machines::{Machines, milliseconds};
use super::plan::{MACHINES, Phase};
use crate::site::Site;

/// Where a machine has the log while it is in files.
const LOG_DIRECTORY: &str = "/store";
/// So short that records are removed while a process is paused.
pub(super) const HEAD_CONFIRM_MAX: Duration = Duration::from_millis(300);
/// How often it is decided what goes wrong next.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) report: Report,
    pub(super) manifests: u64,
    pub(super) records_removed: u64,
    pub(super) epochs: u32,
    pub(super) kills: usize,
    /// How often etcd has lost the log.
    pub(super) losses: usize,
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
        self.losses += other.losses;
    }
}

/// Which log a run is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Objects,
    #[cfg_attr(
        not(feature = "etcd"),
        expect(dead_code, reason = "it needs the feature")
    )]
    Etcd,
}

/// What every process is started with.
#[derive(Clone)]
pub(super) struct World {
    seed: u64,
    objects: SimulatedObjects,
    settings: Settings,
    pub(super) recorder: Recorder,
    shared: Arc<Shared>,
    /// Where the log is now.
    log: LogKind,
    /// The etcd that it is in, if it ever is in one.
    pub(super) etcd: Option<Etcd>,
}

/// A process with an open store and clients.
pub(super) struct Life {
    pub(super) process: Arc<SimulatedEnvironment>,
    pub(super) is_reader: bool,
    /// Completes with the store when all clients have ended but the listener, which it also gives.
    work: BoxFuture<'static, Option<(DataManager, Listening)>>,
}

type Listening = BoxFuture<'static, Option<()>>;

impl World {
    fn new(site: &Site, log: LogKind, etcd: Option<Etcd>) -> World {
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
            log,
            etcd,
        }
    }

    /// What opens a store with the log where it is now, or moves it there from anywhere.
    fn builder(&self, process: &Arc<SimulatedEnvironment>, is_mover: bool) -> Builder {
        let builder = Builder::from_ost(self.objects.ost(process, "base"))
            .environment(process.clone())
            .settings(self.settings.clone())
            .log_directory(LOG_DIRECTORY)
            .name(process.name());
        match &self.etcd {
            Some(etcd) if is_mover || self.log == LogKind::Etcd => etcd.build(builder, process),
            _ => builder,
        }
    }

    async fn open(&self, process: &Arc<SimulatedEnvironment>, is_reader: bool) -> DataManager {
        loop {
            let builder = self.builder(process, false).log(self.log);
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
            match self.builder(process, true).switch_log(log).await {
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
    pub(super) fn start(
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

/// One run, whose history is checked.
pub(super) fn run(kind: Kind, seed: u64) -> Outcome {
    let mut site = Site::new(seed).with_busy_jobs();
    site.settings.head_confirm_max = HEAD_CONFIRM_MAX;
    site.settings.probe_interval_max = HEAD_CONFIRM_MAX / 4;
    site.settings.data_file_bytes_max = 2_000;
    site.settings.level1_bytes_max = 4_000;
    site.settings.segment_records_max = 7;
    site.settings.import_wait_max = Duration::from_secs(5);
    let mut random = site.simulation.random();
    let (phases, etcd) = match kind {
        Kind::Objects => (Phase::draw_with_objects(&mut random), None),
        Kind::Etcd => {
            draw_etcd_settings(&mut site.settings, &mut random);
            (Phase::draw_with_etcd(&mut random), Etcd::new(&site))
        }
    };
    let mut world = World::new(&site, phases[0].log, etcd);
    let mut outcome = Outcome::default();
    for (number, phase) in phases.iter().enumerate() {
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
        look_at_everything(&client, &process, seed).await;
        client.record_epochs().await.unwrap();
        store.close().await.unwrap();
        let report = world.builder(&process, false).verify().await.unwrap();
        assert!(report.is_sound(), "seed {seed}: {report:?}");
    });
    outcome.report = check(&world, seed);
    let kept = site.objects.keys();
    let kept = kept.iter().filter(|key| key.starts_with("base/wal/"));
    outcome.records_removed = outcome.report.last_seq.saturating_sub(kept.count() as u64);
    outcome.losses = world.etcd.as_ref().map_or(0, Etcd::losses);
    outcome.trace_hash = site.simulation.trace_hash();
    outcome
}

/// Some records are large for etcd, and its history is short.
fn draw_etcd_settings(settings: &mut Settings, random: &mut SeededRandom) {
    settings.etcd_compaction_interval = Duration::from_secs(2);
    settings.flush_interval = milliseconds(random, 100, 1_000);
    if random.coin() {
        settings.wal_inline_bytes_max = 300;
    }
    if random.below(4) == 0 {
        settings.durability = Durability::ObjectStorage;
    }
}

/// Checks the history, and keeps one that is wrong.
fn check(world: &World, seed: u64) -> Report {
    let history = world.recorder.history();
    match history.check() {
        Ok(report) => report,
        Err(violation) => {
            let path = std::env::temp_dir().join(format!("history-{seed}.ndjson"));
            let file = std::fs::File::create(&path).unwrap();
            history.write(file).unwrap();
            let path = path.display();
            panic!("seed {seed}: {violation}; all of it is in {path}");
        }
    }
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
    let is_power_cut = phase.log == LogKind::File;
    let mut machines = Machines::new(site, world.clone(), random.fork(), lives, is_power_cut);
    for stage in &phase.stages {
        machines.work(&clock, *stage).await;
    }
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
        match commit_last(&clients[0]).await {
            Ok(position) => break position,
            Err(error) => take_passing(seed, error),
        }
        clock.sleep(TICK).await;
    };
    world.shared.last_seq.store(last.seq, Ordering::SeqCst);
    let unknown = world.shared.unknown.lock().unwrap().clone();
    for client in &clients {
        look_at_everything(client, clock, seed).await;
        for id in &unknown {
            while let Err(error) = client.outcome(*id).await {
                take_passing(seed, error);
                clock.sleep(TICK).await;
            }
        }
    }
}

async fn commit_last(client: &Client) -> Result<Position, Error> {
    // Who has switched maintenance on may have been killed.
    client.store().maintenance_off(true).await?;
    let mut transaction = client.begin();
    transaction.put_raw("item", "last", "x")?;
    Ok(transaction.commit().await?.position)
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

async fn look_at_everything(client: &Client, clock: &SimulatedEnvironment, seed: u64) {
    // Files are collected as soon as they have been merged here, also those that a snapshot reads; and etcd may be looked at
    // again before anything is believed of it.
    while let Err(error) = try_look_at_everything(client).await {
        let passes = [ErrorKind::Expired, ErrorKind::Unavailable];
        assert!(passes.contains(&error.kind()), "seed {seed}: {error:?}");
        clock.sleep(TICK).await;
    }
}

async fn try_look_at_everything(client: &Client) -> Result<usize, Error> {
    client.latest_snapshot().await?.read_everything().await
}
