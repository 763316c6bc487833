//! The gateway as a program.

use std::process::ExitCode;

use clap::Parser;
use gateway::{Error, Settings};
use service::config::Arguments;

/// The gateway: the HTTP API in front of the configuration service and the run service.
///
/// Without a configuration file it listens on 127.0.0.1:8000, and looks for the configuration service on 127.0.0.1:4002 and
/// for the run service on 127.0.0.1:4000. The token of the administrator is in ./data/gateway/admin-token. Variables of the
/// environment like DM_GATEWAY__CONFIGSTORE_URL come before the file.
#[derive(Debug, Parser)]
#[command(version)]
struct Program {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    // A definition that is a program is evaluated in a process of its own, which is this program once more.
    runconfig::evaluate_if_asked();
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
    service::logging::start(settings.as_ref().is_ok_and(|settings| settings.debug));
    let settings = settings?;
    let listener = service::bind("gateway", &settings.web)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Error::internal)?;
    runtime.block_on(async { gateway::run(listener, &settings, service::stop_signal()?).await })
}
