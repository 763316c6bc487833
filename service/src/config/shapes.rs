//! Sections that several servers have.

use std::path::PathBuf;
use std::time::Duration;

use datamanager::LogKind;
use serde::Deserialize;

use super::go_duration;
use crate::{Error, Options, StoreOptions};

/// The keys that the section of every server has.
///
/// `dataDir` and `web.listenAddress` have no defaults here, since they differ: see
/// [`Sources::default_value`](super::Sources::default_value).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ServerSection {
    /// Whether more is logged.
    pub debug: bool,
    /// Where the data is, unless `objectStorage` names a place.
    pub data_dir: PathBuf,
    /// Where the server listens.
    pub web: Web,
    /// The etcd that has the log.
    pub etcd: Option<Etcd>,
    /// Where the data is.
    pub object_storage: ObjectStorage,
    /// Where the log of a new store is, without etcd: `file` (the default in a directory) or `object` (with which several
    /// instances can share a directory).
    pub log: String,
    /// A file with the token that callers have to show. Empty: everybody is let in.
    pub bearer_token_file: PathBuf,
    /// What requests may take.
    pub limits: Limits,
    /// How long a stop may take. Default 10 s.
    #[serde(deserialize_with = "go_duration")]
    pub shutdown_timeout: Duration,
    /// Threads that answer requests. 0: one for each processor.
    pub workers: usize,
}

impl Default for ServerSection {
    fn default() -> ServerSection {
        ServerSection {
            debug: false,
            data_dir: PathBuf::new(),
            web: Web::default(),
            etcd: None,
            object_storage: ObjectStorage::default(),
            log: String::new(),
            bearer_token_file: PathBuf::new(),
            limits: Limits::default(),
            shutdown_timeout: Duration::from_secs(10),
            workers: 0,
        }
    }
}

impl ServerSection {
    /// How a server with this section, which is called `name`, is run; `base_path` is the place of its store in the
    /// directory or bucket.
    ///
    /// # Errors
    /// As [`ServerSection::store`].
    pub fn options(&self, name: &str, base_path: &str) -> Result<Options, Error> {
        let store = self.store(name, base_path)?;
        let mut options = self.options_without_store();
        options.store = Some(store);
        Ok(options)
    }

    /// The store of a server with this section, as [`ServerSection::options`] has it.
    ///
    /// # Errors
    /// A `log` that is none; what else is wrong is found by [`run`](crate::run).
    pub fn store(&self, name: &str, base_path: &str) -> Result<StoreOptions, Error> {
        let mut store = StoreOptions::new(name, base_path, &self.data_dir);
        store.object_storage = self.object_storage.clone();
        store.etcd = self.etcd.clone();
        store.log = match self.log.as_str() {
            "" => None,
            "file" => Some(LogKind::File),
            "object" => Some(LogKind::Object),
            other => {
                let accepted = "\"file\", \"object\" and nothing are accepted; a log in etcd needs the section etcd";
                return Err(super::invalid(&format!("{name}.log"), other, accepted));
            }
        };
        Ok(store)
    }

    /// How a server with this section is run that has no store. What the section says of one is not looked at.
    pub fn options_without_store(&self) -> Options {
        let mut options = Options::without_store();
        options.web = self.web.clone();
        options.limits = self.limits.clone();
        options.shutdown_timeout = self.shutdown_timeout;
        let token = &self.bearer_token_file;
        options.bearer_token_file = (!token.as_os_str().is_empty()).then(|| token.clone());
        options.workers = (self.workers > 0).then_some(self.workers);
        options
    }
}

/// Where a server listens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Web {
    /// `host:port`, or `:port` for all addresses of the machine.
    pub listen_address: String,
    /// Whether HTTPS is spoken, and nothing else.
    pub tls: bool,
    /// The certificate's private key, PEM.
    pub tls_key_file: PathBuf,
    /// The certificate, PEM, with the chain behind it. Both files are read again when they change.
    pub tls_cert_file: PathBuf,
    /// Origins whose pages may call the server from a browser. Only the gateway looks at it.
    pub allowed_origins: Vec<String>,
}

impl Web {
    /// Plain HTTP at `listen_address`.
    pub fn at(listen_address: impl Into<String>) -> Web {
        Web {
            listen_address: listen_address.into(),
            ..Web::default()
        }
    }
}

/// The etcd that has the log of the store. Without this section the log is beside the data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Etcd {
    /// URLs with commas between them, all `http` or all `https`. Empty: `http://127.0.0.1:2379`.
    pub endpoints: String,
    /// The certificate that is shown to etcd, PEM.
    pub tls_cert_file: PathBuf,
    /// Its key, PEM.
    pub tls_key_file: PathBuf,
    /// The certificate that etcd's has to be signed with, PEM, instead of those that the system trusts.
    #[serde(rename = "tlsCAFile")]
    pub tls_ca_file: PathBuf,
    /// Not supported: a certificate that is not checked protects nothing. Give `tlsCAFile` instead.
    pub tls_skip_verify: bool,
    /// The user, if etcd asks for one.
    pub user: String,
    /// A file with the user's password.
    pub password_file: PathBuf,
}

/// Where the data is.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ObjectStorage {
    /// `posix`, `s3`, or empty for the data directory.
    #[serde(rename = "type")]
    pub kind: String,
    /// The directory, for `posix`.
    pub path: PathBuf,
    /// The service's address, for `s3`: a URL, or `address:port` with `disableTLS`.
    pub endpoint: String,
    /// The bucket, which must be there.
    pub bucket: String,
    /// The bucket's region.
    pub location: String,
    /// The id of the key that requests are signed with. Empty: from the environment (`AWS_ACCESS_KEY_ID`).
    pub access_key: String,
    /// The key.
    pub secret_access_key: String,
    /// Whether an endpoint without a scheme is spoken to without TLS.
    #[serde(rename = "disableTLS")]
    pub disable_tls: bool,
}

/// Without the secret.
impl std::fmt::Debug for ObjectStorage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ObjectStorage")
            .field("kind", &self.kind)
            .field("path", &self.path)
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

/// What one request may take.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Limits {
    /// Bytes of a body of JSON, at most. Default 1 MiB. Raised, one request takes more memory.
    pub json_bytes_max: usize,
    /// How long the head of a request may take to arrive. Default 10 s. Raised, slow clients hold connections for longer.
    #[serde(deserialize_with = "go_duration")]
    pub head_timeout: Duration,
    /// How long a body of JSON may take to arrive. Default 30 s. Raised, slow clients hold connections for longer.
    #[serde(deserialize_with = "go_duration")]
    pub body_timeout: Duration,
    /// How long the next piece of a stream may take, in either direction. Default 60 s. Lowered, slow clients lose long
    /// transfers.
    #[serde(deserialize_with = "go_duration")]
    pub stream_idle_timeout: Duration,
    /// How long a connection without a request is kept. Default 75 s.
    #[serde(deserialize_with = "go_duration")]
    pub keep_alive: Duration,
    /// Connections of each thread, at most; further ones wait. Default 10,000.
    pub connections_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            json_bytes_max: 1024 * 1024,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            stream_idle_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(75),
            connections_max: 10_000,
        }
    }
}
