//! Create-if-absent on services that may do what was asked and lose the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, Result};

use crate::error::{Error, ErrorKind};
use crate::{Create, ObjectPath, Ost};

/// How often a create is sent again after a broken connection; after an answer `object_store` does it.
const RESENDS_MAX: u32 = 3;

/// The first wait before a create is sent again; each further one is twice as long.
const RESEND_DELAY: Duration = Duration::from_millis(200);

/// What a service answers to a conditional put that met another one; nothing was stored.
const CONFLICT: u16 = 409;

/// An answer that `object_store` takes as one to try again after.
const TOO_MANY_REQUESTS: u16 = 429;

/// What became of the attempts of one create. It travels with the request, because `object_store` tells only of the
/// last attempt.
#[derive(Clone, Debug, Default)]
struct Attempts {
    /// Whether one of them may have been stored although it failed.
    is_open: Arc<AtomicBool>,
}

impl Attempts {
    fn leave_open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }
}

/// Connects as `connector` does, and watches the attempts of creates.
#[derive(Debug)]
pub(super) struct Watching<Connector> {
    connector: Connector,
    /// Whether 409 says that nothing is decided yet (S3), instead of that the object exists.
    conflict_is_undecided: bool,
}

impl<Connector> Watching<Connector> {
    pub(super) fn new(connector: Connector, conflict_is_undecided: bool) -> Watching<Connector> {
        Watching {
            connector,
            conflict_is_undecided,
        }
    }
}

impl<Connector: HttpConnector> HttpConnector for Watching<Connector> {
    fn connect(&self, options: &ClientOptions) -> Result<HttpClient> {
        let client = self.connector.connect(options)?;
        let conflict_is_undecided = self.conflict_is_undecided;
        Ok(HttpClient::new(WatchingService {
            client,
            conflict_is_undecided,
        }))
    }
}

#[derive(Debug)]
struct WatchingService {
    client: HttpClient,
    conflict_is_undecided: bool,
}

#[async_trait]
impl HttpService for WatchingService {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let Some(attempts) = request.extensions().get::<Attempts>().cloned() else {
            return self.client.execute(request).await;
        };
        match self.client.execute(request).await {
            Ok(mut response) => {
                match response.status().as_u16() {
                    CONFLICT if self.conflict_is_undecided => {
                        if let Ok(status) = TOO_MANY_REQUESTS.try_into() {
                            *response.status_mut() = status;
                        }
                    }
                    // Behind a gateway's error the service may have done its work.
                    408 | 500.. => attempts.leave_open(),
                    _ => {}
                }
                Ok(response)
            }
            Err(error) => {
                if error.kind() != HttpErrorKind::Connect {
                    attempts.leave_open();
                }
                Err(error)
            }
        }
    }
}

/// Stores `content` unless the key is taken, and tells an own object from another writer's.
pub(crate) async fn create(ost: &Ost, path: &ObjectPath, content: Bytes) -> Result<Create, Error> {
    let location = ost
        .store_path(path)
        .map_err(|error| ost.failed_write("create", path, error))?;
    let attempts = Attempts::default();
    let mut resends = 0;
    loop {
        let mut options = PutOptions::from(PutMode::Create);
        options.extensions.insert(attempts.clone());
        let error = match ost
            .store()
            .put_opts(&location, content.clone().into(), options)
            .await
        {
            Ok(_) => return Ok(Create::Created),
            Err(object_store::Error::AlreadyExists { .. }) if attempts.is_open() => {
                return compare(ost, path, &content).await;
            }
            Err(object_store::Error::AlreadyExists { .. }) => return Ok(Create::Exists),
            Err(error) => ost.failed_write("create", path, error),
        };
        if !attempts.is_open() {
            return Err(error);
        }
        if error.kind() != ErrorKind::Unavailable || resends >= RESENDS_MAX {
            return Err(error.with_kind(ErrorKind::Unknown));
        }
        tokio::time::sleep(RESEND_DELAY * 2_u32.pow(resends)).await;
        resends += 1;
    }
}

/// Decides whose the object is that stands where an earlier attempt may have put ours.
async fn compare(ost: &Ost, path: &ObjectPath, content: &Bytes) -> Result<Create, Error> {
    let result = async { ost.store().get(&ost.store_path(path)?).await?.bytes().await };
    match result.await {
        Ok(stored) if stored == content => Ok(Create::Created),
        Ok(_) => Ok(Create::Exists),
        Err(error) => Err(ost
            .failed("create", path, error)
            .with_kind(ErrorKind::Unknown)),
    }
}
