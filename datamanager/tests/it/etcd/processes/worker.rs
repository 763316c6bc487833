//! The work of one process: clients that read and write at random, a listener, and checkpoints on demand.

use std::io::Write;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use datamanager::environment::SeededRandom;
use datamanager::testing::history::{Client, Range, RecordedTransaction, Recorder};
use datamanager::{CommitId, DataManager, Error, ErrorKind, Outcome, Position};
use log::kv::Key;
use tokio::sync::watch;

use super::task::{File, TASK, Task};

/// How long a worker tries to begin, and to come to an end.
const PATIENCE: Duration = Duration::from_secs(90);
/// How soon a client tries again what could not be done.
const RETRY_DELAY: Duration = Duration::from_millis(50);
/// Entries that all clients raise.
const COUNTERS: usize = 3;
/// How many notes a client leaves in the store.
const NOTES_KEPT: u64 = 20;

/// Not a test by itself: the work of one process, where the variable asks for it.
#[test]
fn worker_of_a_store_in_etcd() {
    let Ok(task) = std::env::var(TASK) else {
        return;
    };
    let task: Task = serde_json::from_str(&task).unwrap();
    log_to_standard_error();
    exit_on_panic();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(work(Arc::new(task)));
}

async fn work(task: Arc<Task>) {
    let recorder = Recorder::to_file(&task.path(File::History)).unwrap();
    let Some(store) = open(&task).await else {
        return;
    };
    let (last_sender, last) = watch::channel(None);
    let listener = tokio::spawn(listen(recorder.client(&store, "listener"), last));
    task.leave(File::Open, store.instance());
    let jobs = tokio::spawn(write_checkpoints(store.clone(), task.clone()));
    let clients: Vec<_> = (0..task.clients)
        .map(|number| {
            let client = recorder.client(&store, number.to_string());
            tokio::spawn(Session::new(client, task.clone(), number).run())
        })
        .collect();
    let ended = futures::future::join_all(clients).await;
    let mut refused = ended.into_iter().find_map(|ended| ended.unwrap().err());
    jobs.abort();
    if refused.is_none() {
        let client = recorder.client(&store, "last");
        let session = Session::new(client, task.clone(), task.clients);
        match session.end().await {
            Ok(position) => {
                last_sender.send_replace(Some(position));
                listener.await.unwrap();
            }
            Err(error) => refused = Some(error),
        }
    }
    match refused {
        Some(error) => {
            task.leave(File::Refused, &error.to_string());
            // What the store has to say for itself was told already.
            let _ = store.close().await;
        }
        None => store.close().await.unwrap(),
    }
}

/// Opens the store, as soon as it can be opened; `None` if it never can.
async fn open(task: &Task) -> Option<DataManager> {
    let began = Instant::now();
    loop {
        match task.builder().open().await {
            Ok(store) => return Some(store),
            Err(error) if error.kind() == ErrorKind::Invalid => {
                task.leave(File::Refused, &error.to_string());
                return None;
            }
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                note_error(task, &error);
                assert!(began.elapsed() < PATIENCE, "{error:?}");
                tokio::time::sleep(RETRY_DELAY).await;
            }
            Err(error) => panic!("the store cannot be opened: {error:?}"),
        }
    }
}

fn note_error(task: &Task, error: &Error) {
    let path = task.path(File::Errors);
    let options = std::fs::File::options()
        .append(true)
        .create(true)
        .open(path);
    let line = format!("{}: {}\n", error.kind(), error.chain().replace('\n', " "));
    options.unwrap().write_all(line.as_bytes()).unwrap();
}

/// Listens until the last transaction of this process has come.
async fn listen(client: Client, mut last: watch::Receiver<Option<Position>>) {
    let mut follow = client.follow_new();
    let mut reached = 0;
    loop {
        let end = *last.borrow_and_update();
        if end.is_some_and(|end| reached >= end.seq) {
            return;
        }
        tokio::select! {
            next = follow.next() => match next {
                Ok(transaction) => reached = transaction.position.seq,
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    tokio::time::sleep(RETRY_DELAY).await;
                }
                // The clients say whether that is as it should be.
                Err(error) if error.kind() == ErrorKind::Invalid => return,
                Err(error) => panic!("the listener is told {error:?}"),
            },
            changed = last.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

/// Writes a checkpoint whenever the test asks for one.
async fn write_checkpoints(store: DataManager, task: Arc<Task>) {
    let mut written = 0;
    loop {
        if task.take(File::Checkpoint) {
            let result = store.checkpoint().await;
            written += 1;
            let result = match result {
                Ok(report) => format!("covers {}", report.covered.seq),
                Err(error) => format!("{}: {}", error.kind(), error.chain()),
            };
            task.leave(File::Checkpointed, &format!("{written} {result}"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A client that does one thing after the other.
struct Session {
    client: Client,
    task: Arc<Task>,
    random: SeededRandom,
    number: u32,
    notes: u64,
    /// Commits that are to be looked up.
    unclear: Vec<CommitId>,
}

impl Session {
    fn new(client: Client, task: Arc<Task>, number: u32) -> Session {
        let seed = u64::from(std::process::id()) << 16 | u64::from(number);
        Session {
            client,
            task,
            random: SeededRandom::new(seed),
            number,
            notes: 0,
            unclear: Vec::new(),
        }
    }

    /// Works until the worker is to end.
    ///
    /// # Errors
    /// What the store says if it can never be used again.
    async fn run(mut self) -> Result<(), Error> {
        while !self.task.is_there(File::End) {
            if self.task.is_there(File::Rest) {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
            let done = self.do_something().await;
            self.take_note(done).await?;
            tokio::time::sleep(self.task.pause).await;
        }
        self.settle().await
    }

    /// Commits once more, reads everything, and returns where that commit stands.
    async fn end(mut self) -> Result<Position, Error> {
        let began = Instant::now();
        let position = loop {
            assert!(began.elapsed() < PATIENCE, "nothing more can be committed");
            match self.add_note().await {
                Ok(Some(position)) => break position,
                done => self.take_note(done.map(drop)).await?,
            }
        };
        self.settle().await?;
        loop {
            assert!(began.elapsed() < PATIENCE, "nothing can be read");
            let read = async {
                self.client.record_epochs().await?;
                let mut snapshot = self.client.latest_snapshot().await?;
                snapshot.read_everything().await
            };
            match read.await {
                Ok(_) => return Ok(position),
                done => self.take_note(done.map(drop)).await?,
            }
        }
    }

    /// Goes on until it is known of each commit what became of it.
    async fn settle(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        while !self.unclear.is_empty() {
            assert!(
                began.elapsed() < PATIENCE,
                "{:?} stay unclear",
                self.unclear
            );
            // What is appended next decides what came before.
            let done = self.add_note().await.map(drop);
            self.take_note(done).await?;
            tokio::time::sleep(RETRY_DELAY).await;
        }
        Ok(())
    }

    /// What a client does about an error, and about commits that were unclear.
    async fn take_note(&mut self, done: Result<(), Error>) -> Result<(), Error> {
        let looked_up = match done {
            Ok(()) => self.look_up().await,
            Err(error) => Err(error),
        };
        let Err(error) = looked_up else {
            return Ok(());
        };
        match error.kind() {
            ErrorKind::Conflict | ErrorKind::Expired => Ok(()),
            ErrorKind::Unavailable => {
                note_error(&self.task, &error);
                tokio::time::sleep(RETRY_DELAY).await;
                Ok(())
            }
            ErrorKind::Invalid => Err(error),
            _ => panic!("a client is told {error:?}"),
        }
    }

    async fn look_up(&mut self) -> Result<(), Error> {
        let mut left = Vec::new();
        for id in std::mem::take(&mut self.unclear) {
            match self.client.outcome(id).await {
                Ok(Outcome::Committed | Outcome::NotCommitted) => {}
                Ok(Outcome::Undecided) => left.push(id),
                Ok(Outcome::TooOld) => panic!("the log keeps what is so young as {id}"),
                Err(error) if error.kind() == ErrorKind::Unavailable => left.push(id),
                Err(error) => return Err(error),
            }
        }
        self.unclear = left;
        Ok(())
    }

    async fn do_something(&mut self) -> Result<(), Error> {
        match self.random.below(10) {
            0..3 => self.raise_a_counter().await,
            3..7 => self.add_note().await.map(drop),
            7 => self.use_a_token().await,
            8 => {
                let mut snapshot = self.client.snapshot();
                snapshot.scan(&Range::all("counter"), 10).await.map(drop)
            }
            _ => {
                let mut snapshot = self.client.latest_snapshot().await?;
                snapshot.scan(&Range::all("counter"), 10).await?;
                snapshot.scan(&Range::all("note"), 10).await.map(drop)
            }
        }
    }

    async fn raise_a_counter(&mut self) -> Result<(), Error> {
        let mut transaction = self.client.begin();
        let counter = self.random.below(COUNTERS).to_string();
        let value = match transaction.get_raw("counter", &counter).await? {
            Some(value) => std::str::from_utf8(&value).unwrap().parse().unwrap(),
            None => 0_u64,
        };
        if self.random.below(4) == 0 {
            transaction.scan(&Range::all("counter"), 10).await?;
        }
        transaction.put_raw("counter", &counter, (value + 1).to_string())?;
        self.commit(transaction).await.map(drop)
    }

    /// Writes an entry that no other client does, and removes one of long ago.
    async fn add_note(&mut self) -> Result<Option<Position>, Error> {
        let mut transaction = self.client.begin();
        let id = |number: u64| format!("{}-{}-{number:06}", self.task.name, self.number);
        self.notes += 1;
        let value = vec![b'x'; self.task.value_bytes];
        transaction.put_raw("note", &id(self.notes), value)?;
        if let Some(old) = self.notes.checked_sub(NOTES_KEPT) {
            transaction.delete_raw("note", &id(old))?;
        }
        self.commit(transaction).await
    }

    async fn use_a_token(&mut self) -> Result<(), Error> {
        let token = self.client.token(["group"])?;
        let mut transaction = self.client.begin();
        transaction.check_token(token)?;
        self.commit(transaction).await.map(drop)
    }

    /// Where the transaction stands; nothing if that is unclear.
    async fn commit(
        &mut self,
        transaction: RecordedTransaction,
    ) -> Result<Option<Position>, Error> {
        match transaction.commit().await {
            Ok(committed) => Ok(Some(committed.position)),
            Err(error) => match error.commit_id() {
                Some(id) => {
                    note_error(&self.task, &error);
                    self.unclear.push(id);
                    Ok(None)
                }
                None => Err(error),
            },
        }
    }
}

/// Logs warnings, errors and what is worth knowing to the worker's log.
fn log_to_standard_error() {
    struct ToStandardError;
    impl log::Log for ToStandardError {
        fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
            metadata.level() <= log::Level::Info
        }

        fn log(&self, record: &log::Record<'_>) {
            // What the libraries beneath have to say belongs to no store.
            let of_a_store = record.key_values().get(Key::from("instance")).is_some();
            if self.enabled(record.metadata()) && of_a_store {
                let now = std::time::SystemTime::now();
                let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
                let line = format!(
                    "{} {:.3} {}\n",
                    record.level(),
                    now.as_secs_f64(),
                    record.args()
                );
                std::io::stderr().write_all(line.as_bytes()).unwrap();
            }
        }

        fn flush(&self) {}
    }
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        log::set_logger(&ToStandardError).unwrap();
        log::set_max_level(log::LevelFilter::Info);
    });
}

/// The test sees at once that this process has come to grief.
fn exit_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let said = format!("PANIC {panic}\n");
        // There is nobody to tell if that fails.
        let _ = std::io::stderr().write_all(said.as_bytes());
        std::process::exit(101);
    }));
}
