//! Packing and unpacking, as commands of their own: with the rights of the task's user, and killed like any other command.

use std::error::Error as _;
use std::io::{self, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::archive::{self, Options, Source, Summary};

/// A job has at most so many bytes.
const JOB_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What is packed: JSON on the standard input. The archive goes to the standard output.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PackJob {
    /// Directory, destination and patterns of each.
    pub(crate) sources: Vec<(PathBuf, String, Vec<String>)>,
    pub(crate) bytes_max: u64,
    pub(crate) entries_max: u64,
}

/// Where to an archive is unpacked that is the standard input: JSON in the second argument.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UnpackJob {
    pub(crate) directory: PathBuf,
    pub(crate) bytes_max: u64,
    pub(crate) entries_max: u64,
}

pub(super) fn pack() -> i32 {
    let mut text = Vec::new();
    let read = io::stdin().take(JOB_BYTES_MAX).read_to_end(&mut text);
    let job = read.and_then(|_| Ok(serde_json::from_slice::<PackJob>(&text)?));
    let job = match job {
        Ok(job) => job,
        Err(cause) => return tell(&format!("there is nothing to be packed: {cause}")),
    };
    let sources = job.sources.into_iter();
    let sources = sources.map(|(directory, destination, patterns)| Source {
        directory,
        destination,
        patterns,
    });
    let sources: Vec<Source> = sources.collect();
    let output = io::BufWriter::with_capacity(128 * 1024, io::stdout().lock());
    let packed = archive::pack(&sources, output, &options(job.bytes_max, job.entries_max));
    finish(packed, "saved")
}

pub(super) fn unpack() -> i32 {
    let argument = std::env::args().nth(2).unwrap_or_default();
    let job: UnpackJob = match serde_json::from_str(&argument) {
        Ok(job) => job,
        Err(cause) => return tell(&format!("there is nothing to be unpacked: {cause}")),
    };
    let options = options(job.bytes_max, job.entries_max);
    let input = io::BufReader::with_capacity(128 * 1024, io::stdin().lock());
    finish(archive::unpack(input, &job.directory, &options), "restored")
}

fn options(bytes_max: u64, entries_max: u64) -> Options {
    Options {
        entries_max,
        bytes_max,
        // The process is killed instead.
        cancelled: CancellationToken::new(),
    }
}

fn finish(done: Result<Summary, archive::Error>, verb: &str) -> i32 {
    match done {
        Ok(summary) => {
            for path in &summary.left_out {
                tell(&format!("left out, since it is no file: {path}"));
            }
            tell(&format!(
                "{verb} {} entries with {} bytes",
                summary.entries, summary.bytes
            ));
            0
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(": ");
                text.push_str(&cause.to_string());
                source = cause.source();
            }
            tell(&text)
        }
    }
}

/// Writes a line to the log of the step; returns the status of a failure.
fn tell(text: &str) -> i32 {
    use std::io::Write;
    // Nobody else could be told.
    let _ = writeln!(io::stderr(), "{text}");
    1
}
