//! Scripts that complete commands in a shell.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::Cli;
use crate::output::Output;

pub(crate) fn print(shell: Shell, mut output: Output) -> anyhow::Result<()> {
    // Not to standard output itself, of which `generate` expects that it is read to the end.
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "dm", &mut script);
    output.bytes(script)?;
    output.finish()
}
