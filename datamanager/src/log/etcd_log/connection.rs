//! The calls that are made of etcd: of a real one, or of one in a simulation. Nothing else here reaches etcd.

use std::error::Error as StdError;

use etcd_client::{
    Client, DeleteOptions, DeleteResponse, LeaseGrantResponse, Txn, TxnResponse, WatchOptions,
    WatchResponse, WatchStream,
};

#[cfg(feature = "testing")]
use crate::testing::{SimulatedEndpoint, SimulatedWatch};

/// Bytes of one answer, at most: a page of records, each within etcd's own bound for a request.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Why a request failed, and how it is gone on from.
#[derive(Debug)]
pub(crate) struct RequestFailure {
    pub(crate) message: String,
    pub(crate) verdict: Verdict,
}

/// How a failed request is gone on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It never left this machine, so that another endpoint can be tried.
    NotSent,
    /// The endpoint or the cluster is in trouble.
    Unclear,
    /// The cluster has said no.
    Refused,
}

impl From<etcd_client::Error> for RequestFailure {
    fn from(error: etcd_client::Error) -> RequestFailure {
        RequestFailure {
            message: error.to_string(),
            verdict: verdict(&error),
        }
    }
}

/// A connection to one endpoint.
#[derive(Clone)]
pub(super) enum Connection {
    Etcd(Box<Client>),
    #[cfg(feature = "testing")]
    Simulated(SimulatedEndpoint),
}

impl Connection {
    pub(super) async fn txn(&self, txn: Txn) -> Result<TxnResponse, RequestFailure> {
        match self {
            Connection::Etcd(client) => {
                let kv = client.kv_client();
                let mut kv = kv.max_decoding_message_size(ANSWER_BYTES_MAX);
                Ok(kv.txn(txn).await?)
            }
            #[cfg(feature = "testing")]
            Connection::Simulated(endpoint) => endpoint.txn(txn).await,
        }
    }

    /// Removes the keys from `first` up to, and without, `end`.
    pub(super) async fn delete_range(
        &self,
        first: &str,
        end: &str,
    ) -> Result<DeleteResponse, RequestFailure> {
        match self {
            Connection::Etcd(client) => {
                let options = DeleteOptions::new().with_range(end);
                Ok(client.kv_client().delete(first, Some(options)).await?)
            }
            #[cfg(feature = "testing")]
            Connection::Simulated(endpoint) => endpoint.delete_range(first, end).await,
        }
    }

    pub(super) async fn grant_lease(
        &self,
        seconds: i64,
    ) -> Result<LeaseGrantResponse, RequestFailure> {
        match self {
            Connection::Etcd(client) => Ok(client.lease_client().grant(seconds, None).await?),
            #[cfg(feature = "testing")]
            Connection::Simulated(endpoint) => endpoint.grant_lease(seconds).await,
        }
    }

    /// Whether the lease was still there to be kept alive.
    pub(super) async fn keep_lease(&self, lease: i64) -> Result<bool, RequestFailure> {
        match self {
            // Opening the stream sends a request and waits for its answer.
            Connection::Etcd(client) => match client.lease_client().keep_alive(lease).await {
                Ok(_) => Ok(true),
                Err(etcd_client::Error::LeaseKeepAliveError(_)) => Ok(false),
                Err(error) => Err(error.into()),
            },
            #[cfg(feature = "testing")]
            Connection::Simulated(endpoint) => endpoint.keep_lease(lease).await,
        }
    }

    pub(super) async fn revoke_lease(&self, lease: i64) -> Result<(), RequestFailure> {
        match self {
            Connection::Etcd(client) => {
                client.lease_client().revoke(lease).await?;
                Ok(())
            }
            #[cfg(feature = "testing")]
            Connection::Simulated(endpoint) => endpoint.revoke_lease(lease).await,
        }
    }

    /// Forgets what keys were before `revision`.
    pub(super) async fn compact(&self, revision: i64) -> Result<(), RequestFailure> {
        match self {
            Connection::Etcd(client) => {
                client.kv_client().compact(revision, None).await?;
                Ok(())
            }
            #[cfg(feature = "testing")]
            Connection::Simulated(endpoint) => endpoint.compact(revision).await,
        }
    }

    /// Watches all keys that begin with `prefix`, from `revision` on.
    pub(super) async fn watch(&self, prefix: &str, revision: i64) -> Result<Watch, RequestFailure> {
        match self {
            Connection::Etcd(client) => {
                let options = WatchOptions::new()
                    .with_prefix()
                    .with_start_revision(revision)
                    .with_fragment();
                let watch = client.watch_client();
                let mut watch = watch.max_decoding_message_size(ANSWER_BYTES_MAX);
                let stream = watch.watch(prefix, Some(options)).await?;
                Ok(Watch::Etcd(Box::new(stream)))
            }
            #[cfg(feature = "testing")]
            Connection::Simulated(endpoint) => {
                Ok(Watch::Simulated(endpoint.watch(prefix, revision).await?))
            }
        }
    }
}

/// A watch of keys.
pub(super) enum Watch {
    Etcd(Box<WatchStream>),
    #[cfg(feature = "testing")]
    Simulated(SimulatedWatch),
}

impl Watch {
    /// The next message; `None` at the end.
    pub(super) async fn message(&mut self) -> Result<Option<WatchResponse>, RequestFailure> {
        match self {
            Watch::Etcd(stream) => Ok(stream.message().await?),
            #[cfg(feature = "testing")]
            Watch::Simulated(watch) => Ok(watch.message().await),
        }
    }

    /// Asks for a message that says how far the watch has come.
    pub(super) async fn request_progress(&mut self) -> Result<(), RequestFailure> {
        match self {
            Watch::Etcd(stream) => Ok(stream.request_progress().await?),
            #[cfg(feature = "testing")]
            Watch::Simulated(watch) => watch.request_progress(),
        }
    }
}

/// What a failure says about its request. The codes are those of gRPC.
fn verdict(error: &etcd_client::Error) -> Verdict {
    const INVALID_ARGUMENT: i32 = 3;
    const NOT_FOUND: i32 = 5;
    const PERMISSION_DENIED: i32 = 7;
    const RESOURCE_EXHAUSTED: i32 = 8;
    const FAILED_PRECONDITION: i32 = 9;
    const OUT_OF_RANGE: i32 = 11;
    const UNIMPLEMENTED: i32 = 12;
    const UNAUTHENTICATED: i32 = 16;
    match error {
        etcd_client::Error::GRpcStatus(status) => match i32::from(status.code()) {
            INVALID_ARGUMENT | NOT_FOUND | PERMISSION_DENIED | RESOURCE_EXHAUSTED
            | FAILED_PRECONDITION | OUT_OF_RANGE | UNIMPLEMENTED | UNAUTHENTICATED => {
                Verdict::Refused
            }
            _ if was_refused_connection(status) => Verdict::NotSent,
            _ => Verdict::Unclear,
        },
        etcd_client::Error::InvalidArgs(_) | etcd_client::Error::InvalidUri(_) => Verdict::Refused,
        _ => Verdict::Unclear,
    }
}

/// Whether no connection could be made, so that nothing was sent.
fn was_refused_connection(error: &(dyn StdError + 'static)) -> bool {
    let mut source = Some(error);
    while let Some(error) = source {
        if error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
        {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests;
