//! What a shell is told: the exit code, and one line for an error.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use datamanager::ErrorKind;

use crate::output::{OutputClosed, printable};

/// The codes with which `dm` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NotFound = 3,
}

impl Exit {
    /// The code for an error, by what is found anywhere in its chain.
    fn of(error: &anyhow::Error) -> Exit {
        if error.downcast_ref::<OutputClosed>().is_some() {
            return Exit::Done;
        }
        if let Some(reason) = error.downcast_ref::<Reason>() {
            return reason.exit;
        }
        match error.downcast_ref::<datamanager::Error>() {
            Some(error) if error.kind() == ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Failed,
        }
    }
}

/// An error that says itself how `dm` ends.
#[derive(Debug)]
pub(crate) struct Reason {
    exit: Exit,
    message: String,
}

impl Reason {
    /// The command line is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Reason {
        Reason {
            exit: Exit::Usage,
            message: message.into(),
        }
    }

    /// It was tried, and has failed.
    pub(crate) fn failed(message: impl Into<String>) -> Reason {
        Reason {
            exit: Exit::Failed,
            message: message.into(),
        }
    }

    /// What was asked for is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Reason {
        Reason {
            exit: Exit::NotFound,
            message: message.into(),
        }
    }

    /// The error of a call whose arguments are from the command line: what is invalid is the command line's fault.
    pub(crate) fn argument(error: datamanager::Error) -> anyhow::Error {
        match error.kind() {
            ErrorKind::Invalid => Reason::usage(error.chain()).into(),
            _ => error.into(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Reason {}

/// Prints an error as one line, `dm: message: cause: cause`, and gives the exit code.
pub(crate) fn report(result: anyhow::Result<()>) -> ExitCode {
    let exit = match result {
        Ok(()) => Exit::Done,
        Err(error) => {
            if error.downcast_ref::<OutputClosed>().is_none() {
                let line = format!("dm: {error:#}").replace(['\n', '\r'], " ");
                let line = printable(&line);
                // Without standard error the exit code has to do.
                let _ = writeln!(io::stderr(), "{line}");
            }
            Exit::of(&error)
        }
    };
    ExitCode::from(exit as u8)
}
