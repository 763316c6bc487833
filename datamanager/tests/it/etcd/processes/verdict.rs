//! What all workers of a deployment have recorded, checked as one history.

use std::collections::HashSet;
use std::io::BufReader;
use std::time::{Duration, Instant};

use datamanager::testing::history::{Answer, Event, History, Recorder};
use datamanager::{CommitId, DataManager, ErrorKind, Stats};
use futures::TryStreamExt;
use ost::Ost;

use super::super::place::run;
use super::deployment::{Deployment, WAIT_MAX};
use super::task::{File, Task};

/// How soon it is tried again to open the store.
const RETRY_DELAY: Duration = Duration::from_millis(50);

/// What a scenario has come to.
pub(super) struct Checked {
    pub(super) epoch: u32,
    /// Records in the log that is kept, and the number of the last.
    pub(super) records: u64,
    pub(super) last_seq: u64,
    /// What data files hold everything up to.
    pub(super) covered: u64,
}

impl Deployment {
    /// Ends what runs, opens the store once more, and checks what everybody has recorded: every acknowledged transaction is
    /// there once, in an order that explains every read; all that was unclear has been decided; the store is sound.
    pub(super) fn check(mut self) -> Checked {
        self.end();
        let task = Task {
            name: "check".to_owned(),
            endpoints: self.etcd.endpoints().join(","),
            ..self.task.clone()
        };
        let (stats, records) = run(self.look(&task));
        let mut history = History::new();
        for entry in std::fs::read_dir(self.directory()).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|it| it == File::History.extension())
            {
                let file = std::fs::File::open(&path).unwrap();
                history.read(BufReader::new(file)).unwrap();
            }
        }
        let report = match history.check() {
            Ok(report) => report,
            Err(violation) => panic!("{violation}"),
        };
        self.check_that_all_was_decided(&history);
        let is_telling = report.committed > 0 && report.views > 0 && report.deliveries > 0;
        assert!(is_telling, "{report:?}");
        Checked {
            epoch: stats.epoch,
            records,
            last_seq: stats.position.seq,
            covered: stats.covered.seq,
        }
    }

    /// Reads everything from the beginning on, as one more process.
    async fn look(&self, task: &Task) -> (Stats, u64) {
        let recorder = Recorder::to_file(&task.path(File::History)).unwrap();
        let store = self.open(task).await;
        let client = recorder.client(&store, "check");
        // An etcd that has lost the log may be found out only now.
        let mut snapshot = client.latest_snapshot().await.unwrap();
        client.record_epochs().await.unwrap();
        snapshot.read_everything().await.unwrap();
        drop(snapshot);
        let stats = store.stats();
        store.close().await.unwrap();
        let verification = self.builder(task).verify().await.unwrap();
        if !verification.is_sound() {
            panic!("{:?}\n{}", verification.damage, self.contents(task).await);
        }
        (stats, verification.records)
    }

    /// The keys of the log and of the manifests, for people to look at.
    async fn contents(&self, task: &Task) -> String {
        let ost = match &self.s3 {
            Some(server) => server.open("base"),
            None => Ost::from_url(&task.url).unwrap(),
        };
        let mut keys = Vec::new();
        for prefix in ["wal/", "manifests/", "epochs/", "recovery/"] {
            let mut objects = ost.list(prefix, None);
            while let Some(meta) = objects.try_next().await.unwrap() {
                keys.push(format!("{} of {}", meta.path, meta.last_modified_ms));
            }
        }
        keys.join("\n")
    }

    async fn open(&self, task: &Task) -> DataManager {
        let began = Instant::now();
        loop {
            match self.builder(task).open().await {
                Ok(store) => return store,
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    assert!(began.elapsed() < WAIT_MAX, "{error:?}");
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    fn check_that_all_was_decided(&self, history: &History) {
        let mut open: HashSet<CommitId> = HashSet::new();
        for event in history.events() {
            if let Event::Answered {
                operation,
                answer: Answer::Unknown { id },
                ..
            } = event
                && self.has_ended_well(&operation.process)
            {
                open.insert(*id);
            }
        }
        for event in history.events() {
            if let Event::LookedUp {
                id,
                committed: Some(_),
                ..
            } = event
            {
                open.remove(id);
            }
        }
        assert!(open.is_empty(), "{open:?} were never decided");
    }
}
