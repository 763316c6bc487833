//! The configuration: one YAML file for all servers, the environment, and flags.
//!
//! What is given first in this list wins: a flag, the environment, the file, the default.
//!
//! # File
//! Top level: `id`, and a section for each component ([`COMPONENTS`]). A server reads its own section, as a type of its own
//! that is made of the shapes here and of keys of its own; other sections are not looked into. An unknown key at the top or
//! in the section that is read is an error that names it. Scalars are taken by the type that is expected: `id: 12` is the
//! text `12`. A key without a value resets it: to the empty text, 0, false, or a section with defaults.
//!
//! # Environment
//! `DM_<SECTION>__<KEY>`, with two underscores before each key: `DM_CONFIGSTORE__WEB__LISTEN_ADDRESS` is
//! `configstore.web.listenAddress`. Case and single underscores do not matter. Lists are written with commas; a value that
//! begins with `[` or `{` is YAML. `DM_ID` is the `id`.
//!
//! ```
//! use service::config::Sources;
//!
//! /// What only the configstore has.
//! #[derive(Default, serde::Deserialize)]
//! #[serde(default, rename_all = "camelCase")]
//! struct Own {
//!     greeting: String,
//! }
//!
//! let config = Sources::new()
//!     .default_value("configstore.web.listenAddress", "127.0.0.1:4002")
//!     .text("configstore: {dataDir: /srv/data, greeting: hello}")
//!     .environment([("DM_CONFIGSTORE__WEB__TLS".to_owned(), "true".to_owned())])
//!     .set("configstore.dataDir", "/tmp/data")
//!     .load()?;
//! let (server, own) = config.server_section::<Own>("configstore")?;
//! assert_eq!(server.data_dir, std::path::Path::new("/tmp/data"));
//! assert_eq!((server.web.listen_address.as_str(), server.web.tls), ("127.0.0.1:4002", true));
//! assert_eq!(own.greeting, "hello");
//! # Ok::<(), service::Error>(())
//! ```

mod arguments;
mod deserializer;
mod duration;
mod node;
mod shapes;
#[cfg(test)]
mod tests;
mod yaml;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::Error;
use deserializer::Layers;
use node::{Node, Place, fold};

pub use arguments::Arguments;
pub use duration::{GoDuration, go_duration};
pub use shapes::{Etcd, Limits, ObjectStorage, ServerSection, Web};

/// The sections that a file can have.
pub const COMPONENTS: [&str; 7] = [
    "gateway",
    "scheduler",
    "notification",
    "runservice",
    "executor",
    "configstore",
    "gitserver",
];

const ID_DEFAULT: &str = "agola";
const ID_BYTES_MAX: usize = 20;
const FILE_BYTES_MAX: u64 = 1024 * 1024;
const ENVIRONMENT_PREFIX: &str = "DM_";

/// An error about one key: its path, its value, and what is accepted.
///
/// The value must not be a secret.
pub fn invalid(key: &str, value: &str, accepted: &str) -> Error {
    let value: String = value.chars().take(100).collect();
    error(format!("{key} is {value:?}: {accepted}"))
}

/// An error about a key that is needed and is not there.
pub fn missing(key: &str, accepted: &str) -> Error {
    error(format!("{key} is missing: {accepted}"))
}

fn error(message: impl std::fmt::Display) -> Error {
    Error::bad_request(format!("the configuration cannot be used: {message}"))
        .with_code("invalid_configuration")
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    text: Option<String>,
    environment: Vec<(String, String)>,
    flags: Vec<(String, String)>,
    defaults: Vec<(String, String)>,
}

impl Sources {
    /// Nothing but defaults.
    pub fn new() -> Sources {
        Sources::default()
    }

    /// With a file, which must be there.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Sources {
        self.file = Some(path.into());
        self
    }

    /// With the content of a file.
    pub fn text(mut self, text: impl Into<String>) -> Sources {
        self.text = Some(text.into());
        self
    }

    /// With these variables, as names and values. Those that are not `DM_ID` or `DM_<SECTION>__<KEY>` are left alone.
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Sources {
        self.environment.extend(variables);
        self
    }

    /// With the variables of this process.
    pub fn process_environment(self) -> Sources {
        // Names and values that are not Unicode are none of ours.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        self.environment(variables)
    }

    /// With a flag of the command line: the path of a key, with dots, and its value as it would stand in the file.
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Sources {
        self.flags.push((key.into(), value.into()));
        self
    }

    /// With a default that differs from that of the type: the path of a key, with dots, and its value.
    pub fn default_value(mut self, key: impl Into<String>, value: impl Into<String>) -> Sources {
        self.defaults.push((key.into(), value.into()));
        self
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// A file that cannot be read or is no YAML, an unknown key at the top; each is named.
    pub fn load(self) -> Result<Config, Error> {
        let mut layers = vec![by_path(&self.flags)?, variables(&self.environment)?];
        if let Some(path) = &self.file {
            layers.push(yaml::parse(&read(path)?, &path.display().to_string())?);
        }
        if let Some(text) = &self.text {
            layers.push(yaml::parse(text, "the configuration")?);
        }
        layers.push(by_path(&self.defaults)?);
        let config = Config { layers };
        config.check_top()?;
        Ok(config)
    }
}

fn read(path: &Path) -> Result<String, Error> {
    let shown = format!("{:?}", path.display().to_string());
    let failed = |cause: std::io::Error| error(format!("{shown} cannot be read: {cause}"));
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > FILE_BYTES_MAX {
        return Err(error(format!(
            "{shown} has {length} bytes: at most {FILE_BYTES_MAX} are accepted"
        )));
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// A layer of keys that are given as paths.
fn by_path(values: &[(String, String)]) -> Result<Node, Error> {
    let mut root = Node::map(Place::Flag);
    for (key, value) in values {
        let path: Vec<&str> = key.split('.').collect();
        root.insert(&path, yaml::value(value, Place::Flag)?);
    }
    Ok(root)
}

/// The layer of the environment. Its keys are folded.
fn variables(environment: &[(String, String)]) -> Result<Node, Error> {
    let mut root = Node::map(Place::Environment(ENVIRONMENT_PREFIX.to_owned()));
    for (name, value) in environment {
        let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else {
            continue;
        };
        if rest != "ID" && !rest.contains("__") {
            continue;
        }
        let path: Vec<String> = rest.split("__").map(fold).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let place = Place::Environment(name.clone());
        root.insert(&path, yaml::value(value, place)?);
    }
    Ok(root)
}

/// A configuration that has been read.
#[derive(Clone, Debug)]
pub struct Config {
    /// What wins stands first.
    layers: Vec<Node>,
}

impl Config {
    fn check_top(&self) -> Result<(), Error> {
        /// The section is looked at by its component alone.
        struct Untouched;
        impl<'de> serde::Deserialize<'de> for Untouched {
            fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Untouched, D::Error> {
                Ok(Untouched)
            }
        }
        #[derive(serde::Deserialize)]
        #[serde(default)]
        struct Top {
            id: String,
            gateway: Untouched,
            scheduler: Untouched,
            notification: Untouched,
            runservice: Untouched,
            executor: Untouched,
            configstore: Untouched,
            gitserver: Untouched,
        }
        impl Default for Top {
            fn default() -> Top {
                Top {
                    id: ID_DEFAULT.to_owned(),
                    gateway: Untouched,
                    scheduler: Untouched,
                    notification: Untouched,
                    runservice: Untouched,
                    executor: Untouched,
                    configstore: Untouched,
                    gitserver: Untouched,
                }
            }
        }
        Layers::of(&self.layers).read::<Top>("").and_then(|top| {
            let Top { id, .. } = top;
            check_id(&id)
        })
    }

    /// What tells this installation from others; `agola` if nothing is given.
    pub fn id(&self) -> String {
        let layers = Layers::of(&self.layers).child("id");
        let id = layers.map(|layers| layers.read("id"));
        id.and_then(Result::ok)
            .unwrap_or_else(|| ID_DEFAULT.to_owned())
    }

    /// The sections that the file has, of those in [`COMPONENTS`], in its order.
    pub fn file_sections(&self) -> Vec<String> {
        let files = self.layers.iter().filter(|layer| layer.place.is_file());
        let keys = files.flat_map(|layer| layer.entries().iter().map(|(key, _)| key));
        let sections = keys.filter(|key| COMPONENTS.contains(&key.as_str()));
        sections.cloned().collect()
    }

    /// The section `name` as `T`, which is to be a struct with `#[serde(default, rename_all = "camelCase")]`. It is read
    /// even if nothing gives it.
    ///
    /// # Errors
    /// An unknown key, with the one that may have been meant, and a value that does not fit: each with its path, its
    /// value, where it stands and what is accepted.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        self.within(name, |layers| layers.read(name))
    }

    /// The section of a server: the keys that all servers have, and the server's own as `T`.
    ///
    /// # Errors
    /// As [`Config::section`].
    pub fn server_section<T: DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<(ServerSection, T), Error> {
        let shared = self.within(name, |layers| layers.beside::<T>().read(name))?;
        let own = self.within(name, |layers| layers.beside::<ServerSection>().read(name))?;
        Ok((shared, own))
    }

    fn within<T>(
        &self,
        name: &str,
        read: impl FnOnce(Layers<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match Layers::of(&self.layers).child(name) {
            Some(section) => read(section),
            None => read(Layers::of(&[Node::map(Place::Flag)])),
        }
    }
}

/// The rule for names, which the id follows, in at most 20 bytes.
fn check_id(id: &str) -> Result<(), Error> {
    let accepted =
        "2 to 20 letters, digits and single dashes between them are accepted, a letter first";
    let groups_good = id
        .split('-')
        .all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let letter_first = id.starts_with(|first: char| first.is_ascii_alphabetic());
    if !groups_good || !letter_first || id.len() < 2 || id.len() > ID_BYTES_MAX {
        return Err(invalid("id", id, accepted));
    }
    Ok(())
}
