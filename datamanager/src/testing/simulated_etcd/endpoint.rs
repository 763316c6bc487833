//! An etcd as one process reaches it.

use std::fmt;
use std::sync::Arc;

use etcd_client::{DeleteResponse, LeaseGrantResponse, Txn, TxnResponse};
use tokio::sync::mpsc;

use super::content::{Content, KeyRange};
use super::service::Service;
use super::watches::{SimulatedWatch, WatchTask};
use crate::environment::Environment;
use crate::log::RequestFailure;
use crate::testing::SimulatedEnvironment;

/// Sends the requests of one process.
#[derive(Clone)]
pub(crate) struct SimulatedEndpoint {
    service: Arc<Service>,
    process: Arc<SimulatedEnvironment>,
}

impl fmt::Debug for SimulatedEndpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "SimulatedEtcd(seen from {})",
            self.process.name()
        )
    }
}

impl SimulatedEndpoint {
    pub(super) fn new(
        service: Arc<Service>,
        process: Arc<SimulatedEnvironment>,
    ) -> SimulatedEndpoint {
        SimulatedEndpoint { service, process }
    }

    pub(crate) async fn txn(&self, txn: Txn) -> Result<TxnResponse, RequestFailure> {
        let request = txn.into();
        let effect = Box::new(move |content: &mut Content, _| content.txn(&request));
        let answer = self.service.request(&self.process, "txn", effect).await?;
        Ok(TxnResponse(answer))
    }

    pub(crate) async fn delete_range(
        &self,
        first: &str,
        end: &str,
    ) -> Result<DeleteResponse, RequestFailure> {
        let keys = KeyRange::new(first.as_bytes(), end.as_bytes());
        let effect = Box::new(move |content: &mut Content, _| Ok(content.delete_range(&keys)));
        let answer = self
            .service
            .request(&self.process, "delete", effect)
            .await?;
        Ok(DeleteResponse(answer))
    }

    pub(crate) async fn grant_lease(
        &self,
        seconds: i64,
    ) -> Result<LeaseGrantResponse, RequestFailure> {
        let effect = Box::new(move |content: &mut Content, now| Ok(content.grant(seconds, now)));
        let answer = self.service.request(&self.process, "grant", effect).await?;
        Ok(LeaseGrantResponse(answer))
    }

    pub(crate) async fn keep_lease(&self, lease: i64) -> Result<bool, RequestFailure> {
        let effect = Box::new(move |content: &mut Content, now| Ok(content.keep_alive(lease, now)));
        self.service.request(&self.process, "keep", effect).await
    }

    pub(crate) async fn revoke_lease(&self, lease: i64) -> Result<(), RequestFailure> {
        let effect = Box::new(move |content: &mut Content, _| content.revoke(lease));
        self.service.request(&self.process, "revoke", effect).await
    }

    pub(crate) async fn compact(&self, revision: i64) -> Result<(), RequestFailure> {
        let effect = Box::new(move |content: &mut Content, _| content.compact(revision));
        self.service.request(&self.process, "compact", effect).await
    }

    /// Watches all keys that begin with `prefix`, from `revision` on.
    pub(crate) async fn watch(
        &self,
        prefix: &str,
        revision: i64,
    ) -> Result<SimulatedWatch, RequestFailure> {
        // The request is answered as soon as the stream is there; what it says comes through the stream.
        let effect = Box::new(|_: &mut Content, _| Ok(()));
        self.service.request(&self.process, "watch", effect).await?;
        let (sender, messages) = mpsc::unbounded_channel();
        let (requests, receiver) = mpsc::unbounded_channel();
        let starts = self.service.state().starts;
        let task = WatchTask {
            service: self.service.clone(),
            process: self.process.clone(),
            keys: KeyRange::prefix(prefix.as_bytes()),
            next: revision,
            starts,
            sender,
            requests: receiver,
        };
        let environment = self.service.environment();
        environment.spawn("watch", Box::pin(task.run()));
        Ok(SimulatedWatch::new(messages, requests))
    }
}
