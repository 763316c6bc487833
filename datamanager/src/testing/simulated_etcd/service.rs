//! The way of a request: to etcd, into its content, and back.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;
use tokio::sync::watch;

use super::content::{Content, Refusal};
use super::faults::{EtcdFaults, Fate, Journey};
use crate::environment::{Environment, SeededRandom};
use crate::log::{RequestFailure, Verdict};
use crate::testing::SimulatedEnvironment;

/// How long a request travels each way, until a test says otherwise.
const DELAY: RangeInclusive<Duration> = Duration::from_micros(300)..=Duration::from_millis(3);
/// How often leases are looked at.
const LEASE_INTERVAL: Duration = Duration::from_millis(500);

/// What the handles, the endpoints and the watches share.
pub(super) struct Service {
    /// The process in which requests take effect.
    environment: Arc<SimulatedEnvironment>,
    /// Held at no await.
    state: Mutex<State>,
    /// Changes with every revision and every start.
    changed: watch::Sender<u64>,
}

pub(super) struct State {
    pub(super) content: Content,
    /// How often etcd was started. A connection ends with the process that it was made to.
    pub(super) starts: u64,
    pub(super) random: SeededRandom,
    pub(super) delay: RangeInclusive<Duration>,
    pub(super) faults: EtcdFaults,
    pub(super) is_down: bool,
    /// The machines whose processes are cut off.
    pub(super) cut_off: BTreeSet<String>,
}

impl State {
    pub(super) fn reaches(&self, name: &str) -> bool {
        !self.is_down && !self.cut_off.contains(name)
    }
}

/// The connection broke.
pub(super) fn broken() -> RequestFailure {
    RequestFailure {
        message: "transport error: the connection broke".to_owned(),
        verdict: Verdict::Unclear,
    }
}

fn not_sent() -> RequestFailure {
    RequestFailure {
        message: "transport error: connection refused".to_owned(),
        verdict: Verdict::NotSent,
    }
}

fn refused(refusal: Refusal) -> RequestFailure {
    RequestFailure {
        message: refusal.to_owned(),
        verdict: Verdict::Refused,
    }
}

/// What a request does to the content at a time of the steady clock.
pub(super) type Effect<T> = Box<dyn FnOnce(&mut Content, Duration) -> Result<T, Refusal> + Send>;

impl Service {
    pub(super) fn start(
        environment: Arc<SimulatedEnvironment>,
        mut random: SeededRandom,
    ) -> Arc<Service> {
        let state = State {
            content: Content::new(random.next_u64()),
            starts: 0,
            random,
            delay: DELAY,
            faults: EtcdFaults::default(),
            is_down: false,
            cut_off: BTreeSet::new(),
        };
        let service = Arc::new(Service {
            environment,
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
        });
        let ending = service.clone();
        let task = async move {
            loop {
                ending.environment.sleep(LEASE_INTERVAL).await;
                ending.end_leases();
            }
        };
        service.environment.spawn("leases", Box::pin(task));
        service
    }

    pub(super) fn environment(&self) -> &Arc<SimulatedEnvironment> {
        &self.environment
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(super) fn note_change(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn end_leases(&self) {
        let now = self.environment.steady_time();
        let mut state = self.state();
        if state.is_down {
            return;
        }
        let ended = state.content.ended_leases(now);
        for lease in &ended {
            // It was there a moment ago.
            let _: Result<(), Refusal> = state.content.revoke(*lease);
        }
        drop(state);
        if !ended.is_empty() {
            self.note_change();
        }
    }

    /// Starts the process again, with what `change` makes of the content. All connections end.
    pub(super) fn restart(&self, change: impl FnOnce(&mut Content)) {
        let now = self.environment.steady_time();
        let mut state = self.state();
        change(&mut state.content);
        state.content.renew_leases(now);
        state.starts += 1;
        state.is_down = false;
        drop(state);
        self.note_change();
    }

    /// Sends a request of `client` and waits for its reply, maybe for ever.
    pub(super) async fn request<T: Send + 'static>(
        self: &Arc<Self>,
        client: &SimulatedEnvironment,
        what: &str,
        effect: Effect<T>,
    ) -> Result<T, RequestFailure> {
        let (journey, is_down, is_cut_off, starts) = {
            let mut state = self.state();
            let (delay, faults) = (state.delay.clone(), state.faults);
            let journey = Journey::draw(&mut state.random, &delay, &faults);
            let is_cut_off = client.is_killed() || state.cut_off.contains(client.name());
            (journey, state.is_down, is_cut_off, state.starts)
        };
        if is_cut_off {
            return std::future::pending().await;
        }
        let (sender, receiver) = oneshot::channel();
        let (service, name) = (self.clone(), client.name().to_owned());
        let task = async move {
            let reply = match is_down {
                true => {
                    service.environment.sleep(journey.there).await;
                    Some(Err(not_sent()))
                }
                false => service.answer(&name, &journey, starts, effect).await,
            };
            match reply {
                // Whether the client still waits is its own affair.
                Some(reply) => drop(sender.send(reply)),
                None => service.keep_silent(sender).await,
            }
        };
        self.environment.spawn(what, Box::pin(task));
        match receiver.await {
            Ok(reply) => reply,
            Err(_) => std::future::pending().await,
        }
    }

    /// The reply, if one arrives.
    async fn answer<T>(
        &self,
        name: &str,
        journey: &Journey,
        starts: u64,
        effect: Effect<T>,
    ) -> Option<Result<T, RequestFailure>> {
        self.environment.sleep(journey.there).await;
        let outcome = match journey.fate {
            Fate::BrokenBefore => Err(broken()),
            Fate::Refused => Err(refused("etcdserver: too many requests")),
            Fate::Answered | Fate::Broken | Fate::Unheard => {
                let now = self.environment.steady_time();
                let mut state = self.state();
                // What is sent to a process does not reach the one after it.
                match state.starts == starts && !state.is_down {
                    true => effect(&mut state.content, now).map_err(refused),
                    false => Err(broken()),
                }
            }
        };
        self.note_change();
        self.environment.sleep(journey.back).await;
        let state = self.state();
        if state.starts != starts || state.is_down {
            return Some(Err(broken()));
        }
        if !state.reaches(name) {
            return None;
        }
        match journey.fate {
            Fate::Unheard => None,
            Fate::Broken => Some(Err(broken())),
            Fate::Answered | Fate::BrokenBefore | Fate::Refused => Some(outcome),
        }
    }

    /// Keeps the client waiting for as long as it does.
    async fn keep_silent<T>(&self, mut sender: oneshot::Sender<Result<T, RequestFailure>>) {
        sender.cancellation().await;
    }
}
