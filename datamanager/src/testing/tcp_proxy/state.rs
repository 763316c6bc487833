//! What a proxy and its connections share.

use std::io;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::faults::{LostReplies, ProxyFaults};
use crate::environment::SeededRandom;
use crate::testing::draw::share;

/// How long the listener may take to open or close its port.
const LISTENS_WITHIN: Duration = Duration::from_secs(10);

/// Invariant: the lock of `chance` and that of `listening` are never held at an await, nor both at once.
pub(super) struct State {
    faults: watch::Sender<ProxyFaults>,
    target: watch::Sender<SocketAddr>,
    cuts: watch::Sender<u64>,
    chance: Mutex<Chance>,
    listening: Mutex<bool>,
    listening_changed: Condvar,
}

/// What is drawn and counted for all connections together.
struct Chance {
    random: SeededRandom,
    /// Replies since it was last said which get lost.
    replies: u64,
    counts: ProxyCounts,
}

/// What a proxy has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProxyCounts {
    /// Connections that were accepted.
    pub connections: u64,
    /// Replies that were found while some were to be lost.
    pub replies: u64,
    /// Replies that were lost.
    pub replies_lost: u64,
}

impl State {
    pub(super) fn new(target: SocketAddr, seed: u64) -> State {
        State {
            faults: watch::Sender::new(ProxyFaults::default()),
            target: watch::Sender::new(target),
            cuts: watch::Sender::new(0),
            chance: Mutex::new(Chance {
                random: SeededRandom::new(seed),
                replies: 0,
                counts: ProxyCounts::default(),
            }),
            listening: Mutex::new(true),
            listening_changed: Condvar::new(),
        }
    }

    pub(super) fn faults(&self) -> ProxyFaults {
        self.faults.borrow().clone()
    }

    pub(super) fn watch_faults(&self) -> watch::Receiver<ProxyFaults> {
        self.faults.subscribe()
    }

    /// Completes its `changed` at the next cut.
    pub(super) fn watch_cuts(&self) -> watch::Receiver<u64> {
        self.cuts.subscribe()
    }

    pub(super) fn target(&self) -> SocketAddr {
        *self.target.borrow()
    }

    pub(super) fn set_target(&self, target: SocketAddr) {
        self.target.send_replace(target);
    }

    pub(super) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Sets the faults, and waits until the port is open or closed as they say.
    pub(super) fn set_faults(&self, faults: ProxyFaults) -> io::Result<()> {
        let listens = !faults.refuse;
        if self.faults().lose != faults.lose {
            self.chance().replies = 0;
        }
        self.faults.send_replace(faults);
        let (_listening, waited) = self
            .listening_changed
            .wait_timeout_while(self.listening(), LISTENS_WITHIN, |is| *is != listens)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the port of the proxy can be neither opened nor closed",
            ));
        }
        Ok(())
    }

    /// Says whether the port is open.
    pub(super) fn set_listening(&self, is_listening: bool) {
        *self.listening() = is_listening;
        self.listening_changed.notify_all();
    }

    /// Counts a connection, and gives it chances of its own.
    pub(super) fn add_connection(&self) -> SeededRandom {
        let mut chance = self.chance();
        chance.counts.connections += 1;
        chance.random.fork()
    }

    /// Whether the reply that was just found gets lost.
    pub(super) fn loses_reply(&self, faults: &ProxyFaults) -> bool {
        let mut chance = self.chance();
        let loses = match faults.lose {
            LostReplies::None => return false,
            LostReplies::Every(count) => {
                chance.replies += 1;
                chance.replies.is_multiple_of(count.max(1))
            }
            LostReplies::Share(lost) => share(&mut chance.random) < lost,
        };
        chance.counts.replies += 1;
        chance.counts.replies_lost += u64::from(loses);
        loses
    }

    pub(super) fn counts(&self) -> ProxyCounts {
        self.chance().counts
    }

    fn chance(&self) -> MutexGuard<'_, Chance> {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listening(&self) -> MutexGuard<'_, bool> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
