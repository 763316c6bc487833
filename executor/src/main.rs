//! The executor as a program.

use std::process::ExitCode;

use clap::Parser;
use executor::{Error, Settings};
use service::config::Arguments;

/// The executor: runs the tasks that the run service hands out.
///
/// It needs a configuration that names a driver. Without more its data is in ./data/executor, it listens on 127.0.0.1:4001,
/// and the run service is expected at http://127.0.0.1:4000. Variables of the environment like DM_EXECUTOR__DATA_DIR come
/// before the file.
#[derive(Debug, Parser)]
#[command(version)]
struct Program {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    executor::become_supervisor_if_asked();
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
    let listener = service::bind("executor", &settings.server.web)?;
    let runtime = tokio::runtime::Runtime::new().map_err(Error::internal)?;
    runtime.block_on(async { executor::run(listener, &settings, service::stop_signal()?).await })
}
