//! The way of a request: to the storage, into its content, and back.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;
use object_store::Result;
use ost::Operation;

use super::content::Content;
use super::faults::{Fate, Journey, ObjectFaults, RequestError};
use super::requests::Requests;
use crate::Timestamp;
use crate::environment::{Environment, SeededRandom};
use crate::testing::SimulatedEnvironment;

/// How long a request travels each way, until a test says otherwise.
const DELAY: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(5);

/// What the handles and the clients share.
///
/// Invariant: of the locks at most one is held at a time, and none at an await.
pub(super) struct Service {
    /// The process in which requests take effect.
    environment: Arc<SimulatedEnvironment>,
    content: Mutex<Content>,
    network: Mutex<Network>,
    requests: Mutex<Requests>,
}

/// What is between the processes and the storage.
pub(super) struct Network {
    random: SeededRandom,
    pub(super) delay: RangeInclusive<Duration>,
    pub(super) faults: ObjectFaults,
    pub(super) is_down: bool,
    /// The machines whose processes are cut off.
    pub(super) cut_off: BTreeSet<String>,
}

/// What a request does to the content, and its reply.
pub(super) type Effect<T> = Box<dyn FnOnce(&mut Content, Timestamp) -> Result<T> + Send>;

impl Service {
    pub(super) fn new(environment: Arc<SimulatedEnvironment>, random: SeededRandom) -> Service {
        let network = Network {
            random,
            delay: DELAY,
            faults: ObjectFaults::default(),
            is_down: false,
            cut_off: BTreeSet::new(),
        };
        Service {
            environment,
            content: Mutex::default(),
            network: Mutex::new(network),
            requests: Mutex::default(),
        }
    }

    /// Sends a request of `client` on its way. The receiver gets the reply, if there is one.
    pub(super) fn send<T: Send + 'static>(
        self: &Arc<Self>,
        client: &SimulatedEnvironment,
        operation: Operation,
        key: &str,
        effect: Effect<T>,
    ) -> oneshot::Receiver<Result<T>> {
        self.requests().add(client.name(), operation, key);
        let (sender, receiver) = oneshot::channel();
        let journey = self.begin_journey(client);
        let (service, name) = (self.clone(), client.name().to_owned());
        let task = async move {
            let reply = match journey.fate {
                Fate::Answered => service.answer(&name, &journey, effect).await,
                Fate::ReplyLost => {
                    let landing = service.clone().land_unheard(journey, effect);
                    service.environment.spawn("unheard", Box::pin(landing));
                    service.refuse(&journey, RequestError::Lost).await
                }
                Fate::Refused(error) => service.refuse(&journey, error).await,
            };
            // Whether the client still waits is its own affair.
            let _: std::result::Result<(), Result<T>> = sender.send(reply);
        };
        let task_name = format!("{operation} {key}");
        self.environment.spawn(&task_name, Box::pin(task));
        receiver
    }

    fn begin_journey(&self, client: &SimulatedEnvironment) -> Journey {
        let mut network = self.network();
        let (delay, faults) = (network.delay.clone(), network.faults);
        let journey = Journey::draw(&mut network.random, &delay, &faults);
        if client.is_killed() || !network.reaches(client.name()) {
            return journey.with_fate(Fate::Refused(RequestError::Unreachable));
        }
        journey
    }

    async fn answer<T>(&self, name: &str, journey: &Journey, effect: Effect<T>) -> Result<T> {
        let outcome = self.take_effect(journey, effect).await;
        self.environment.sleep(journey.back).await;
        if !self.network().reaches(name) {
            return Err(RequestError::Unreachable.into());
        }
        outcome
    }

    async fn land_unheard<T>(self: Arc<Self>, journey: Journey, effect: Effect<T>) {
        drop(self.take_effect(&journey, effect).await);
    }

    async fn refuse<T>(&self, journey: &Journey, error: RequestError) -> Result<T> {
        let duration = journey.there.saturating_add(journey.back);
        self.environment.sleep(duration).await;
        Err(error.into())
    }

    async fn take_effect<T>(&self, journey: &Journey, effect: Effect<T>) -> Result<T> {
        let duration = journey.there.saturating_add(journey.late);
        self.environment.sleep(duration).await;
        let now = self.environment.wall_time();
        effect(&mut self.content(), now)
    }

    pub(super) fn environment(&self) -> &Arc<SimulatedEnvironment> {
        &self.environment
    }

    pub(super) fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn network(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Network {
    fn reaches(&self, name: &str) -> bool {
        !self.is_down && !self.cut_off.contains(name)
    }
}
