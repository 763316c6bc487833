//! What an executor is told of a task.

use crate::api::{
    ExecutorTask, ExecutorTaskPhase, ExecutorTaskSpec, ExecutorTaskSpecData, ExecutorTaskStatus,
    ExecutorTaskStepStatus, Run, RunConfig, RunConfigTask, WorkspaceOperation,
};
use crate::graph;
use crate::store::{ExecutorTaskDocument, root_group};

/// A task that was not given to anybody before, for one executor.
pub(crate) fn new_executor_task(
    run_id: &str,
    task: &RunConfigTask,
    executor_id: &str,
) -> ExecutorTaskDocument {
    let not_started = ExecutorTaskStepStatus {
        phase: Some(ExecutorTaskPhase::NotStarted),
        ..ExecutorTaskStepStatus::default()
    };
    ExecutorTaskDocument {
        id: task.id.clone(),
        executor_id: executor_id.to_owned(),
        run_id: run_id.to_owned(),
        stop: false,
        status: ExecutorTaskStatus {
            steps: vec![not_started; task.steps.len()],
            ..ExecutorTaskStatus::default()
        },
    }
}

/// A task as its executor gets it. What is to be done follows from the run and its configuration, so it is not stored; of a
/// task that has ended it is left out.
pub(crate) fn whole_executor_task(
    task: ExecutorTaskDocument,
    run: &Run,
    config: &RunConfig,
) -> ExecutorTask {
    let has_ended = task.status.phase.is_finished();
    let of_config = config.tasks.get(&task.id).filter(|_| !has_ended);
    let data = of_config.map(|of_config| Box::new(spec_data(of_config, run, config)));
    ExecutorTask {
        id: task.id,
        spec: ExecutorTaskSpec {
            executor_id: task.executor_id,
            run_id: task.run_id,
            stop: task.stop,
            data,
        },
        status: task.status,
    }
}

fn spec_data(task: &RunConfigTask, run: &Run, config: &RunConfig) -> ExecutorTaskSpecData {
    let mut environment = task.environment.clone();
    environment.extend(config.static_environment.clone());
    environment.extend(config.environment.clone());
    let runtime = task.runtime.clone().unwrap_or_default();
    ExecutorTaskSpecData {
        task_name: task.name.clone(),
        arch: runtime.arch,
        containers: runtime.containers,
        environment,
        working_dir: task.working_dir.clone(),
        shell: task.shell.clone(),
        user: task.user.clone(),
        privileged: false,
        workspace_operations: workspace_operations(task, run, config),
        docker_registries_auth: task.docker_registries_auth.clone(),
        cache_prefix: match config.cache_group.as_str() {
            "" => root_group(&run.group).to_owned(),
            group => group.to_owned(),
        },
        steps: task.steps.clone(),
    }
}

/// The archives of all tasks that a task depends on, directly or not, by level and name.
fn workspace_operations(
    task: &RunConfigTask,
    run: &Run,
    config: &RunConfig,
) -> Vec<WorkspaceOperation> {
    let ancestors = graph::ancestors(&config.tasks, &task.id);
    let ancestors = ancestors.iter().filter_map(|id| config.tasks.get(*id));
    let mut ancestors: Vec<&RunConfigTask> = ancestors.collect();
    ancestors.sort_by_key(|task| (task.level, task.name.as_str(), task.id.as_str()));
    let operations = ancestors.iter().flat_map(|ancestor| {
        let archives = run.tasks.get(&ancestor.id);
        let archives = archives.map(|task| task.workspace_archives.as_slice());
        let steps = archives.unwrap_or_default().iter();
        steps.map(|step| WorkspaceOperation {
            task_id: ancestor.id.clone(),
            step: *step,
            overwrite: false,
        })
    });
    operations.collect()
}
