//! Services for tests: one in the test's own process, and those of others where they are installed. Behind the feature
//! `testing`; nothing here is for production.
//!
//! ```
//! use ost::{Create, ObjectPath, testing::S3Server};
//!
//! let server = S3Server::start()?;
//! let ost = server.open("apps/db");
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let path = ObjectPath::parse("wal/1")?;
//! assert_eq!(ost.create(&path, "first".into()).await?, Create::Created);
//! # Ok::<(), ost::Error>(())
//! # })?;
//! assert_eq!(server.count("PutObject"), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod external_service;
mod s3_index;
mod s3_server;
mod s3_service;

use std::sync::Arc;

use object_store::ObjectStore;

use crate::Ost;
use crate::backend::{Backend, BackendKind};
use crate::ost::UploadLimits;
use crate::ost_url::Provider;
use crate::path::BasePath;

pub use external_service::ExternalService;
pub use s3_server::S3Server;

/// A base path of a bucket, as its URL would open it.
fn opened<S: ObjectStore>(
    store: object_store::Result<S>,
    provider: Provider,
    bucket: &str,
    base_path: &str,
) -> Ost {
    let backend = Backend {
        store: Arc::new(store.expect("the settings are whole")),
        kind: BackendKind::Bucket(provider),
    };
    let base_path = BasePath::parse(base_path).expect("the test gives a base path");
    let location = format!("{}://{bucket}/{}", provider.scheme(), base_path.as_str());
    Ost::from_parts(backend, base_path, location, None, UploadLimits::default())
}
