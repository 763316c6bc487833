//! The tasks that an executor knows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use runservice::api::{ExecutorTask, ExecutorTaskPhase, ExecutorTaskStepStatus, Time};
use tokio::sync::watch;

use super::Version;
use super::script::Ending;

#[derive(Default)]
pub(super) struct Tasks {
    known: Mutex<BTreeMap<String, Arc<LocalTask>>>,
    /// Ids and names of all that were ever started.
    started: Mutex<Vec<(String, String)>>,
}

impl Tasks {
    pub(super) fn get(&self, id: &str) -> Option<Arc<LocalTask>> {
        self.known.lock().unwrap().get(id).cloned()
    }

    /// The newest with this name.
    pub(super) fn find(&self, name: &str) -> Option<Arc<LocalTask>> {
        let known = self.known.lock().unwrap();
        let mut found: Vec<&Arc<LocalTask>> =
            known.values().filter(|task| task.name() == name).collect();
        found.sort_by_key(|task| !task.executor_task().status.phase.is_finished());
        found.last().map(|task| (*task).clone())
    }

    /// None if it is known already.
    pub(super) fn add(&self, task: LocalTask) -> Option<Arc<LocalTask>> {
        let mut known = self.known.lock().unwrap();
        let id = task.executor_task().id;
        if known.contains_key(&id) {
            return None;
        }
        let task = Arc::new(task);
        known.insert(id, task.clone());
        Some(task)
    }

    pub(super) fn note_start(&self, task: &LocalTask) {
        let start = (task.executor_task().id, task.name());
        self.started.lock().unwrap().push(start);
    }

    pub(super) fn known(&self) -> Vec<ExecutorTask> {
        let known = self.known.lock().unwrap();
        known.values().map(|task| task.executor_task()).collect()
    }

    pub(super) fn started_names(&self) -> Vec<String> {
        let started = self.started.lock().unwrap();
        started.iter().map(|(_, name)| name.clone()).collect()
    }

    pub(super) fn started_ids(&self) -> Vec<String> {
        let started = self.started.lock().unwrap();
        started.iter().map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn forget(&self, id: &str) {
        let forgotten = self.known.lock().unwrap().remove(id);
        if let Some(task) = forgotten {
            task.kill();
        }
    }

    pub(super) fn forget_all(&self) {
        let forgotten = std::mem::take(&mut *self.known.lock().unwrap());
        for task in forgotten.values() {
            task.kill();
        }
    }
}

/// A task, and what there is of it.
pub(super) struct LocalTask {
    state: Mutex<State>,
    version: Version,
}

struct State {
    task: ExecutorTask,
    setup_log: Vec<u8>,
    logs: Vec<Vec<u8>>,
    is_stopping: bool,
    /// Nobody is told any more what becomes of it.
    is_forgotten: bool,
    released: Option<Ending>,
}

impl LocalTask {
    pub(super) fn new(mut task: ExecutorTask) -> LocalTask {
        let steps = task.spec.data.as_ref().map_or(0, |data| data.steps.len());
        task.status
            .steps
            .resize(steps, ExecutorTaskStepStatus::default());
        LocalTask {
            state: Mutex::new(State {
                task,
                setup_log: Vec::new(),
                logs: vec![Vec::new(); steps],
                is_stopping: false,
                is_forgotten: false,
                released: None,
            }),
            version: watch::Sender::new(0),
        }
    }

    /// One that is not executed.
    pub(super) fn ended(task: ExecutorTask, phase: ExecutorTaskPhase) -> LocalTask {
        let local = LocalTask::new(task);
        local.change(|state| {
            let status = &mut state.task.status;
            status.phase = phase;
            status.end_time = Some(Time::now());
            let steps = status.steps.iter_mut().chain([&mut status.setup_step]);
            for step in steps.filter(|step| step.phase == Some(ExecutorTaskPhase::Running)) {
                step.phase = Some(ExecutorTaskPhase::Failed);
                step.end_time = Some(Time::now());
            }
        });
        local
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state.lock().unwrap());
        self.version.send_modify(|version| *version += 1);
        result
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(super) fn executor_task(&self) -> ExecutorTask {
        self.state.lock().unwrap().task.clone()
    }

    pub(super) fn name(&self) -> String {
        let state = self.state.lock().unwrap();
        let data = state.task.spec.data.as_ref();
        data.map(|data| data.task_name.clone()).unwrap_or_default()
    }

    pub(super) fn stop(&self) {
        self.change(|state| state.is_stopping = true);
    }

    /// Ends it without anybody being told.
    fn kill(&self) {
        self.change(|state| {
            state.is_stopping = true;
            state.is_forgotten = true;
        });
    }

    pub(super) fn is_forgotten(&self) -> bool {
        self.state.lock().unwrap().is_forgotten
    }

    pub(super) fn release(&self, ending: Ending) {
        self.change(|state| state.released = Some(ending));
    }

    pub(super) async fn released(&self) -> Ending {
        self.wait(|state| state.released).await
    }

    pub(super) async fn released_or_stopped(&self) -> Ending {
        self.wait(|state| match state.is_stopping {
            true => Some(Ending::Stopped),
            false => state.released,
        })
        .await
    }

    async fn wait(&self, look: impl Fn(&State) -> Option<Ending>) -> Ending {
        let mut changes = self.changes();
        loop {
            let found = look(&self.state.lock().unwrap());
            if let Some(ending) = found {
                return ending;
            }
            changes.changed().await.unwrap();
        }
    }

    pub(super) fn begin(&self) {
        self.change(|state| {
            let status = &mut state.task.status;
            status.phase = ExecutorTaskPhase::Running;
            status.start_time = Some(Time::now());
            begin(&mut status.setup_step);
        });
    }

    pub(super) fn end_setup(&self) {
        self.change(|state| {
            let step = &mut state.task.status.setup_step;
            step.phase = Some(ExecutorTaskPhase::Success);
            step.end_time = Some(Time::now());
        });
    }

    pub(super) fn begin_step(&self, place: usize) {
        self.change(|state| begin(&mut state.task.status.steps[place]));
    }

    /// Whether the next step follows.
    pub(super) fn end_step(&self, place: usize, ending: Ending) -> bool {
        let (phase, status) = match ending {
            Ending::Success | Ending::Held => (ExecutorTaskPhase::Success, Some(0)),
            Ending::Failed => (ExecutorTaskPhase::Failed, Some(1)),
            Ending::Stopped => (ExecutorTaskPhase::Stopped, None),
        };
        self.change(|state| {
            let step = &mut state.task.status.steps[place];
            step.phase = Some(phase);
            step.exit_status = status;
            step.end_time = Some(Time::now());
        });
        phase == ExecutorTaskPhase::Success
    }

    /// The task ends as its last step that has ended.
    pub(super) fn end(&self) {
        self.change(|state| {
            let status = &mut state.task.status;
            let phases = status.steps.iter().filter_map(|step| step.phase);
            let worst = phases.max().unwrap_or(ExecutorTaskPhase::Success);
            status.phase = match worst {
                ExecutorTaskPhase::Failed | ExecutorTaskPhase::Stopped => worst,
                _ => ExecutorTaskPhase::Success,
            };
            let stopped = status
                .steps
                .iter()
                .any(|step| step.phase == Some(ExecutorTaskPhase::Stopped));
            if stopped {
                status.phase = ExecutorTaskPhase::Stopped;
            }
            status.end_time = Some(Time::now());
        });
    }

    pub(super) fn write_log(&self, place: Option<usize>, bytes: &[u8]) {
        self.change(|state| match place {
            None => state.setup_log.extend_from_slice(bytes),
            Some(place) => state.logs[place].extend_from_slice(bytes),
        });
    }

    /// What a log has behind `from`, and whether no more comes. None: there is no such log.
    pub(super) fn log(&self, place: Option<usize>, from: usize) -> Option<(Vec<u8>, bool)> {
        let state = self.state.lock().unwrap();
        let status = &state.task.status;
        let (log, step) = match place {
            None => (&state.setup_log, &status.setup_step),
            Some(place) => (state.logs.get(place)?, status.steps.get(place)?),
        };
        let has_begun = step
            .phase
            .is_some_and(|phase| phase != ExecutorTaskPhase::NotStarted);
        let has_ended = step.phase.is_some_and(ExecutorTaskPhase::is_finished);
        has_begun.then(|| (log[from..].to_vec(), has_ended))
    }
}

fn begin(step: &mut ExecutorTaskStepStatus) {
    step.phase = Some(ExecutorTaskPhase::Running);
    step.start_time = Some(Time::now());
}
