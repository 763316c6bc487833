//! What stands behind a handle, and what it can do.

use std::sync::Arc;

use object_store::ObjectStore;

use crate::PosixStore;
use crate::ost_url::Provider;

/// An `object_store` backend, and what is known of it beyond that.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) kind: BackendKind,
}

/// Whose backend it is.
#[derive(Clone, Debug)]
pub(crate) enum BackendKind {
    /// A local directory; the store is the same one.
    Local(PosixStore),
    /// Our own process's memory.
    Memory,
    /// S3, GCS or Azure, opened from a URL.
    Bucket(Provider),
    /// The user's, of which nothing is known.
    Own,
}

impl BackendKind {
    /// Whether lists come in byte order of their keys.
    pub(crate) fn lists_in_order(&self) -> bool {
        // Azure orders its names as UTF-16, or by directories where an account has these.
        !matches!(
            self,
            BackendKind::Own | BackendKind::Bucket(Provider::Azure)
        )
    }
}
