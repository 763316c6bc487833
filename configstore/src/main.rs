//! The configuration service as a program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use configstore::{Error, Settings};
use service::config::Sources;

/// The configuration service: users, organizations, project groups, projects, secrets, variables and remote sources.
///
/// Without a configuration file everything is in ./data/configstore, and the service listens on 127.0.0.1:4002. Variables of
/// the environment like DM_CONFIGSTORE__DATA_DIR come before the file.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file (YAML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A key of the configuration and its value, before the environment and the file
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

fn main() -> ExitCode {
    match serve(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{}", error.chain());
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: Arguments) -> Result<(), Error> {
    let settings = settings(arguments);
    service::logging::start(
        settings
            .as_ref()
            .is_ok_and(|settings| settings.server.debug),
    );
    let settings = settings?;
    let listener = service::bind("configstore", &settings.server.web)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Error::internal)?;
    runtime.block_on(async { configstore::run(listener, &settings, service::stop_signal()?).await })
}

fn settings(arguments: Arguments) -> Result<Settings, Error> {
    let mut sources = Sources::new().process_environment();
    if let Some(file) = arguments.config {
        sources = sources.file(file);
    }
    for flag in arguments.set {
        let (key, value) = flag.split_once('=').ok_or_else(|| {
            Error::bad_request(format!("--set {flag:?}: a key, = and a value are expected"))
        })?;
        sources = sources.set(key, value);
    }
    Settings::load(sources)
}
