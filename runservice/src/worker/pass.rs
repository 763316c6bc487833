//! One pass of the scheduler over a run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use datamanager::{Query, ScanOptions, Transaction};
use service::api::Time;
use tokio::sync::MutexGuard;

use super::{Duty, Next, PEER_COLLECT_DELAY};
use crate::Error;
use crate::actions::Actions;
use crate::api::{RunConfig, RunPhase};
use crate::scheduler::{
    Candidate, Changes, Requirements, Situation, choose_executor, new_executor_task, schedule,
    whole_executor_task,
};
use crate::store::{
    AssignmentDocument, ExecutorDocument, ExecutorReportDocument, ExecutorTaskDocument, Reading,
    RunDocument,
};

/// When a task is looked at again whose id another run's task has.
const FOREIGN_TASK_PAUSE: Duration = Duration::from_secs(2);

/// What the scheduler says of a run, and what it was told.
struct Plan {
    changes: Changes,
    config: Arc<RunConfig>,
    executor_tasks: BTreeMap<String, ExecutorTaskDocument>,
}

/// What a pass has changed.
pub(super) struct Done {
    document: RunDocument,
    plan: Plan,
    given: Given,
    stopped: Vec<ExecutorTaskDocument>,
}

/// Tasks that were given to executors, and why others were not.
#[derive(Default)]
struct Given {
    tasks: Vec<ExecutorTaskDocument>,
    waits: BTreeSet<Requirements>,
    has_foreign: bool,
}

impl Actions {
    /// Takes over what executors have reported, and brings a run as far as it goes: tasks are skipped, cancelled, given to
    /// executors and told to stop; the run gets its result, ends, and is archived.
    pub(crate) async fn pass(&self, run_id: &str) -> Result<Next, Error> {
        let mut snapshot = self.snapshot();
        let Some(mut document) = Reading::get::<RunDocument>(&mut snapshot, run_id).await? else {
            return Ok(Next::default());
        };
        let plan = self.plan(&mut document, None).await?;
        let changes = &plan.changes;
        let mut next = Next::default();
        let required: BTreeSet<Requirements> = changes
            .start
            .iter()
            .filter_map(|id| plan.config.tasks.get(id))
            .map(Requirements::of)
            .collect();
        let has_room = match required.is_empty() {
            true => false,
            false => {
                let mut candidates = self.candidates().await?;
                let dead_after = self.settings().executor_dead_after;
                required.iter().any(|required| {
                    choose_executor(&mut candidates, required, dead_after).is_some()
                })
            }
        };
        if !changes.is_changed && changes.stop.is_empty() && !has_room {
            next.waits = required.into_iter().collect();
            follow_up(&document, &plan, false, &mut next);
            return Ok(next);
        }
        let done = {
            let _assigning = self.turn_to_assign(has_room).await;
            self.database()
                .write(|mut transaction| async move {
                    let document = transaction.get::<RunDocument>(run_id).await?;
                    match document {
                        Some(document) => {
                            let advancing = self.advance_in(&mut transaction, document, None);
                            advancing.await.map(Some)
                        }
                        None => Ok(None),
                    }
                })
                .await?
        };
        match done {
            Some(done) => self.after_pass(&done).await,
            None => Ok(next),
        }
    }

    /// A turn for giving tasks to executors, if there may be some to give and any executor has a limit: those who take turns do
    /// not clash over it.
    pub(super) async fn turn_to_assign(&self, may_give: bool) -> Option<MutexGuard<'_, ()>> {
        match may_give && self.has_limits() {
            true => Some(self.assigning().lock().await),
            false => None,
        }
    }

    /// What is to be done with a run, which is changed to what it will be.
    ///
    /// The executor tasks are read from a snapshot that is not older than what the caller's transaction has read. They change
    /// in number only with the run, which the transaction has read, and their reports can be taken over later as well. `gone` is
    /// one that the transaction removes.
    async fn plan(&self, document: &mut RunDocument, gone: Option<&str>) -> Result<Plan, Error> {
        let mut snapshot = self.snapshot();
        let config = self.run_config(&mut snapshot, &document.id).await?;
        let executor_tasks = match document.run.archived {
            true => BTreeMap::new(),
            false => {
                let query = Query::by("run").equal(document.id.as_str());
                let tasks = snapshot
                    .list::<ExecutorTaskDocument>(&query)
                    .await?
                    .into_iter();
                let tasks = tasks.filter(|task| gone != Some(task.id.as_str()));
                tasks.map(|task| (task.id.clone(), task)).collect()
            }
        };
        let situation = Situation {
            config: &config,
            executor_tasks: &executor_tasks,
            approves: self.settings().start_queued_runs,
            now: Time::now(),
        };
        let changes = schedule(&mut document.run, &situation);
        Ok(Plan {
            changes,
            config,
            executor_tasks,
        })
    }

    /// Brings a run as far as it goes, in a transaction that has read it. `gone` is an executor task that the transaction
    /// removes; then the run is written in any case.
    pub(super) async fn advance_in(
        &self,
        transaction: &mut Transaction,
        mut document: RunDocument,
        gone: Option<&str>,
    ) -> Result<Done, Error> {
        let run_id = &document.id.clone();
        let plan = self.plan(&mut document, gone).await?;
        let given = self.give(transaction, run_id, &plan).await?;
        let mut stopped = Vec::new();
        for id in &plan.changes.stop {
            let task = transaction.get::<ExecutorTaskDocument>(id).await?;
            if let Some(mut task) = task.filter(|task| !task.stop && task.run_id == *run_id) {
                task.stop = true;
                transaction.put(&task)?;
                stopped.push(task);
            }
        }
        for (phase, result) in &plan.changes.events {
            document.note_event(transaction, *phase, *result)?;
        }
        // Also where the run stays what it is: whoever creates executor tasks writes it.
        if plan.changes.is_changed || !given.tasks.is_empty() || gone.is_some() {
            transaction.put(&document)?;
        }
        Ok(Done {
            document,
            plan,
            given,
            stopped,
        })
    }

    /// Gives the tasks that can start to executors, as far as there are any.
    async fn give(
        &self,
        transaction: &mut Transaction,
        run_id: &str,
        plan: &Plan,
    ) -> Result<Given, Error> {
        let mut given = Given::default();
        if plan.changes.start.is_empty() {
            return Ok(given);
        }
        let mut candidates = self.candidates().await?;
        let dead_after = self.settings().executor_dead_after;
        let mut limited = BTreeSet::new();
        for id in &plan.changes.start {
            let Some(task) = plan.config.tasks.get(id) else {
                continue;
            };
            let required = Requirements::of(task);
            let chosen = choose_executor(&mut candidates, &required, dead_after);
            let Some(executor) = chosen else {
                given.waits.insert(required);
                continue;
            };
            // Nobody has had it: there is none, and the run, which notes ends, says that it has not started.
            let existing = transaction.get::<ExecutorTaskDocument>(id).await?;
            if existing.is_some() {
                given.has_foreign = true;
                continue;
            }
            // It may be deregistered at this moment.
            if transaction
                .get::<ExecutorDocument>(&executor.id)
                .await?
                .is_none()
            {
                given.waits.insert(required);
                continue;
            }
            if executor.active_tasks_limit > 0 {
                limited.insert(executor.id.clone());
            }
            executor.active_tasks = executor.active_tasks.saturating_add(1);
            let task = new_executor_task(run_id, task, &executor.id);
            transaction.put(&task)?;
            given.tasks.push(task);
        }
        for id in limited {
            let assignment = transaction.get::<AssignmentDocument>(&id).await?;
            let count = assignment.map_or(0, |assignment| assignment.count);
            transaction.put(&AssignmentDocument {
                id,
                count: count.wrapping_add(1),
            })?;
        }
        Ok(given)
    }

    /// The executors by id, with what they have to do.
    ///
    /// The numbers are those of a snapshot: what is removed at the same time makes them only smaller, and of those who add to
    /// them at the same time all but one begin again.
    async fn candidates(&self) -> Result<Vec<Candidate>, Error> {
        let snapshot = self.snapshot();
        let mut executors = snapshot.documents::<ExecutorDocument>(&ScanOptions::new())?;
        let mut candidates = Vec::new();
        let mut has_limits = false;
        while let Some(executor) = executors.next().await? {
            let Some(silence) = self.liveness().silence(&executor.id) else {
                continue;
            };
            has_limits |= executor.active_tasks_limit > 0;
            let report = snapshot.get::<ExecutorReportDocument>(&executor.id).await?;
            let reported = report.map_or(0, |report| report.active_tasks);
            let active_tasks = match executor.active_tasks_limit {
                0 => reported,
                _ => {
                    let query = Query::by("executor").equal(executor.id.as_str());
                    let given = snapshot.count_by::<ExecutorTaskDocument>(&query).await?;
                    reported.max(u32::try_from(given).unwrap_or(u32::MAX))
                }
            };
            let is_host = executor.is_host();
            candidates.push(Candidate {
                id: executor.id,
                archs: executor.archs,
                allows_privileged: executor.allow_privileged_containers,
                is_host,
                active_tasks_limit: executor.active_tasks_limit,
                active_tasks,
                silence,
            });
        }
        self.note_limits(has_limits);
        Ok(candidates)
    }

    /// Tells executors at once what they would find when they ask next; returns what follows.
    pub(super) async fn after_pass(&self, done: &Done) -> Result<Next, Error> {
        let snapshot = self.snapshot();
        for task in done.given.tasks.iter().chain(&done.stopped) {
            let executor = snapshot.get::<ExecutorDocument>(&task.executor_id).await?;
            if let Some(executor) = executor {
                let whole =
                    whole_executor_task(task.clone(), &done.document.run, &done.plan.config);
                self.executor_client()
                    .push(self.instance(), &executor.listen_url, whole);
            }
        }
        let mut next = Next {
            waits: done.given.waits.iter().cloned().collect(),
            // Who comes next may fit, too.
            frees: !done.given.tasks.is_empty(),
            ..Next::default()
        };
        if done.given.has_foreign {
            next.later(Duty::Run(done.document.id.clone()), FOREIGN_TASK_PAUSE);
        }
        if !done.plan.changes.events.is_empty() {
            next.now(Duty::Publish);
        }
        follow_up(&done.document, &done.plan, true, &mut next);
        Ok(next)
    }
}

/// What follows from where a run is. Of tasks whose end `was_noted` here the logs are collected here.
fn follow_up(document: &RunDocument, plan: &Plan, was_noted: bool, next: &mut Next) {
    let run = &document.run;
    match run.phase {
        RunPhase::Queued => next.now(Duty::Group(run.group.clone())),
        RunPhase::Running => {}
        RunPhase::SetupError | RunPhase::Cancelled | RunPhase::Finished => {
            for group in with_outer_groups(&run.group) {
                next.now(Duty::Group(group.to_owned()));
            }
        }
    }
    for task in plan.executor_tasks.values() {
        if task.status.phase.is_finished() {
            let delay = match was_noted && plan.changes.ended.contains(&task.id) {
                true => Duration::ZERO,
                false => PEER_COLLECT_DELAY,
            };
            let duty = Duty::Collect {
                run_id: run.id.clone(),
                task_id: task.id.clone(),
            };
            next.later(duty, delay);
        }
    }
}

/// A group and those that it lies in: a run counts as one of each of them.
fn with_outer_groups(group: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(group), |group| {
        let (outer, _) = group.rsplit_once('/')?;
        (!outer.is_empty()).then_some(outer)
    })
}
