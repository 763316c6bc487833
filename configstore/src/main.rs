//! The configuration service as a program.

use std::process::ExitCode;

use clap::Parser;
use configstore::{Error, Settings};
use service::config::Arguments;

/// The configuration service: users, organizations, project groups, projects, secrets, variables and remote sources.
///
/// Without a configuration file everything is in ./data/configstore, and the service listens on 127.0.0.1:4002. Variables of
/// the environment like DM_CONFIGSTORE__DATA_DIR come before the file.
#[derive(Debug, Parser)]
#[command(version)]
struct Program {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    match serve(Program::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{}", error.chain());
            ExitCode::FAILURE
        }
    }
}

fn serve(program: Program) -> Result<(), Error> {
    let settings = program.arguments.sources().and_then(Settings::load);
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
