//! The section `configstore` of the configuration.

use serde::Deserialize;
use service::config::{ServerSection, Sources, Web};
use service::{Options, StoreOptions};

use crate::Error;
use crate::secrets::SecretKeySettings;

/// The name of the section, of the component, and of the prefix in etcd.
pub(crate) const NAME: &str = "configstore";
/// Below it the data is, in the directory or bucket.
const BASE_PATH: &str = "configdata";
const LISTEN_ADDRESS_DEFAULT: &str = "127.0.0.1:4002";
const DATA_DIR_DEFAULT: &str = "./data/configstore";

/// How the service runs: what is in the section, or its defaults. `config.reference.yml` shows all keys.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// What all servers have. By default the data is in `./data/configstore`, and the service listens on `127.0.0.1:4002`.
    pub server: ServerSection,
    /// The keys that secrets are encrypted with: the first encrypts, all decrypt. Default: a key file in the data directory,
    /// made on the first start.
    pub secret_keys: Vec<SecretKeySettings>,
}

/// The keys that the section has beside those of all servers.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct OwnKeys {
    secret_keys: Vec<SecretKeySettings>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            server: ServerSection {
                data_dir: DATA_DIR_DEFAULT.into(),
                web: Web::at(LISTEN_ADDRESS_DEFAULT),
                ..ServerSection::default()
            },
            secret_keys: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads the section from where the configuration comes from.
    ///
    /// # Errors
    /// An unknown key, or a value that does not fit: each is named.
    pub fn load(sources: Sources) -> Result<Settings, Error> {
        let config = sources
            .default_value("configstore.dataDir", DATA_DIR_DEFAULT)
            .default_value("configstore.web.listenAddress", LISTEN_ADDRESS_DEFAULT)
            .load()?;
        let (server, OwnKeys { secret_keys }) = config.server_section(NAME)?;
        let settings = Settings {
            server,
            secret_keys,
        };
        settings.options()?;
        Ok(settings)
    }

    pub(crate) fn options(&self) -> Result<Options, Error> {
        self.server.options(NAME, BASE_PATH)
    }

    /// Which store that is.
    pub(crate) fn store_options(&self) -> Result<StoreOptions, Error> {
        self.server.store(NAME, BASE_PATH)
    }
}
