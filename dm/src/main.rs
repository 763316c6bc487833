//! `dm` operates a store, and asks a gateway: `dm --help` lists the commands.
//!
//! Data goes to standard output, everything else to standard error. The exit code is 0 when it is done, 1 when it
//! failed, 2 for a wrong command line, and 3 when what was asked for is not there.

mod cli;
mod commands;
mod commit;
mod completions;
mod etcd;
mod exit;
mod open;
mod output;
mod progress;
mod remote;
#[cfg(feature = "serve")]
mod serve;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::cli::Cli;

fn main() -> ExitCode {
    // Before there is a thread, or anything is read.
    #[cfg(feature = "serve")]
    serve::become_child_if_asked();
    let cli = Cli::parse();
    if !cli.command.starts_logging() {
        start_logging(cli.verbose);
    }
    exit::report(run(cli))
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the tokio runtime")?;
    let result = runtime.block_on(commands::run(cli));
    // The store has been closed, or given up; nothing that is left is worth waiting for.
    runtime.shutdown_background();
    result
}

/// Log lines go to standard error. `RUST_LOG` chooses them; without it warnings, and more for each `-v`.
fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(level)).init();
}
