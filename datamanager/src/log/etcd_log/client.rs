//! Requests to etcd: one endpoint at a time, each within a time, with failures told apart by whether they may have been
//! carried out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{
    Certificate, Client, ConnectOptions, Identity, ResponseHeader, TlsOptions, Txn, TxnResponse,
};
use futures::future::{self, BoxFuture, Either};

use super::connection::{Connection, RequestFailure, Verdict, Watch};
use crate::environment::Environment;
use crate::{Error, EtcdOptions};

/// A connection with requests under way is asked so often whether it is still there. etcd forbids less than 5 s.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(3);
/// After failing for so long etcd is taken to be down, and nothing new is sent to it.
const DOWN_AFTER: Duration = Duration::from_secs(3);

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was not carried out and never will be.
    Refused(Error),
    /// It may have been carried out, or may be yet.
    Unclear(Error),
}

impl Failure {
    pub(super) fn into_error(self) -> Error {
        match self {
            Failure::Refused(error) | Failure::Unclear(error) => error,
        }
    }
}

/// One cluster, as one process reaches it.
pub(crate) struct EtcdClient {
    environment: Arc<dyn Environment>,
    pub(super) options: EtcdOptions,
    state: Mutex<State>,
}

struct State {
    /// Of each endpoint, once it has been used.
    connections: Vec<Option<Connection>>,
    endpoint: usize,
    /// Since when nothing has been answered, and what the last failure was.
    failing: Option<(Duration, String)>,
    /// How often requests have begun to fail.
    outages: u64,
    /// The id of the cluster that answered last.
    cluster: Option<u64>,
    /// The newest revision that was told.
    revision: i64,
}

impl std::fmt::Debug for EtcdClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.options.fmt(formatter)
    }
}

/// A request under way.
type Answer<'a, T> = BoxFuture<'a, Result<T, RequestFailure>>;

impl EtcdClient {
    pub(super) fn new(environment: Arc<dyn Environment>, options: EtcdOptions) -> EtcdClient {
        let state = State {
            connections: vec![None; options.endpoints.len()],
            endpoint: 0,
            failing: None,
            outages: 0,
            cluster: None,
            revision: 0,
        };
        EtcdClient {
            environment,
            options,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What went wrong last, if nothing has been answered for a while.
    pub(super) fn down(&self) -> Option<String> {
        let now = self.environment.steady_time();
        let state = self.state();
        let (since, what) = state.failing.as_ref()?;
        (now.saturating_sub(*since) >= DOWN_AFTER).then(|| what.clone())
    }

    /// How often etcd has become unreachable so far; whoever relied on it before looks again what it holds (R10).
    pub(super) fn outages(&self) -> u64 {
        self.state().outages
    }

    /// The id of the cluster, once it has answered.
    pub(super) fn cluster(&self) -> Option<u64> {
        self.state().cluster
    }

    /// The newest revision that was told.
    pub(super) fn revision(&self) -> i64 {
        self.state().revision
    }

    /// Notes that nothing has been heard where something should have been.
    pub(super) fn note_failure(&self, what: &str) {
        let now = self.environment.steady_time();
        let mut state = self.state();
        state.endpoint = (state.endpoint + 1) % state.connections.len();
        match &mut state.failing {
            Some((_, last)) => what.clone_into(last),
            None => {
                state.failing = Some((now, what.to_owned()));
                state.outages += 1;
            }
        }
    }

    pub(super) fn note_answer(&self, header: Option<&ResponseHeader>) {
        let mut state = self.state();
        state.failing = None;
        if let Some(header) = header {
            state.cluster = Some(header.cluster_id());
            state.revision = state.revision.max(header.revision());
        }
    }

    /// A connection to the endpoint that is used now; logging in is the first that is asked of etcd.
    async fn connected(&self) -> Result<Connection, RequestFailure> {
        let (endpoint, known) = {
            let state = self.state();
            (state.endpoint, state.connections[state.endpoint].clone())
        };
        if let Some(connection) = known {
            return Ok(connection);
        }
        let connection = self.connect(endpoint).await?;
        self.state().connections[endpoint] = Some(connection.clone());
        Ok(connection)
    }

    async fn connect(&self, endpoint: usize) -> Result<Connection, RequestFailure> {
        #[cfg(feature = "testing")]
        if let Some(simulated) = &self.options.simulated {
            return Ok(Connection::Simulated(simulated.clone()));
        }
        let url = self.options.endpoints[endpoint].as_str();
        let client = Client::connect([url], Some(self.connect_options())).await?;
        Ok(Connection::Etcd(Box::new(client)))
    }

    fn connect_options(&self) -> ConnectOptions {
        let options = &self.options;
        let mut connect = ConnectOptions::new()
            .with_connect_timeout(options.connect_timeout)
            .with_keep_alive(KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT)
            .with_keep_alive_while_idle(false)
            .with_require_leader(true)
            .with_auto_token_refresh(true);
        if let Some((user, password)) = &options.user {
            connect = connect.with_user(user, password);
        }
        if options.uses_tls() {
            let mut tls = TlsOptions::new();
            tls = match &options.authority {
                Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
                None => tls.with_native_roots(),
            };
            if let Some((certificate, key)) = &options.identity {
                tls = tls.identity(Identity::from_pem(certificate, key));
            }
            connect = connect.with_tls(tls);
        }
        connect
    }

    /// Asks etcd, within the time for a request. What has not been sent for sure is tried at each endpoint once.
    async fn call<'a, T: Send>(
        &self,
        what: &str,
        request: impl Fn(Connection) -> Answer<'a, T> + Send,
    ) -> Result<T, Failure> {
        let mut attempts_left = self.options.endpoints.len();
        loop {
            attempts_left -= 1;
            let mut sent = false;
            let asked = Box::pin(async {
                let connection = self.connected().await?;
                sent = true;
                request(connection).await
            });
            let timeout = self.environment.sleep(self.options.request_timeout);
            let (message, verdict) = match future::select(asked, timeout).await {
                Either::Left((Ok(answer), _)) => return Ok(answer),
                Either::Left((Err(failure), _)) => (failure.message, failure.verdict),
                Either::Right(_) => (
                    format!("no answer within {:?}", self.options.request_timeout),
                    Verdict::Unclear,
                ),
            };
            let error = Error::unavailable(format!("etcd cannot {what}: {message}"));
            match verdict {
                Verdict::Refused => {
                    return Err(Failure::Refused(match is_denied(&message) {
                        true => Error::invalid(format!("etcd refuses to {what}: {message}")),
                        false => error,
                    }));
                }
                Verdict::Unclear if sent => {
                    self.note_failure(&message);
                    return Err(Failure::Unclear(error));
                }
                Verdict::NotSent | Verdict::Unclear => {
                    self.note_failure(&message);
                    if attempts_left == 0 {
                        return Err(Failure::Refused(error));
                    }
                }
            }
        }
    }

    pub(super) async fn txn(&self, what: &str, txn: Txn) -> Result<TxnResponse, Failure> {
        let answer = self
            .call(what, |connection| {
                let txn = txn.clone();
                Box::pin(async move { connection.txn(txn).await })
            })
            .await?;
        self.note_answer(answer.header());
        Ok(answer)
    }

    /// Removes the keys from `first` up to, and without, `end`.
    pub(super) async fn delete_range(&self, first: &str, end: &str) -> Result<(), Failure> {
        let answer = self
            .call("remove keys", |connection| {
                Box::pin(async move { connection.delete_range(first, end).await })
            })
            .await?;
        self.note_answer(answer.header());
        Ok(())
    }

    /// A lease of `seconds`, to be kept alive.
    pub(super) async fn grant_lease(&self, seconds: i64) -> Result<i64, Failure> {
        let answer = self
            .call("grant a lease", |connection| {
                Box::pin(async move { connection.grant_lease(seconds).await })
            })
            .await?;
        self.note_answer(answer.header());
        Ok(answer.id())
    }

    /// Whether the lease was still there to be kept alive.
    pub(super) async fn keep_lease(&self, lease: i64) -> Result<bool, Failure> {
        let answer = self
            .call("keep a lease alive", |connection| {
                Box::pin(async move { connection.keep_lease(lease).await })
            })
            .await?;
        self.note_answer(None);
        Ok(answer)
    }

    pub(super) async fn revoke_lease(&self, lease: i64) -> Result<(), Failure> {
        self.call("revoke a lease", |connection| {
            Box::pin(async move { connection.revoke_lease(lease).await })
        })
        .await
    }

    /// Forgets what keys were before `revision`.
    pub(super) async fn compact(&self, revision: i64) -> Result<(), Failure> {
        self.call("compact its history", |connection| {
            Box::pin(async move { connection.compact(revision).await })
        })
        .await
    }

    /// Watches all keys that begin with `prefix`, from `revision` on.
    pub(super) async fn watch(&self, prefix: &str, revision: i64) -> Result<Watch, Error> {
        self.call("watch keys", |connection| {
            Box::pin(async move { connection.watch(prefix, revision).await })
        })
        .await
        .map_err(Failure::into_error)
    }
}

/// Whether no later attempt can go better.
fn is_denied(message: &str) -> bool {
    [
        "PermissionDenied",
        "permission denied",
        "authentication failed",
        "user name is empty",
        "request is too large",
        "invalid arguments",
    ]
    .iter()
    .any(|denied| message.contains(denied))
}
