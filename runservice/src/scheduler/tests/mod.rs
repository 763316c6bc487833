//! The scheduler on runs that are made by hand, and on random ones.

mod choice;
mod random;
mod reports;
mod vectors;
mod whole_runs;

use std::collections::BTreeMap;

use service::api::Time;

use super::{Changes, Situation, schedule};
use crate::api::{
    Depend, DependCondition, ExecutorTaskPhase, FetchPhase, Run, RunConfig, RunConfigTask,
    RunPhase, RunTask, RunTaskStatus, RunTaskStep,
};
use crate::store::ExecutorTaskDocument;

/// A run with its configuration and what is scheduled of it.
#[derive(Clone, Debug)]
struct Fixture {
    run: Run,
    config: RunConfig,
    executor_tasks: BTreeMap<String, ExecutorTaskDocument>,
    approves: bool,
}

impl Fixture {
    /// A running run of these tasks, each with those that it depends on.
    fn new<'a>(
        tasks: impl IntoIterator<Item = (&'a str, Vec<(&'a str, DependCondition)>)>,
    ) -> Fixture {
        let mut fixture = Fixture {
            run: Run {
                id: "run".to_owned(),
                group: "/project/p1".to_owned(),
                phase: RunPhase::Running,
                ..Run::default()
            },
            config: RunConfig::default(),
            executor_tasks: BTreeMap::new(),
            approves: false,
        };
        for (id, parents) in tasks {
            let mut depends: BTreeMap<String, Depend> = BTreeMap::new();
            for (parent, condition) in parents {
                let depend = depends.entry(parent.to_owned()).or_default();
                depend.task_id = parent.to_owned();
                depend.conditions.push(condition);
            }
            let config = RunConfigTask {
                id: id.to_owned(),
                name: id.to_owned(),
                depends,
                ..RunConfigTask::default()
            };
            let task = RunTask {
                id: id.to_owned(),
                steps: vec![RunTaskStep::default()],
                ..RunTask::default()
            };
            fixture.config.tasks.insert(id.to_owned(), config);
            fixture.run.tasks.insert(id.to_owned(), task);
        }
        fixture
    }

    fn task(&mut self, id: &str) -> &mut RunTask {
        self.run.tasks.get_mut(id).unwrap()
    }

    fn config(&mut self, id: &str) -> &mut RunConfigTask {
        self.config.tasks.get_mut(id).unwrap()
    }

    fn status(&self, id: &str) -> RunTaskStatus {
        self.run.tasks[id].status
    }

    fn statuses(&self) -> Vec<RunTaskStatus> {
        self.run.tasks.values().map(|task| task.status).collect()
    }

    fn situation(&self) -> Situation<'_> {
        Situation {
            config: &self.config,
            executor_tasks: &self.executor_tasks,
            approves: self.approves,
            now: Time::now(),
        }
    }

    /// Gives a task to an executor.
    fn give(&mut self, id: &str) {
        let task = super::new_executor_task("run", &self.config.tasks[id], "executor");
        let before = self.executor_tasks.insert(id.to_owned(), task);
        assert!(before.is_none(), "{id} is given away twice");
    }

    /// The executor says how far it is with a task.
    fn report(&mut self, id: &str, phase: ExecutorTaskPhase) {
        let task = self.executor_tasks.get_mut(id).unwrap();
        task.status.phase = phase;
    }

    /// All of a task is collected, and its executor task goes.
    fn collect(&mut self, id: &str) {
        self.executor_tasks.remove(id).unwrap();
        let task = self.task(id);
        task.setup_step.log_phase = FetchPhase::Finished;
        for step in &mut task.steps {
            step.log_phase = FetchPhase::Finished;
        }
        task.workspace_archives_phase.fill(FetchPhase::Finished);
    }

    fn schedule(&mut self) -> Changes {
        let mut run = self.run.clone();
        let changes = schedule(&mut run, &self.situation());
        // What is said to be unchanged is.
        assert_eq!(changes.is_changed, run != self.run);
        self.run = run;
        changes
    }

    /// A pass, and the tasks that it starts.
    fn start(&mut self) -> Vec<String> {
        let started = self.schedule().start;
        for id in &started {
            self.give(id);
        }
        started
    }

    /// Ends a task, with what is left of it collected.
    fn end(&mut self, id: &str, phase: ExecutorTaskPhase) {
        self.report(id, phase);
        self.schedule();
        self.collect(id);
    }
}
