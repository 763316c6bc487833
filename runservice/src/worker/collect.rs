//! Bringing logs and workspace archives from executors to the object storage.

use bytes::Bytes;
use futures::StreamExt;

use super::pass::Done;
use super::{Duty, Next};
use crate::actions::Actions;
use crate::api::{FetchPhase, Run, RunTask, RunTaskStatus};
use crate::executor_client::FetchError;
use crate::objects::{Part, exists, failed, markers};
use crate::scheduler::is_collected;
use crate::store::{ExecutorDocument, ExecutorTaskDocument, Reading, RunDocument};
use crate::{Error, ErrorKind};

/// How often an executor is asked that answers, and does not give what it has; with growing pauses that is about 10 minutes.
const ATTEMPTS_MAX: u32 = 64;

/// What became of a part.
enum Collected {
    /// It is where it stays, or there is none.
    Done,
    /// It has to be tried again.
    Later(String),
}

/// Which markers of a task were seen to.
#[derive(Default)]
struct Marked {
    logs: bool,
    archives: bool,
}

impl Actions {
    /// Collects what is missing of a task that has ended, and removes its executor task once there is nothing left.
    pub(crate) async fn collect(&self, run_id: &str, task_id: &str) -> Result<Next, Error> {
        let mut next = Next::default();
        let mut snapshot = self.snapshot();
        let document = Reading::get::<RunDocument>(&mut snapshot, run_id).await?;
        let executor_task = Reading::get::<ExecutorTaskDocument>(&mut snapshot, task_id).await?;
        let (Some(document), Some(executor_task)) = (document, executor_task) else {
            return Ok(next);
        };
        let task = document.run.tasks.get(task_id);
        let Some(task) = task.filter(|_| executor_task.run_id == run_id) else {
            return Ok(next);
        };
        if !executor_task.status.phase.is_finished() {
            return Ok(next);
        }
        if !task.status.is_finished() {
            // The run does not know yet.
            next.now(Duty::Run(run_id.to_owned()));
            return Ok(next);
        }
        let missing = missing_parts(task);
        let executor_id = executor_task.executor_id.as_str();
        let executor = snapshot.get::<ExecutorDocument>(executor_id).await?;
        let is_lost = self.liveness().is_lost(executor_id);
        let listen_url = executor
            .filter(|_| !is_lost)
            .map(|executor| executor.listen_url);
        let mut marked = Marked::default();
        let mut done = Vec::new();
        let mut later = None;
        for part in missing {
            match self
                .collect_part(
                    &document.id,
                    task_id,
                    part,
                    listen_url.as_deref(),
                    &mut marked,
                )
                .await?
            {
                Collected::Done => done.push(part),
                Collected::Later(cause) => later = Some(cause),
            }
        }
        let has_left = task_is_left(&document.run);
        let noted = {
            let _assigning = self.turn_to_assign(has_left && later.is_none()).await;
            self.note_collected(run_id, task_id, &done).await?
        };
        if let Some(noted) = noted {
            next = self.after_pass(&noted).await?;
            if !next.waits.is_empty() {
                // What a run waits for is noted when its own duty has ended.
                next.now(Duty::Run(run_id.to_owned()));
            }
            next.frees = true;
        }
        match later {
            None => Ok(next),
            Some(cause) => Err(Error::new(ErrorKind::Unavailable, cause)),
        }
    }

    /// Collects one log or archive. Without a URL there is nobody who has it.
    async fn collect_part(
        &self,
        run_id: &str,
        task_id: &str,
        part: Part,
        listen_url: Option<&str>,
        marked: &mut Marked,
    ) -> Result<Collected, Error> {
        let ost = self.objects();
        let path = part.path(task_id)?;
        if exists(ost, &path).await? {
            return Ok(Collected::Done);
        }
        let given_up = |cause: &str| {
            log::warn!(
                instance = self.instance();
                "{path} of run {run_id:?} stays away: {cause}"
            );
            self.forget_attempts(task_id, part);
            Ok(Collected::Done)
        };
        let Some(listen_url) = listen_url else {
            return given_up("its executor is gone");
        };
        let client = self.executor_client();
        let fetched = client.fetch(listen_url, task_id, part, false).await;
        let cause = match fetched {
            Ok(answer) => {
                self.mark(run_id, task_id, part, marked).await?;
                match store(self, answer, part, task_id).await? {
                    None => {
                        self.forget_attempts(task_id, part);
                        return Ok(Collected::Done);
                    }
                    Some(cause) => cause,
                }
            }
            Err(FetchError::NotFound) => {
                self.forget_attempts(task_id, part);
                return Ok(Collected::Done);
            }
            Err(error @ FetchError::Refused(_)) => return given_up(&error.to_string()),
            Err(error @ FetchError::Unavailable(_)) => error.to_string(),
        };
        match self.count_attempt(task_id, part) < ATTEMPTS_MAX {
            true => Ok(Collected::Later(cause)),
            false => given_up(&cause),
        }
    }

    /// Sees to it that the marker which tells that a run has this kind of objects of a task is there.
    async fn mark(
        &self,
        run_id: &str,
        task_id: &str,
        part: Part,
        marked: &mut Marked,
    ) -> Result<(), Error> {
        let [log_marker, archive_marker] = markers(task_id, run_id)?;
        let (marker, is_marked) = match part {
            Part::Archive(_) => (archive_marker, &mut marked.archives),
            Part::SetupLog | Part::StepLog(_) => (log_marker, &mut marked.logs),
        };
        if !*is_marked {
            self.objects()
                .put(&marker, Bytes::new())
                .await
                .map_err(failed)?;
            *is_marked = true;
        }
        Ok(())
    }

    /// Notes what was collected. If that was all, the executor task goes and the run is brought as far as it goes, in the same
    /// transaction.
    async fn note_collected(
        &self,
        run_id: &str,
        task_id: &str,
        parts: &[Part],
    ) -> Result<Option<Done>, Error> {
        self.database()
            .write(|mut transaction| async move {
                let Some(mut document) = transaction.get::<RunDocument>(run_id).await? else {
                    return Ok(None);
                };
                let Some(task) = document.run.tasks.get_mut(task_id) else {
                    return Ok(None);
                };
                for part in parts {
                    set_collected(task, *part);
                }
                if !is_collected(task) {
                    transaction.put(&document)?;
                    return Ok(None);
                }
                let executor_task = transaction.get::<ExecutorTaskDocument>(task_id).await?;
                if executor_task.is_none_or(|task| task.run_id != run_id) {
                    // Another process was faster.
                    return Ok(None);
                }
                transaction.delete::<ExecutorTaskDocument>(task_id)?;
                let advancing = self.advance_in(&mut transaction, document, Some(task_id));
                advancing.await.map(Some)
            })
            .await
    }
}

/// Whether there is a task that may have to be given to an executor.
fn task_is_left(run: &Run) -> bool {
    let mut tasks = run.tasks.values();
    tasks.any(|task| task.status == RunTaskStatus::NotStarted)
}

/// Writes what an executor sends to its place, once all of it has come; says why it has not.
async fn store(
    actions: &Actions,
    answer: reqwest::Response,
    part: Part,
    task_id: &str,
) -> Result<Option<String>, Error> {
    let expected = answer.content_length();
    let is_chunked = answer.headers().contains_key("transfer-encoding");
    if expected.is_none() && !is_chunked && answer.version() < reqwest::Version::HTTP_2 {
        // Whether it was cut off could not be told.
        return Ok(Some("the executor does not say how long it is".to_owned()));
    }
    let path = part.path(task_id)?;
    let mut writer = actions.objects().writer(&path).await.map_err(failed)?;
    let mut pieces = answer.bytes_stream();
    let mut received = 0_u64;
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => {
                received += piece.len() as u64;
                writer.write(piece).await.map_err(failed)?;
            }
            Err(cause) => {
                writer.abort().await;
                return Ok(Some(format!("cut off: {}", cause.without_url())));
            }
        }
    }
    if expected.is_some_and(|expected| expected != received) {
        writer.abort().await;
        return Ok(Some(format!("cut off after {received} bytes")));
    }
    writer.finish().await.map_err(failed)?;
    Ok(None)
}

/// What is not collected yet.
fn missing_parts(task: &RunTask) -> Vec<Part> {
    let is_missing = |phase: FetchPhase| phase == FetchPhase::NotStarted;
    let mut parts = Vec::new();
    if is_missing(task.setup_step.log_phase) {
        parts.push(Part::SetupLog);
    }
    let steps = task.steps.iter().enumerate();
    let steps = steps.filter(|(_, step)| is_missing(step.log_phase));
    parts.extend(steps.map(|(place, _)| Part::StepLog(place)));
    let archives = task
        .workspace_archives
        .iter()
        .zip(&task.workspace_archives_phase);
    let archives = archives.filter(|(_, phase)| is_missing(**phase));
    parts.extend(archives.map(|(step, _)| Part::Archive(*step)));
    parts
}

fn set_collected(task: &mut RunTask, part: Part) {
    match part {
        Part::SetupLog => task.setup_step.log_phase = FetchPhase::Finished,
        Part::StepLog(step) => {
            if let Some(step) = task.steps.get_mut(step) {
                step.log_phase = FetchPhase::Finished;
            }
        }
        Part::Archive(step) => {
            let archives = task.workspace_archives.iter();
            for (archive, phase) in archives.zip(&mut task.workspace_archives_phase) {
                if *archive == step {
                    *phase = FetchPhase::Finished;
                }
            }
        }
    }
}
