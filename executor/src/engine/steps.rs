//! What the kinds of steps do.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use runservice::api::{
    ExecutorTaskSpecData, RestoreCacheStep, RestoreWorkspaceStep, RunStep, SaveCacheStep,
    SaveToWorkspaceStep, Step,
};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use super::{Engine, is_unknown};
use crate::Error;
use crate::driver::{Command, CommandEnd, Failure, Place, TaskContext, log_failed};
use crate::task_log::LogWriter;
use crate::template::{FILE_BYTES_MAX, Facts, Template, go_arch};

/// What of an archive goes to the run service at once.
const PIECE_BYTES: usize = 64 * 1024;
/// What an entry of an archive takes beside its content, at most and on average.
const ENTRY_BYTES: u64 = 2048;
/// What shells give for a command that a signal has ended, beside the signal's number.
const SIGNAL_STATUS: i32 = 128;

/// How a step has ended that could be done, with the exit status if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StepEnd {
    Done(Option<i32>),
    Failed(Option<i32>),
}

/// One step on its way.
struct Doing<'a> {
    engine: &'a Engine,
    context: &'a TaskContext,
    place: &'a dyn Place,
    step: usize,
    log: &'a mut LogWriter,
}

impl Engine {
    pub(super) async fn do_step(
        &self,
        context: &TaskContext,
        place: &dyn Place,
        step: usize,
        log: &mut LogWriter,
    ) -> Result<StepEnd, Failure> {
        let mut doing = Doing {
            engine: self,
            context,
            place,
            step,
            log,
        };
        let spec = context.spec.clone();
        match spec.steps.get(step) {
            Some(Step::Run(run)) => return doing.run(run).await,
            Some(Step::SaveToWorkspace(save)) => doing.save_to_workspace(save).await,
            Some(Step::RestoreWorkspace(restore)) => doing.restore_workspace(restore, &spec).await,
            Some(Step::SaveCache(save)) => doing.save_cache(save, &spec).await,
            Some(Step::RestoreCache(restore)) => doing.restore_cache(restore, &spec).await,
            Some(Step::Unknown(unknown)) => Err(Failure(format!(
                "the executor does not know steps of type {:?}",
                unknown.kind
            ))),
            None => Err(Failure("there is no such step".to_owned())),
        }?;
        Ok(StepEnd::Done(None))
    }
}

impl Doing<'_> {
    async fn run(&mut self, step: &RunStep) -> Result<StepEnd, Failure> {
        let command = Command {
            step: self.step,
            script: &step.command,
            shell: &step.shell,
            environment: &step.environment,
            working_dir: &step.working_dir,
            tty: step.tty,
        };
        let end = self.place.run(&command, self.log).await?;
        Ok(match end {
            CommandEnd::Exited(0) => StepEnd::Done(Some(0)),
            CommandEnd::Exited(status) => StepEnd::Failed(Some(status)),
            CommandEnd::Killed(signal) => StepEnd::Failed(Some(SIGNAL_STATUS + signal)),
        })
    }

    async fn save_to_workspace(&mut self, step: &SaveToWorkspaceStep) -> Result<(), Failure> {
        let archive = self.context.directory.archive(self.step);
        let packing = self
            .place
            .pack(self.step, &step.contents, &archive, self.log);
        packing.await
    }

    async fn restore_workspace(
        &mut self,
        step: &RestoreWorkspaceStep,
        spec: &ExecutorTaskSpecData,
    ) -> Result<(), Failure> {
        for operation in &spec.workspace_operations {
            let client = self.engine.inner.client.clone();
            let getting = client.archive(&operation.task_id, operation.step);
            let archive = self.unless_stopped(getting).await?;
            let archive = archive.map_err(|error| {
                let (task, step) = (&operation.task_id, operation.step);
                Failure(format!(
                    "what step {step} of task {task} has saved cannot be fetched: {}",
                    error.chain()
                ))
            })?;
            self.unpack(archive, &step.dest_dir).await?;
        }
        if spec.workspace_operations.is_empty() {
            self.say("no earlier task has saved anything").await?;
        }
        Ok(())
    }

    async fn save_cache(
        &mut self,
        step: &SaveCacheStep,
        spec: &ExecutorTaskSpecData,
    ) -> Result<(), Failure> {
        let key = self.key(&step.key, spec).await?;
        let client = self.engine.inner.client.clone();
        let has_one = self.unless_stopped(client.has_cache(&key)).await?;
        let failed =
            |error: Error| Failure(format!("the cache cannot be saved: {}", error.chain()));
        if has_one.map_err(failed)? {
            return self.say(format!("there is a cache {key:?} already")).await;
        }
        let archive = self.context.directory.transfer(self.step);
        let packing = self
            .place
            .pack(self.step, &step.contents, &archive, self.log);
        packing.await?;
        let file = File::open(&archive).await;
        let file = file.map_err(|cause| Failure(format!("the archive cannot be read: {cause}")))?;
        let content = ReaderStream::with_capacity(file, PIECE_BYTES);
        let stored = self.unless_stopped(client.put_cache(&key, content)).await?;
        remove(&archive).await;
        match stored.map_err(failed)? {
            true => self.say(format!("saved as {key:?}")).await,
            false => {
                self.say(format!("another task was faster with {key:?}"))
                    .await
            }
        }
    }

    async fn restore_cache(
        &mut self,
        step: &RestoreCacheStep,
        spec: &ExecutorTaskSpecData,
    ) -> Result<(), Failure> {
        for key in &step.keys {
            let key = self.key(key, spec).await?;
            let client = self.engine.inner.client.clone();
            match self.unless_stopped(client.cache_with_prefix(&key)).await? {
                Ok(cache) => {
                    self.say(format!("there is a cache for {key:?}")).await?;
                    return self.unpack(cache, &step.dest_dir).await;
                }
                Err(error) if is_unknown(&error) => {
                    self.say(format!("there is no cache for {key:?}")).await?;
                }
                Err(error) => {
                    let chain = error.chain();
                    return Err(Failure(format!(
                        "the cache {key:?} cannot be fetched: {chain}"
                    )));
                }
            }
        }
        Ok(())
    }

    /// The key that a template gives, as the run service knows it.
    async fn key(&self, template: &str, spec: &ExecutorTaskSpecData) -> Result<String, Failure> {
        let unusable = |cause: crate::template::TemplateError| {
            Failure(format!("the key {template:?} cannot be used: {cause}"))
        };
        let parsed = Template::parse(template).map_err(unusable)?;
        let mut files = BTreeMap::new();
        for file in parsed.files() {
            if let Some(content) = self.place.read(file, FILE_BYTES_MAX).await? {
                files.insert(file.to_owned(), content);
            }
        }
        let facts = Facts {
            files: &files,
            environment: self.place.environment(),
            os: std::env::consts::OS,
            arch: go_arch(),
            now: Timestamp::now(),
        };
        let key = parsed.expand(&facts).map_err(unusable)?;
        Ok(format!("{}-{key}", spec.cache_prefix))
    }

    /// Unpacks an archive that comes.
    async fn unpack(
        &mut self,
        archive: impl Stream<Item = Result<Bytes, Error>> + Unpin,
        directory: &str,
    ) -> Result<(), Failure> {
        let path = self.context.directory.transfer(self.step);
        let settings = self.engine.settings();
        let entries = settings.archive_entries_max.saturating_mul(ENTRY_BYTES);
        let bytes_max = settings.archive_bytes_max.saturating_add(entries);
        self.unless_stopped(download(archive, &path, bytes_max))
            .await??;
        let unpacking = self.place.unpack(self.step, &path, directory, self.log);
        unpacking.await?;
        remove(&path).await;
        Ok(())
    }

    async fn say(&mut self, text: impl std::fmt::Display + Send) -> Result<(), Failure> {
        self.log.line(text).await.map_err(log_failed)
    }

    /// What comes of the future, unless the task is to stop.
    async fn unless_stopped<T>(&self, future: impl Future<Output = T>) -> Result<T, Failure> {
        let stop = self.context.stop.clone();
        let done = stop.run_until_cancelled(future).await;
        done.ok_or_else(|| Failure("the step was stopped".to_owned()))
    }
}

/// Writes what comes to a file.
async fn download(
    mut content: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    path: &Path,
    bytes_max: u64,
) -> Result<(), Failure> {
    let unwritable = |cause: io::Error| Failure(format!("the archive cannot be written: {cause}"));
    let mut file = File::create(path).await.map_err(unwritable)?;
    let mut received = 0;
    while let Some(piece) = content.next().await {
        let piece = piece
            .map_err(|error| Failure(format!("the archive was not received: {}", error.chain())))?;
        received += piece.len() as u64;
        if received > bytes_max {
            return Err(Failure(format!(
                "the archive has more than {bytes_max} bytes"
            )));
        }
        file.write_all(&piece).await.map_err(unwritable)?;
    }
    file.flush().await.map_err(unwritable)
}

/// Removes a file that is not needed any more; if it stays, it goes with its directory.
async fn remove(path: &Path) {
    if let Err(cause) = tokio::fs::remove_file(path).await {
        log::debug!("{} stays for now: {cause}", path.display());
    }
}
