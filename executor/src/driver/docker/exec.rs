//! Executing programs in a container.

use std::pin::Pin;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as EngineError;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures::{Stream, StreamExt};
use tokio::time::{Instant, sleep, timeout};

use super::failed;
use crate::driver::Failure;

/// How often it is asked whether a program has ended whose output has not.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How long the output of a program may take that has ended.
const REST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the engine may take to tell a status after the end of the output.
const STATUS_TIMEOUT: Duration = Duration::from_secs(10);
const STATUS_INTERVAL: Duration = Duration::from_millis(10);
/// How long a short program of the executor's own may take, and what it may print.
const OWN_TIMEOUT: Duration = Duration::from_secs(60);
const OWN_OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A program that is being executed in a container.
pub(super) struct Execution<'a> {
    client: &'a Docker,
    id: String,
    /// Whether there is no more output.
    is_over: bool,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, EngineError>> + Send>>,
}

/// What comes next of a program.
pub(super) enum Next {
    Output(bytes::Bytes),
    /// It has ended; others may still hold its output open.
    Ended,
}

impl<'a> Execution<'a> {
    pub(super) async fn start(
        client: &'a Docker,
        container: &str,
        config: ExecConfig,
    ) -> Result<Execution<'a>, Failure> {
        let tty = config.tty.unwrap_or_default();
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..config
        };
        let created = client.create_exec(container, config).await;
        let id = created
            .map_err(|cause| failed("the program cannot be executed", &cause))?
            .id;
        let options = StartExecOptions {
            detach: false,
            tty,
            output_capacity: Some(64 * 1024),
        };
        let started = client.start_exec(&id, Some(options)).await;
        match started.map_err(|cause| failed("the program cannot be executed", &cause))? {
            StartExecResults::Attached { output, .. } => Ok(Execution {
                client,
                id,
                is_over: false,
                output,
            }),
            StartExecResults::Detached => Err(Failure("the program has no output".to_owned())),
        }
    }

    /// What is next. May be dropped and asked for again.
    pub(super) async fn next(&mut self) -> Result<Next, Failure> {
        loop {
            match timeout(LOOK_INTERVAL, self.output.next()).await {
                Ok(Some(Ok(output))) => return Ok(Next::Output(output.into_bytes())),
                Ok(Some(Err(cause))) => return Err(failed("the output cannot be read", &cause)),
                Ok(None) => {
                    self.is_over = true;
                    return Ok(Next::Ended);
                }
                Err(_) if self.status().await?.is_some() => return Ok(Next::Ended),
                Err(_) => {}
            }
        }
    }

    /// What is left of the output of a program that has ended, once nobody else can write to it: the engine may tell the end
    /// before the output.
    pub(super) async fn rest(&mut self) -> Option<bytes::Bytes> {
        if self.is_over {
            return None;
        }
        match timeout(REST_TIMEOUT, self.output.next()).await {
            Ok(Some(Ok(output))) => Some(output.into_bytes()),
            _ => {
                self.is_over = true;
                None
            }
        }
    }

    /// Its status, once it has ended.
    async fn status(&mut self) -> Result<Option<i32>, Failure> {
        let looked = self.client.inspect_exec(&self.id).await;
        let looked =
            looked.map_err(|cause| failed("the engine does not tell how it ended", &cause))?;
        if looked.running.unwrap_or_default() {
            return Ok(None);
        }
        Ok(looked
            .exit_code
            .map(|code| i32::try_from(code).unwrap_or(i32::MAX)))
    }

    /// Its status, which is waited for.
    pub(super) async fn end(&mut self) -> Result<i32, Failure> {
        let deadline = Instant::now() + STATUS_TIMEOUT;
        loop {
            match self.status().await? {
                Some(status) => return Ok(status),
                None if Instant::now() > deadline => {
                    return Err(Failure("the engine does not tell how it ended".to_owned()));
                }
                None => sleep(STATUS_INTERVAL).await,
            }
        }
    }
}

/// Executes a short script of the executor's own. Returns its status and what it has printed.
pub(super) async fn execute(
    client: &Docker,
    container: &str,
    script: &str,
    arguments: &[&str],
    config: ExecConfig,
) -> Result<(i32, Vec<u8>), Failure> {
    let words = [&["/bin/sh", "-c", script, "sh"], arguments].concat();
    let config = ExecConfig {
        cmd: Some(words.into_iter().map(str::to_owned).collect()),
        ..config
    };
    let run = async {
        let mut execution = Execution::start(client, container, config).await?;
        let mut printed = Vec::new();
        let mut add = |bytes: bytes::Bytes| {
            let left = OWN_OUTPUT_BYTES_MAX.saturating_sub(printed.len());
            printed.extend_from_slice(&bytes[..bytes.len().min(left)]);
        };
        while let Next::Output(bytes) = execution.next().await? {
            add(bytes);
        }
        while let Some(bytes) = execution.rest().await {
            add(bytes);
        }
        Ok((execution.end().await?, printed))
    };
    let done = timeout(OWN_TIMEOUT, run).await;
    done.unwrap_or_else(|_| Err(Failure("the container does not answer".to_owned())))
}
