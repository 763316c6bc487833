//! Runs and their tasks.

use runservice::api as service;
use runservice::api::FetchPhase;

use crate::api::{
    RunPhase, RunResponse, RunResult, RunSummaryResponse, RunTaskDepend, RunTaskResponse,
    RunTaskStepResponse, RunTaskSummaryResponse, SetupStepResponse, StepPhase, StepType,
};

/// How the preparations of every task are called.
const SETUP_STEP_NAME: &str = "Task setup";

fn tasks_waiting_approval(run: &service::Run) -> Vec<String> {
    let waiting = run.tasks.values().filter(|task| task.waiting_approval);
    waiting.map(|task| task.id.clone()).collect()
}

pub(crate) fn run_summary(run: service::Run) -> RunSummaryResponse {
    RunSummaryResponse {
        number: run.counter,
        tasks_waiting_approval: tasks_waiting_approval(&run),
        name: run.name,
        annotations: run.annotations,
        phase: run.phase.into(),
        result: run.result.into(),
        enqueue_time: run.enqueue_time,
        start_time: run.start_time,
        end_time: run.end_time,
    }
}

pub(crate) fn run(run: service::Run, config: &service::RunConfig) -> RunResponse {
    let can_restart = matches!(
        run.phase,
        service::RunPhase::Finished | service::RunPhase::Cancelled
    );
    let can_restart_from_failed_tasks =
        can_restart && run.result != service::RunResult::Success && run.tasks.values().all(is_kept);
    let tasks_waiting_approval = tasks_waiting_approval(&run);
    let tasks = run.tasks.into_iter().map(|(id, task)| {
        let config = config.tasks.get(&id);
        (id, task_summary(task, config))
    });
    RunResponse {
        number: run.counter,
        name: run.name,
        annotations: run.annotations,
        phase: run.phase.into(),
        result: run.result.into(),
        setup_errors: config.setup_errors.clone(),
        stopping: run.stop,
        tasks: tasks.collect(),
        tasks_waiting_approval,
        enqueue_time: run.enqueue_time,
        start_time: run.start_time,
        end_time: run.end_time,
        can_restart_from_scratch: can_restart,
        can_restart_from_failed_tasks,
    }
}

/// Whether what a task has left for others is stored, if it has succeeded.
fn is_kept(task: &service::RunTask) -> bool {
    if task.status != service::RunTaskStatus::Success {
        return true;
    }
    let logs = std::iter::once(&task.setup_step).chain(&task.steps);
    logs.map(|step| step.log_phase)
        .chain(task.workspace_archives_phase.iter().copied())
        .all(|phase| phase == FetchPhase::Finished)
}

fn task_summary(
    task: service::RunTask,
    config: Option<&service::RunConfigTask>,
) -> RunTaskSummaryResponse {
    let depends = config.map(|config| config.depends.iter());
    let depends = depends.into_iter().flatten().map(|(id, depend)| {
        let conditions = depend.conditions.iter();
        let depend = RunTaskDepend {
            task_id: depend.task_id.clone(),
            conditions: conditions.map(|condition| (*condition).into()).collect(),
        };
        (id.clone(), depend)
    });
    RunTaskSummaryResponse {
        id: task.id,
        name: config.map(|config| config.name.clone()).unwrap_or_default(),
        status: task.status.into(),
        level: config.map(|config| config.level).unwrap_or_default(),
        depends: depends.collect(),
        waiting_approval: task.waiting_approval,
        approved: task.approved,
        approval_annotations: task.annotations,
        start_time: task.start_time,
        end_time: task.end_time,
    }
}

pub(crate) fn run_task(task: service::RunTask, config: &service::RunConfigTask) -> RunTaskResponse {
    let steps = task.steps.into_iter().enumerate();
    let steps = steps.map(|(place, step)| self::step(step, config.steps.get(place), config));
    RunTaskResponse {
        id: task.id,
        name: config.name.clone(),
        status: task.status.into(),
        waiting_approval: task.waiting_approval,
        approved: task.approved,
        approval_annotations: task.annotations,
        setup_step: SetupStepResponse {
            phase: task.setup_step.phase.into(),
            name: SETUP_STEP_NAME.to_owned(),
            start_time: task.setup_step.start_time,
            end_time: task.setup_step.end_time,
        },
        steps: steps.collect(),
        start_time: task.start_time,
        end_time: task.end_time,
    }
}

fn step(
    step: service::RunTaskStep,
    config: Option<&service::Step>,
    task: &service::RunConfigTask,
) -> RunTaskStepResponse {
    let mut response = RunTaskStepResponse {
        phase: StepPhase::from(step.phase),
        start_time: step.start_time,
        end_time: step.end_time,
        log_archived: step.log_phase == FetchPhase::Finished,
        ..RunTaskStepResponse::default()
    };
    let kind = match config {
        Some(service::Step::Run(run)) => {
            response.name.clone_from(&run.name);
            response.command.clone_from(&run.command);
            response.shell.clone_from(match run.shell.is_empty() {
                true => &task.shell,
                false => &run.shell,
            });
            response.exit_status = step.exit_status;
            Some(StepType::Run)
        }
        Some(service::Step::SaveToWorkspace(_)) => Some(StepType::SaveToWorkspace),
        Some(service::Step::RestoreWorkspace(_)) => Some(StepType::RestoreWorkspace),
        Some(service::Step::SaveCache(_)) => Some(StepType::SaveCache),
        Some(service::Step::RestoreCache(_)) => Some(StepType::RestoreCache),
        Some(service::Step::Unknown(_)) | None => None,
    };
    if let Some(kind) = kind.filter(|kind| *kind != StepType::Run) {
        response.name = kind.as_str().replace('_', " ");
    }
    response.kind = kind;
    response
}

/// What the badge of a run says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunState {
    Unknown,
    Success,
    Failed,
    InProgress,
    Error,
}

impl RunState {
    pub(crate) fn of(run: Option<&service::Run>) -> RunState {
        let Some(run) = run else {
            return RunState::Unknown;
        };
        match (RunResult::from(run.result), RunPhase::from(run.phase)) {
            (RunResult::Success, _) => RunState::Success,
            (RunResult::Failed | RunResult::Stopped, _) => RunState::Failed,
            (RunResult::Unknown, RunPhase::Cancelled) => RunState::Failed,
            (RunResult::Unknown, RunPhase::Queued | RunPhase::Running) => RunState::InProgress,
            (RunResult::Unknown, RunPhase::SetupError) => RunState::Error,
            (RunResult::Unknown, RunPhase::Finished) => RunState::Unknown,
        }
    }
}
