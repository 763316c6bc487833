//! Where programs take their configuration from.

use std::path::PathBuf;

use clap::Args;

use super::Sources;
use crate::Error;

/// Arguments that every server has. Variables of the environment come between them and the file.
#[derive(Clone, Debug, Default, Args)]
pub struct Arguments {
    /// The configuration file (YAML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A key of the configuration and its value, before the environment and the file
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl Arguments {
    /// The sources that they and the environment of the process name.
    ///
    /// # Errors
    /// `--set` without a value.
    pub fn sources(self) -> Result<Sources, Error> {
        let mut sources = Sources::new().process_environment();
        if let Some(file) = self.config {
            sources = sources.file(file);
        }
        for flag in self.set {
            let (key, value) = flag.split_once('=').ok_or_else(|| {
                Error::bad_request(format!("--set {flag:?}: a key, = and a value are expected"))
            })?;
            sources = sources.set(key, value);
        }
        Ok(sources)
    }
}
