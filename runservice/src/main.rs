//! The run service as a program.

use std::process::ExitCode;

use clap::Parser;
use runservice::{Error, Settings};
use service::config::Arguments;

/// The run service: runs, their tasks and logs, caches, and the executors.
///
/// Without a configuration file everything is in ./data/runservice, and the service listens on 127.0.0.1:4000. Variables of
/// the environment like DM_RUNSERVICE__DATA_DIR come before the file.
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
    let listener = service::bind("runservice", &settings.server.web)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Error::internal)?;
    runtime.block_on(async { runservice::run(listener, &settings, service::stop_signal()?).await })
}
