//! Create-if-absent on services that may do what was asked and lose the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::{Create, ObjectPath, Ost};

/// How often a create is sent again after a broken connection; after an answer `object_store` does it.
const RESENDS_MAX: u32 = 3;

/// The first wait before a create is sent again; each further one is twice as long.
const RESEND_DELAY: Duration = Duration::from_millis(200);

/// A create that has taken this long is not sent again, so that it ends within two minutes.
const RESEND_WITHIN: Duration = Duration::from_secs(20);

/// What became of the attempts of one create. It travels with the request, because `object_store` tells only of the
/// last attempt.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts {
    /// Whether one of them may have been stored although it failed.
    is_open: Arc<AtomicBool>,
}

impl Attempts {
    pub(super) fn leave_open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }

    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }
}

/// Stores `content` unless the key is taken, and tells an own object from another writer's.
pub(crate) async fn create(ost: &Ost, path: &ObjectPath, content: Bytes) -> Result<Create, Error> {
    let location = ost
        .store_path(path)
        .map_err(|error| ost.failed_write("create", path, error))?;
    let attempts = Attempts::default();
    let began = Instant::now();
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
        let is_late = resends >= RESENDS_MAX || began.elapsed() >= RESEND_WITHIN;
        if error.kind() != ErrorKind::Unavailable || is_late {
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
