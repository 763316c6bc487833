//! Watches: messages in order, each some time after what it tells.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::WatchResponse;
use etcd_client::proto::PbWatchResponse;
use futures::future::{self, Either};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::content::KeyRange;
use super::service::{Service, broken};
use crate::environment::Environment;
use crate::log::RequestFailure;
use crate::testing::SimulatedEnvironment;
use crate::testing::draw::duration_in;

/// How often it is tried to reach a process that is cut off.
const UNREACHED_DELAY: Duration = Duration::from_millis(50);

/// The client's side of a watch.
pub(crate) struct SimulatedWatch {
    messages: UnboundedReceiver<PbWatchResponse>,
    requests: UnboundedSender<()>,
}

impl SimulatedWatch {
    pub(super) fn new(
        messages: UnboundedReceiver<PbWatchResponse>,
        requests: UnboundedSender<()>,
    ) -> SimulatedWatch {
        SimulatedWatch { messages, requests }
    }

    /// The next message; `None` at the end.
    pub(crate) async fn message(&mut self) -> Option<WatchResponse> {
        self.messages.recv().await.map(WatchResponse)
    }

    /// Asks for a message that says how far the watch has come.
    pub(crate) fn request_progress(&mut self) -> Result<(), RequestFailure> {
        self.requests.send(()).map_err(|_| broken())
    }
}

/// etcd's side of a watch.
pub(super) struct WatchTask {
    pub(super) service: Arc<Service>,
    pub(super) process: Arc<SimulatedEnvironment>,
    pub(super) keys: KeyRange,
    /// The revision that is told next.
    pub(super) next: i64,
    /// The start of etcd that this watch ends with.
    pub(super) starts: u64,
    pub(super) sender: UnboundedSender<PbWatchResponse>,
    pub(super) requests: UnboundedReceiver<()>,
}

/// The watch is at its end.
struct Ended;

impl WatchTask {
    pub(super) async fn run(mut self) {
        let mut changes = self.service.changes();
        let created = PbWatchResponse {
            created: true,
            ..self.message()
        };
        if self.send(created).await.is_err() {
            return;
        }
        let mut is_asked = false;
        loop {
            changes.mark_unchanged();
            if self.tell_changes().await.is_err() {
                return;
            }
            if std::mem::take(&mut is_asked) {
                let progress = self.message();
                if self.send(progress).await.is_err() {
                    return;
                }
            }
            let asked = pin!(self.requests.recv());
            let changed = pin!(async { changes.changed().await.is_ok() });
            match future::select(asked, changed).await {
                Either::Left((Some(()), _)) => is_asked = true,
                Either::Right((true, _)) => {}
                // The client has gone, or etcd has.
                Either::Left((None, _)) | Either::Right((false, _)) => return,
            }
        }
    }

    fn message(&self) -> PbWatchResponse {
        PbWatchResponse {
            header: Some(self.service.state().content.header()),
            ..PbWatchResponse::default()
        }
    }

    /// Tells what has happened since, each revision in a message of its own.
    async fn tell_changes(&mut self) -> Result<(), Ended> {
        let (events, compacted) = {
            let state = self.service.state();
            let content = &state.content;
            let events = content.events_since(self.next, &self.keys);
            let compacted = content.compacted();
            (events, (self.next < compacted).then_some(compacted))
        };
        if let Some(compacted) = compacted {
            let canceled = PbWatchResponse {
                canceled: true,
                compact_revision: compacted,
                ..self.message()
            };
            self.send(canceled).await?;
            return Err(Ended);
        }
        for (revision, events) in events {
            let message = PbWatchResponse {
                events,
                ..self.message()
            };
            self.send(message).await?;
            self.next = revision + 1;
        }
        Ok(())
    }

    async fn send(&self, message: PbWatchResponse) -> Result<(), Ended> {
        let environment = self.service.environment();
        let delay = {
            let mut state = self.service.state();
            let bounds = state.delay.clone();
            duration_in(&mut state.random, &bounds)
        };
        environment.sleep(delay).await;
        loop {
            {
                let state = self.service.state();
                if state.starts != self.starts || state.is_down || self.process.is_killed() {
                    return Err(Ended);
                }
                if state.reaches(self.process.name()) {
                    return self.sender.send(message).map_err(|_| Ended);
                }
            }
            environment.sleep(UNREACHED_DELAY).await;
        }
    }
}
