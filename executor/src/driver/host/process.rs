//! A command under a supervisor.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio_util::sync::CancellationToken;

use crate::driver::{Failure, log_failed};
use crate::supervisor::{Ended, Order, STOP, SUPERVISE};
use crate::task_log::LogWriter;

/// What is read of the output at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// What a supervisor tells has at most so many bytes.
const TOLD_BYTES_MAX: u64 = 64 * 1024;
/// How much longer than its processes a supervisor may take.
const SUPERVISOR_TIMEOUT: Duration = Duration::from_millis(500);
/// How long output may come once the supervisor has ended. All that wrote to the pipe are gone then.
const REST_TIMEOUT: Duration = Duration::from_secs(5);

/// The supervisor has not told how the command has ended: it was killed, and processes may be left.
#[derive(Debug)]
pub(super) struct Lost(pub(super) Failure);

/// How commands are supervised.
#[derive(Debug)]
pub(super) struct Supervised<'a> {
    pub(super) program: &'a Path,
    pub(super) stop: &'a CancellationToken,
    /// What the order says of it.
    pub(super) grace: Duration,
}

impl Supervised<'_> {
    /// Executes a command; what it prints goes to the log. When the future is dropped all processes are killed.
    ///
    /// After a log that cannot be written the command is stopped.
    pub(super) async fn run(&self, order: &Order, log: &mut LogWriter) -> Result<Ended, Lost> {
        let started = self.start(order).await;
        let (mut child, control, told, output) = started.map_err(|cause| {
            Lost(Failure(format!(
                "the supervisor cannot be started: {cause}"
            )))
        })?;
        let failed = CancellationToken::new();
        let copying = copy(output, log, &failed);
        let watching = self.watch(&mut child, control, told, &failed);
        let (copied, ended) = {
            tokio::pin!(copying, watching);
            let mut copied = None;
            let ended = loop {
                tokio::select! {
                    result = &mut copying, if copied.is_none() => copied = Some(result),
                    ended = &mut watching => break ended,
                }
            };
            let copied = match copied {
                Some(copied) => copied,
                // A log that lacks its end is not to be taken for a whole one.
                None => tokio::time::timeout(REST_TIMEOUT, copying)
                    .await
                    .unwrap_or_else(|_| Err(late())),
            };
            (copied, ended)
        };
        let ended = ended?;
        match copied {
            Ok(()) => Ok(ended),
            // The processes are gone, so there is nobody to look for.
            Err(cause) => Ok(Ended::NotStarted(log_failed(cause).0)),
        }
    }

    async fn start(
        &self,
        order: &Order,
    ) -> std::io::Result<(Child, ChildStdin, ChildStdout, ChildStderr)> {
        let mut child = Command::new(self.program)
            .arg(SUPERVISE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_clear()
            .spawn()?;
        let missing = || std::io::Error::other("a pipe is missing");
        let mut control = child.stdin.take().ok_or_else(missing)?;
        let told = child.stdout.take().ok_or_else(missing)?;
        let output = child.stderr.take().ok_or_else(missing)?;
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        control.write_all(&line).await?;
        control.flush().await?;
        Ok((child, control, told, output))
    }

    /// Waits for what the supervisor tells at its end, and asks it to stop if that is wanted.
    async fn watch(
        &self,
        child: &mut Child,
        mut control: ChildStdin,
        told: ChildStdout,
        failed: &CancellationToken,
    ) -> Result<Ended, Lost> {
        let telling = listen(told);
        tokio::pin!(telling);
        let text = tokio::select! {
            text = &mut telling => text,
            () = either(self.stop, failed) => {
                // If it has ended meanwhile, what it has told is read next.
                let _ = control.write_all(&[STOP]).await;
                let _ = control.flush().await;
                let timeout = self.grace + SUPERVISOR_TIMEOUT;
                match tokio::time::timeout(timeout, &mut telling).await {
                    Ok(text) => text,
                    Err(_) => {
                        // Without the pipe it kills at once what is left.
                        drop(control);
                        let text = tokio::time::timeout(SUPERVISOR_TIMEOUT, telling).await;
                        text.unwrap_or_default()
                    }
                }
            }
        };
        // It has closed its output, so it ends now.
        let waited = tokio::time::timeout(SUPERVISOR_TIMEOUT, child.wait()).await;
        if !matches!(waited, Ok(Ok(_))) {
            let _ = child.start_kill();
        }
        serde_json::from_slice(&text).map_err(|_| {
            Lost(Failure(
                "the process that watches over the step was killed".to_owned(),
            ))
        })
    }
}

fn late() -> std::io::Error {
    let message = format!("the rest of the output was not there within {REST_TIMEOUT:?}");
    std::io::Error::new(std::io::ErrorKind::TimedOut, message)
}

async fn either(one: &CancellationToken, other: &CancellationToken) {
    tokio::select! {
        () = one.cancelled() => {}
        () = other.cancelled() => {}
    }
}

async fn listen(told: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut text = Vec::new();
    // What is incomplete is no JSON.
    let _ = told.take(TOLD_BYTES_MAX).read_to_end(&mut text).await;
    text
}

/// Copies what is printed to the log, to its end. If the log fails that is told at once, and the rest is read and dropped, so
/// that nobody waits for room in the pipe.
async fn copy(
    mut output: impl AsyncRead + Unpin,
    log: &mut LogWriter,
    failed: &CancellationToken,
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut result = Ok(());
    loop {
        let read = output.read(&mut buffer).await?;
        if read == 0 {
            return result;
        }
        if result.is_ok() {
            result = log.write(&buffer[..read]).await;
            if result.is_err() {
                failed.cancel();
            }
        }
    }
}
