//! The section `configstore` of the configuration.

use std::path::PathBuf;

use serde::Deserialize;
use service::config::{Config, Etcd, Limits, ObjectStorage, Web};
use service::{Options, StoreOptions};

use crate::Error;
use crate::secrets::SecretKeySettings;

/// The name of the section, of the component, and of the prefix in etcd.
pub(crate) const NAME: &str = "configstore";
/// Below it the data is, in the directory or bucket.
pub(crate) const BASE_PATH: &str = "configdata";
const LISTEN_ADDRESS_DEFAULT: &str = "127.0.0.1:4002";
const DATA_DIR_DEFAULT: &str = "./data/configstore";

/// How the service runs: what is in the section, or its defaults.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Settings {
    /// Whether more is logged.
    pub debug: bool,
    /// Where the data is if `objectStorage` names no place, and the secret key if `secretKeys` names none. Default
    /// `./data/configstore`.
    pub data_dir: PathBuf,
    /// Where the service listens. Default `127.0.0.1:4002`.
    pub web: Web,
    /// The etcd that has the log. Without this section the log is beside the data.
    pub etcd: Option<Etcd>,
    /// Where the data is. Default: in the data directory.
    pub object_storage: ObjectStorage,
    /// Where the log of a new store is, unless it is in etcd: `file` or `object`. Default: `file` in a directory, which one
    /// process can use; `object` in a bucket, which several can.
    pub log: String,
    /// The keys that secrets are encrypted with: the first encrypts, all decrypt. Default: a key file in the data directory,
    /// made on the first start.
    pub secret_keys: Vec<SecretKeySettings>,
    /// A file with the token that callers have to show. Default: everybody is let in.
    pub bearer_token_file: PathBuf,
    /// What requests may take.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            debug: false,
            data_dir: DATA_DIR_DEFAULT.into(),
            web: Web::at(LISTEN_ADDRESS_DEFAULT),
            etcd: None,
            object_storage: ObjectStorage::default(),
            log: String::new(),
            secret_keys: Vec::new(),
            bearer_token_file: PathBuf::new(),
            limits: Limits::default(),
        }
    }
}

impl Settings {
    /// The section of a configuration.
    ///
    /// # Errors
    /// An unknown key, or a value that does not fit: each is named.
    pub fn read(config: &Config) -> Result<Settings, Error> {
        let settings: Settings = config.section(NAME)?;
        settings.log_kind()?;
        Ok(settings)
    }

    fn log_kind(&self) -> Result<Option<datamanager::LogKind>, Error> {
        match self.log.as_str() {
            "" => Ok(None),
            "file" => Ok(Some(datamanager::LogKind::File)),
            "object" => Ok(Some(datamanager::LogKind::Object)),
            other => Err(service::config::invalid(
                "configstore.log",
                other,
                "\"file\" and \"object\" are accepted",
            )),
        }
    }

    /// Which store that is.
    pub(crate) fn store_options(&self) -> Result<StoreOptions, Error> {
        let mut store = StoreOptions::new(NAME, BASE_PATH, &self.data_dir);
        store.object_storage = self.object_storage.clone();
        store.etcd = self.etcd.clone();
        store.log = self.log_kind()?;
        Ok(store)
    }

    pub(crate) fn options(&self) -> Result<Options, Error> {
        let mut options = Options::new(self.store_options()?);
        options.web = self.web.clone();
        options.limits = self.limits.clone();
        if !self.bearer_token_file.as_os_str().is_empty() {
            options.bearer_token_file = Some(self.bearer_token_file.clone());
        }
        Ok(options)
    }
}
