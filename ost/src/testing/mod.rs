//! Services for tests, in the test's own process. Behind the feature `testing`; nothing here is for production.
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

mod s3_index;
mod s3_server;
mod s3_service;

pub use s3_server::S3Server;
