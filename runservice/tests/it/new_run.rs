//! Runs that tests create.

use std::collections::BTreeMap;

use runservice::api::{
    Container, Depend, DependCondition, RestoreWorkspaceStep, RunConfigTask, RunCreateRequest,
    RunStep, Runtime, SaveToWorkspaceStep, Step,
};
use runservice::client::Client;

use crate::host::Seen;

/// A task that is to be made. It has one step unless it is told otherwise.
#[derive(Clone)]
pub(crate) struct NewTask {
    task: RunConfigTask,
    parents: Vec<(&'static str, Vec<DependCondition>)>,
}

pub(crate) fn task(name: &str) -> NewTask {
    NewTask {
        task: RunConfigTask {
            name: name.to_owned(),
            runtime: Some(Runtime {
                kind: "pod".to_owned(),
                arch: "amd64".to_owned(),
                containers: vec![Container {
                    image: "busybox".to_owned(),
                    ..Default::default()
                }],
            }),
            steps: vec![run_step()],
            ..Default::default()
        },
        parents: Vec::new(),
    }
}

fn run_step() -> Step {
    Step::Run(RunStep {
        name: "hello".to_owned(),
        command: "echo hello".to_owned(),
        ..Default::default()
    })
}

impl NewTask {
    /// Starts if the parent has succeeded.
    pub(crate) fn after(self, parent: &'static str) -> NewTask {
        self.on(parent, &[DependCondition::OnSuccess])
    }

    pub(crate) fn on(mut self, parent: &'static str, conditions: &[DependCondition]) -> NewTask {
        self.parents.push((parent, conditions.to_vec()));
        self
    }

    pub(crate) fn change(mut self, change: impl FnOnce(&mut RunConfigTask)) -> NewTask {
        change(&mut self.task);
        self
    }

    pub(crate) fn needs_approval(self) -> NewTask {
        self.change(|task| task.needs_approval = true)
    }

    pub(crate) fn may_fail(self) -> NewTask {
        self.change(|task| task.ignore_failure = true)
    }

    pub(crate) fn skip(self) -> NewTask {
        self.change(|task| task.skip = true)
    }

    /// With a second step, which saves a workspace.
    pub(crate) fn saves(self) -> NewTask {
        self.change(|task| {
            task.steps
                .push(Step::SaveToWorkspace(SaveToWorkspaceStep::default()))
        })
    }

    /// With another step, which restores workspaces.
    pub(crate) fn restores(self) -> NewTask {
        self.change(|task| {
            task.steps
                .push(Step::RestoreWorkspace(RestoreWorkspaceStep::default()))
        })
    }
}

/// The request for a run of these tasks, whose ids are new.
pub(crate) fn request(group: &str, tasks: impl IntoIterator<Item = NewTask>) -> RunCreateRequest {
    let salt = uuid::Uuid::new_v4();
    let id = |name: &str| format!("{name}-{salt}");
    let tasks: BTreeMap<String, RunConfigTask> = tasks
        .into_iter()
        .map(|new| {
            let mut task = new.task;
            task.id = id(&task.name);
            task.depends = new
                .parents
                .into_iter()
                .map(|(parent, conditions)| {
                    let task_id = id(parent);
                    (
                        task_id.clone(),
                        Depend {
                            task_id,
                            conditions,
                        },
                    )
                })
                .collect();
            (task.id.clone(), task)
        })
        .collect();
    RunCreateRequest {
        name: "run".to_owned(),
        group: group.to_owned(),
        run_config_tasks: Some(tasks),
        ..Default::default()
    }
}

/// Creates runs as most tests do.
pub(crate) trait Create {
    /// Creates a run of these tasks in a group.
    async fn add_run(&self, group: &str, tasks: impl IntoIterator<Item = NewTask>) -> Seen;
    async fn restart(&self, id: &str, from_start: bool) -> Result<Seen, runservice::Error>;
}

impl Create for Client {
    async fn add_run(&self, group: &str, tasks: impl IntoIterator<Item = NewTask>) -> Seen {
        Seen::from(self.create_run(&request(group, tasks)).await.unwrap())
    }

    async fn restart(&self, id: &str, from_start: bool) -> Result<Seen, runservice::Error> {
        let request = RunCreateRequest {
            run_id: id.to_owned(),
            from_start,
            ..Default::default()
        };
        self.create_run(&request).await.map(Seen::from)
    }
}
