//! Writing down what clients do and are told.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::client::Client;
use super::event::{Event, OperationId};
use super::recorded_history::History;
use crate::DataManager;

/// Records a run of one process, in memory or to a file. Clones record together.
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    operations: AtomicU64,
    sink: Mutex<Sink>,
}

enum Clock {
    /// Counts how often it was asked: an order of everything within this process.
    Count(AtomicU64),
    /// The steady clock of the machine, which all of its processes share.
    Machine,
}

enum Sink {
    Memory(Vec<Event>),
    File(File),
}

impl Recorder {
    /// Records in memory. Of two things that this process does, it is known which was first.
    pub fn in_memory() -> Recorder {
        Recorder::new(Clock::Count(AtomicU64::new(0)), Sink::Memory(Vec::new()))
    }

    /// Records to a new file at `path`, one event a line. What a client has done is there before the call that does it
    /// goes on, and stays if the process is killed.
    ///
    /// Times come from the steady clock of the machine, so that the files of several processes make one history.
    ///
    /// # Errors
    /// The file is there, or cannot be made.
    pub fn to_file(path: &Path) -> io::Result<Recorder> {
        let file = File::options().append(true).create_new(true).open(path)?;
        Ok(Recorder::new(Clock::Machine, Sink::File(file)))
    }

    fn new(clock: Clock, sink: Sink) -> Recorder {
        Recorder {
            shared: Arc::new(Shared {
                clock,
                operations: AtomicU64::new(0),
                sink: Mutex::new(sink),
            }),
        }
    }

    /// A client of an open store, for operations that come one after the other. Each open store has a name of its own
    /// ([`DataManager::instance`]); clients of one store are to have different ones.
    pub fn client(&self, store: &DataManager, name: impl Into<String>) -> Client {
        Client::new(self.clone(), store.clone(), name.into())
    }

    /// Notes that the log was put back just now to something older ([`Event::WentBack`]).
    pub fn log_went_back(&self) {
        let at = self.now();
        self.record(Event::WentBack { at });
    }

    /// What was recorded so far.
    ///
    /// # Panics
    /// It was recorded to a file, which [`History::read`] reads.
    pub fn history(&self) -> History {
        match &*self.sink() {
            Sink::Memory(events) => events.iter().cloned().collect(),
            Sink::File(_) => panic!("the history is in a file"),
        }
    }

    /// A name for the next operation of a client.
    pub(super) fn next_operation(&self, store: &DataManager, client: &str) -> OperationId {
        OperationId {
            process: store.instance().to_owned(),
            client: client.to_owned(),
            number: self.shared.operations.fetch_add(1, Ordering::SeqCst),
        }
    }

    /// The time for the next event.
    pub(super) fn now(&self) -> u64 {
        match &self.shared.clock {
            Clock::Count(count) => count.fetch_add(1, Ordering::SeqCst),
            Clock::Machine => {
                let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
                let nanos = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
                u64::try_from(nanos).unwrap_or(u64::MAX)
            }
        }
    }

    /// Writes an event down.
    ///
    /// # Panics
    /// It cannot be written: without it the history would be wrong.
    pub(super) fn record(&self, event: Event) {
        match &mut *self.sink() {
            Sink::Memory(events) => events.push(event),
            Sink::File(file) => {
                let mut line = serde_json::to_vec(&event).expect("an event has a JSON form");
                line.push(b'\n');
                file.write_all(&line)
                    .expect("the file of the history can be written");
            }
        }
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.shared
            .sink
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Recorder").finish_non_exhaustive()
    }
}
