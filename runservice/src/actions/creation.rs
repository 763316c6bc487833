//! New runs.

use std::collections::BTreeMap;

use datamanager::{Document, Query, ScanOptions, Transaction};
use service::api::Time;

use super::{Actions, parse_token, restart};
use crate::api::{
    FetchPhase, Group, Run, RunConfig, RunConfigTask, RunCreateRequest, RunPhase, RunResponse,
    RunResult, RunTask, RunTaskStatus, RunTaskStep, Step,
};
use crate::objects::{Part, markers};
use crate::store::{
    CounterDocument, RUN_SEQUENCE, Reading, RunConfigDocument, RunDocument, SequenceDocument,
    SequenceId,
};
use crate::worker::Duty;
use crate::{Error, error, graph};

/// Bytes of the path of a group, at most: it is a part of keys. agola has no bound.
const GROUP_BYTES_MAX: usize = 768;
/// Bytes of the id of a task, at most: it is a part of the names of objects. agola has no bound.
const TASK_ID_BYTES_MAX: usize = 200;

/// A run that is about to be stored, without an id and a number.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) run: Run,
    pub(super) config: RunConfig,
}

impl Actions {
    /// Creates a run, or one that does again what an earlier one has done.
    pub(crate) async fn create_run(&self, request: RunCreateRequest) -> Result<RunResponse, Error> {
        let token = parse_token(&request.change_groups_update_tokens)?;
        let draft = match request.run_id.is_empty() {
            true => Some(new_draft(&request)?),
            false => None,
        };
        let (draft, request) = (&draft, &request);
        let now_seconds = self.now_seconds();
        let (run, config) = {
            // The next number and id are those of whoever is first.
            let _creating = self.creating().lock().await;
            self.database()
                .write_with_token(token.as_ref(), async |transaction| {
                    let draft = match draft {
                        Some(draft) => draft.clone(),
                        None => restarted(transaction, request).await?,
                    };
                    put_new(transaction, draft, now_seconds).await
                })
                .await?
        };
        self.due(Duty::Run(run.id.clone()));
        self.due(Duty::Publish);
        Ok(RunResponse {
            run: Some(run),
            run_config: Some(config),
            change_groups_update_tokens: String::new(),
        })
    }
}

async fn restarted(
    transaction: &mut Transaction,
    request: &RunCreateRequest,
) -> Result<Draft, Error> {
    let id = request.run_id.as_str();
    let no_run = || error::no_run(id);
    // What a request rests on is a part of the request.
    let bad = |error: Error| Error::bad_request(error.to_string()).with_code("unknown_run");
    let document = Reading::get::<RunDocument>(transaction, id).await?;
    let document = document.ok_or_else(no_run).map_err(bad)?;
    let config = Reading::get::<RunConfigDocument>(transaction, id).await?;
    let config = config.ok_or_else(no_run).map_err(bad)?;
    restart::check_restart(&document.run, request.from_start)?;
    let mut draft = restart::restart(&document.run, &config.config, request.from_start, |_| {
        uuid::Uuid::new_v4().to_string()
    });
    if !request.environment.is_empty() {
        draft.config.environment.clone_from(&request.environment);
    }
    Ok(draft)
}

/// Gives a run its id and its number, and stores it.
async fn put_new(
    transaction: &mut Transaction,
    draft: Draft,
    now_seconds: u64,
) -> Result<(Run, RunConfig), Error> {
    let Draft {
        mut run,
        mut config,
    } = draft;
    let group: Group = run.group.parse().map_err(Error::internal)?;
    run.counter = next_counter(transaction, group.root_name()).await?;
    run.id = next_id(transaction, now_seconds).await?.to_string();
    config.id.clone_from(&run.id);
    run.enqueue_time = Some(Time::now());
    let mut document = RunDocument {
        id: run.id.clone(),
        events: 0,
        run,
    };
    let (phase, result) = (document.run.phase, document.run.result);
    document.note_event(transaction, phase, result)?;
    transaction.put(&document)?;
    let config = RunConfigDocument {
        id: config.id.clone(),
        config,
    };
    transaction.put(&config)?;
    Ok((document.run, config.config))
}

async fn next_counter(transaction: &mut Transaction, root: &str) -> Result<u64, Error> {
    let counter = transaction.get::<CounterDocument>(root).await?;
    let last = match counter {
        Some(counter) => counter.value,
        // What was imported may have runs without a counter.
        None => {
            let newest = Query::by("root_counter").equal(root).descending().limit(1);
            let newest = transaction.list::<RunDocument>(&newest).await?.pop();
            newest.map_or(0, |newest| newest.run.counter)
        }
    };
    let value = last.checked_add(1);
    let value = value.ok_or_else(|| Error::internal("a counter has no next number"))?;
    transaction.put(&CounterDocument {
        id: root.to_owned(),
        value,
    })?;
    Ok(value)
}

async fn next_id(transaction: &mut Transaction, now_seconds: u64) -> Result<SequenceId, Error> {
    let sequence = transaction.get::<SequenceDocument>(RUN_SEQUENCE).await?;
    let mut sequence = match sequence {
        Some(sequence) => sequence,
        None => {
            // Ids are never given twice, and later ones are greater: also than those of runs that were imported.
            let newest = ScanOptions::new().reverse().limit(1);
            let newest = transaction.documents::<RunDocument>(&newest)?;
            let newest = newest.collect().await?.pop();
            let newest = newest.and_then(|newest| SequenceId::parse(newest.id()));
            SequenceDocument {
                id: RUN_SEQUENCE.to_owned(),
                epoch: newest.map_or(now_seconds, |newest| now_seconds.max(newest.epoch + 1)),
                count: 0,
            }
        }
    };
    sequence.count += 1;
    transaction.put(&sequence)?;
    Ok(sequence.at(sequence.count))
}

fn new_draft(request: &RunCreateRequest) -> Result<Draft, Error> {
    let refused = |message: String| Error::bad_request(message);
    let group: Group = request
        .group
        .parse()
        .map_err(|cause: crate::api::InvalidGroup| refused(cause.to_string()))?;
    if group.as_str().len() > GROUP_BYTES_MAX || group.as_str().contains('\0') {
        let accepted = format!("a group has at most {GROUP_BYTES_MAX} bytes, and no zero byte");
        return Err(refused(accepted));
    }
    if request.run_config_tasks.is_none() && request.setup_errors.is_empty() {
        return Err(refused(
            "neither run_config_tasks nor setup_errors are given".to_owned(),
        ));
    }
    let mut tasks = request.run_config_tasks.clone().unwrap_or_default();
    for (id, task) in &mut tasks {
        check_task_id(id)?;
        task.id.clone_from(id);
    }
    let mut setup_errors = request.setup_errors.clone();
    setup_errors.extend(setup_faults(&tasks));
    if setup_errors.is_empty() {
        let levels = graph::levels(&tasks).unwrap_or_default();
        let levels = levels.into_iter().map(|(id, level)| (id.to_owned(), level));
        for (id, level) in levels.collect::<Vec<_>>() {
            if let Some(task) = tasks.get_mut(&id) {
                task.level = level;
            }
        }
    }
    let config = RunConfig {
        id: String::new(),
        name: request.name.clone(),
        group: request.group.clone(),
        setup_errors,
        annotations: request.annotations.clone(),
        static_environment: request.static_environment.clone(),
        environment: request.environment.clone(),
        tasks,
        cache_group: request.cache_group.clone(),
    };
    Ok(Draft {
        run: new_run(&config),
        config,
    })
}

/// Refuses an id that the names of a task's objects cannot have in them.
fn check_task_id(id: &str) -> Result<(), Error> {
    let fits = !id.is_empty()
        && id.len() <= TASK_ID_BYTES_MAX
        && !id.contains('/')
        && datamanager::check_id(id).is_ok();
    let names = Part::SetupLog.path(id).and_then(|_| markers(id, "run"));
    match fits && names.is_ok() {
        true => Ok(()),
        false => {
            let shown: String = id.chars().take(64).collect();
            Err(Error::bad_request(format!(
                "{shown:?} cannot be the id of a task"
            )))
        }
    }
}

/// Why nothing of these tasks can be executed.
fn setup_faults(tasks: &BTreeMap<String, RunConfigTask>) -> Vec<String> {
    let mut faults = graph::setup_errors(tasks);
    for task in tasks.values() {
        let name = if task.name.is_empty() {
            &task.id
        } else {
            &task.name
        };
        if task.runtime.is_none() && !task.skip {
            faults.push(format!("task {name:?} has no runtime"));
        }
        for step in &task.steps {
            if let Step::Unknown(step) = step {
                let kind: String = step.kind.chars().take(64).collect();
                faults.push(format!(
                    "task {name:?} has a step of the unknown type {kind:?}"
                ));
            }
        }
    }
    faults
}

/// The run of a configuration, queued, or ended by its faults.
pub(super) fn new_run(config: &RunConfig) -> Run {
    let has_faults = !config.setup_errors.is_empty();
    let tasks = config.tasks.iter().filter(|_| !has_faults);
    Run {
        name: config.name.clone(),
        group: config.group.clone(),
        annotations: config.annotations.clone(),
        phase: match has_faults {
            true => RunPhase::SetupError,
            false => RunPhase::Queued,
        },
        result: RunResult::Unknown,
        tasks: tasks
            .map(|(id, task)| (id.clone(), new_run_task(task)))
            .collect(),
        ..Run::default()
    }
}

/// A task that has not begun.
pub(super) fn new_run_task(task: &RunConfigTask) -> RunTask {
    let archives = (0_u32..).zip(&task.steps);
    let archives = archives.filter(|(_, step)| matches!(step, Step::SaveToWorkspace(_)));
    let workspace_archives: Vec<u32> = archives.map(|(place, _)| place).collect();
    RunTask {
        id: task.id.clone(),
        status: match task.skip {
            true => RunTaskStatus::Skipped,
            false => RunTaskStatus::NotStarted,
        },
        skip: task.skip,
        steps: vec![RunTaskStep::default(); task.steps.len()],
        workspace_archives_phase: vec![FetchPhase::NotStarted; workspace_archives.len()],
        workspace_archives,
        ..RunTask::default()
    }
}
