//! Programs that make definitions, in a process of their own.
//!
//! A definition comes from whoever may push to a repository. A program in it may run forever or ask for all memory there is,
//! and the languages have no way to bound both. So it is evaluated in a process of its own, which has bounds that the system
//! keeps, is ended when its time is up, and whose end harms nobody. It has no files, no network and no environment: neither
//! language knows them, imports are refused, and the process cannot open a file any more when the program begins.

mod child;
#[cfg(feature = "jsonnet")]
mod jsonnet;
#[cfg(feature = "starlark")]
mod starlark;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::context::Context;
use crate::definition::Definition;
use crate::error::{Error, ErrorKind, Fault};
use crate::format::Format;
use crate::parse::{CONTENT_BYTES_MAX, parse_with, too_long};
use child::{Answer, Request};

/// What tells a program that it is to evaluate.
const ARGUMENT: &str = "--evaluate-run-definition";
/// The program that is running, even if its file has been replaced since it was started.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// A character takes six bytes at most as it is sent.
const ANSWER_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Whether this program does what it is asked to with [`ARGUMENT`].
static CAN_EVALUATE: AtomicBool = AtomicBool::new(false);

/// Has this program evaluate definitions, for an [`Evaluator`] of this program. To be called first thing in `main`, before
/// any thread is started. It returns unless the program was started for that, and does not otherwise.
pub fn evaluate_if_asked() {
    CAN_EVALUATE.store(true, Ordering::Relaxed);
    if std::env::args_os().nth(1).as_deref() == Some(OsStr::new(ARGUMENT)) {
        std::process::exit(child::run());
    }
}

/// Bounds of an [`Evaluator`].
#[derive(Clone, Debug)]
pub struct EvaluatorOptions {
    /// A program that calls [`evaluate_if_asked`]. Default: the running one. This crate has one that does nothing else,
    /// `evaluate-run-definition`, for who cannot change `main`.
    pub program: Option<PathBuf>,
    /// How long a program may be evaluated. Default 5 s. If it is raised, hostile ones keep others waiting for longer; if it
    /// is lowered, honest ones may not end on a busy machine.
    pub time_max: Duration,
    /// Bytes of memory that the evaluation of a program may take, besides what every process has. Default 256 MiB.
    pub memory_bytes_max: u64,
    /// Definitions that are read or evaluated at the same time. Default 4. Others wait, for four times `time_max`.
    pub concurrency_max: usize,
}

impl Default for EvaluatorOptions {
    fn default() -> EvaluatorOptions {
        EvaluatorOptions {
            program: None,
            time_max: Duration::from_secs(5),
            memory_bytes_max: 256 * 1024 * 1024,
            concurrency_max: 4,
        }
    }
}

/// Reads definitions in all formats. Cheap to clone; clones share the bounds.
#[derive(Clone, Debug)]
pub struct Evaluator {
    options: Arc<EvaluatorOptions>,
    permits: Arc<Semaphore>,
}

impl Evaluator {
    /// One with these bounds.
    pub fn new(options: EvaluatorOptions) -> Evaluator {
        let concurrency_max = options.concurrency_max.clamp(1, Semaphore::MAX_PERMITS);
        Evaluator {
            options: Arc::new(options),
            permits: Arc::new(Semaphore::new(concurrency_max)),
        }
    }

    /// Reads a definition, which is evaluated for `context` if it is a program. A process that evaluates ends when this is
    /// dropped.
    ///
    /// # Errors
    /// - [`ErrorKind::Invalid`]: something is wrong with it, or it takes too much time or memory.
    /// - [`ErrorKind::Unavailable`]: too many definitions are being read.
    /// - [`ErrorKind::Internal`]: no program can be started, or none that evaluates.
    pub async fn definition(
        &self,
        format: Format,
        content: String,
        context: &Context,
    ) -> Result<Definition, Error> {
        if content.len() > CONTENT_BYTES_MAX {
            return Err(Error::invalid(vec![too_long(content.len())]));
        }
        let permit = self.permit().await?;
        let text = match format.is_program() {
            true => self.evaluate(format, content, context).await?,
            false => content,
        };
        let read = tokio::task::spawn_blocking(move || {
            // Held to the end, even if the caller has gone.
            let _permit = permit;
            parse_with(&text, !format.is_program())
        });
        read.await.map_err(|cause| {
            Error::new(ErrorKind::Internal, "cannot read a definition").with_source(cause)
        })?
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        match timeout(4 * self.options.time_max, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => {
                let message = "too many definitions are being read";
                Err(Error::new(ErrorKind::Unavailable, message))
            }
        }
    }

    async fn evaluate(
        &self,
        format: Format,
        content: String,
        context: &Context,
    ) -> Result<String, Error> {
        let request = Request {
            format,
            content,
            context: context.to_json(),
            seconds_max: self.options.time_max.as_secs() + 1,
            memory_bytes_max: self.options.memory_bytes_max,
        };
        let request = serde_json::to_vec(&request).map_err(|cause| {
            Error::new(ErrorKind::Internal, "cannot write a request").with_source(cause)
        })?;
        let cannot = |cause| {
            Error::new(ErrorKind::Internal, "cannot run the program that evaluates")
                .with_source(cause)
        };
        let mut child = self.start()?;
        let answered = timeout(self.options.time_max, exchange(&mut child, &request)).await;
        let Ok(answered) = answered else {
            // Not to be waited for: it is killed when it is dropped.
            return Err(self.too_slow());
        };
        let (answer, status) = answered.map_err(cannot)?;
        match serde_json::from_slice(&answer) {
            Ok(Answer::Made(text)) => Ok(text),
            Ok(Answer::Fault(fault)) => Err(Error::invalid(vec![fault])),
            Err(_) => Err(self.died(status)),
        }
    }

    fn start(&self) -> Result<Child, Error> {
        let program = match &self.options.program {
            Some(program) => program.as_path(),
            None if CAN_EVALUATE.load(Ordering::Relaxed) => Path::new(THIS_PROGRAM),
            None => {
                let message = "this program evaluates no definitions: its main does not call evaluate_if_asked";
                return Err(Error::new(ErrorKind::Internal, message));
            }
        };
        Command::new(program)
            .arg(ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|cause| {
                let message = format!("cannot start the program {}", program.display());
                Error::new(ErrorKind::Internal, message).with_source(cause)
            })
    }

    fn too_slow(&self) -> Error {
        let message = format!(
            "the definition was not evaluated within {} s",
            self.options.time_max.as_secs_f32()
        );
        Error::invalid(vec![Fault::of_all(message)])
    }

    /// It has ended without an answer.
    fn died(&self, status: ExitStatus) -> Error {
        use std::os::unix::process::ExitStatusExt;
        let is = |signal: rustix::process::Signal| status.signal() == Some(signal.as_raw());
        if is(rustix::process::Signal::XCPU) {
            return self.too_slow();
        }
        let is_memory = [
            rustix::process::Signal::ABORT,
            rustix::process::Signal::SEGV,
            rustix::process::Signal::BUS,
            rustix::process::Signal::KILL,
        ];
        if is_memory.into_iter().any(is) {
            let message = format!(
                "the evaluation of the definition takes more than {} MiB of memory, or calls functions too deeply",
                self.options.memory_bytes_max / (1024 * 1024)
            );
            return Error::invalid(vec![Fault::of_all(message)]);
        }
        let message = format!("the program that evaluates has ended without an answer: {status}");
        Error::new(ErrorKind::Internal, message)
    }
}

/// Sends the request and reads the answer.
async fn exchange(child: &mut Child, request: &[u8]) -> std::io::Result<(Vec<u8>, ExitStatus)> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let send = async {
        if let Some(mut stdin) = stdin {
            // One that does not read has ended, of which its status tells.
            let _ = stdin.write_all(request).await;
        }
    };
    let receive = async {
        let mut answer = Vec::new();
        if let Some(stdout) = stdout {
            stdout
                .take(ANSWER_BYTES_MAX)
                .read_to_end(&mut answer)
                .await?;
        }
        std::io::Result::Ok(answer)
    };
    let ((), answer) = tokio::join!(send, receive);
    Ok((answer?, child.wait().await?))
}
