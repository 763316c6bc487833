//! The process that evaluates one program.

use std::io::{Read, Write};

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

use crate::error::Fault;
use crate::format::Format;
use crate::parse::{CONTENT_BYTES_MAX, too_long};

/// Calls within calls need much of it.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// A request is a program and little else; a character takes six bytes at most.
const REQUEST_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Besides what the program may take: the allocator's own, the request and the answer.
const MEMORY_BYTES_ANYWAY: u64 = 64 * 1024 * 1024;
/// Standard input, output and error stay open; no other file can be opened.
const FILES_MAX: u64 = 3;

/// What is to be evaluated.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) format: Format,
    pub(super) content: String,
    pub(super) context: serde_json::Value,
    pub(super) seconds_max: u64,
    pub(super) memory_bytes_max: u64,
}

/// What has come of it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer {
    /// JSON.
    Made(String),
    /// Why there is none.
    Fault(Fault),
}

/// Reads a request, writes the answer, and returns how the process is to end.
pub(super) fn run() -> i32 {
    let mut request = Vec::new();
    let read = std::io::stdin()
        .take(REQUEST_BYTES_MAX)
        .read_to_end(&mut request);
    let (Ok(_), Ok(request)) = (read, serde_json::from_slice::<Request>(&request)) else {
        return 2;
    };
    if limit(&request).is_err() {
        return 3;
    }
    let evaluation = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || evaluate(&request));
    let evaluation = match evaluation {
        Ok(evaluation) => evaluation.join(),
        Err(_) => return 4,
    };
    // One that has panicked: the libraries are not meant to, whatever the program is.
    let answer = evaluation
        .unwrap_or_else(|_| Answer::Fault(Fault::of_all("the definition cannot be evaluated")));
    let mut output = std::io::stdout().lock();
    let written = serde_json::to_vec(&answer)
        .map_err(std::io::Error::other)
        .and_then(|answer| output.write_all(&answer))
        .and_then(|()| output.flush());
    i32::from(written.is_err())
}

/// From here on the system ends the process if it takes more.
fn limit(request: &Request) -> rustix::io::Result<()> {
    let memory_bytes_max = request
        .memory_bytes_max
        .saturating_add(MEMORY_BYTES_ANYWAY + STACK_BYTES as u64);
    for (resource, most) in [
        (Resource::Data, memory_bytes_max),
        (Resource::Cpu, request.seconds_max),
        (Resource::Nofile, FILES_MAX),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        let most = Some(most);
        setrlimit(
            resource,
            Rlimit {
                current: most,
                maximum: most,
            },
        )?;
    }
    Ok(())
}

fn evaluate(request: &Request) -> Answer {
    let made: Result<String, Fault> = match request.format {
        #[cfg(feature = "jsonnet")]
        Format::Jsonnet => super::jsonnet::evaluate(&request.content, &request.context),
        #[cfg(feature = "starlark")]
        Format::Starlark => super::starlark::evaluate(&request.content, &request.context),
        format => {
            let message = format!("definitions in {format} are not evaluated here");
            Err(Fault::of_all(message))
        }
    };
    match made {
        Ok(made) if made.len() > CONTENT_BYTES_MAX => Answer::Fault(too_long(made.len())),
        Ok(made) => Answer::Made(made),
        Err(fault) => Answer::Fault(fault),
    }
}
