//! Tasks, timers and time of a simulation.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::BoxFuture;

use crate::environment::{MemoryFiles, SeededRandom};

/// Runs one task at a time, drawn from those that are ready.
///
/// Invariant: no code of a task, its drop and its wakers included, runs under the lock of `state`.
pub(super) struct Executor {
    state: Mutex<State>,
    ready: Arc<Ready>,
}

struct State {
    random: SeededRandom,
    now: Duration,
    steps: u64,
    trace: u64,
    closed: bool,
    tasks: BTreeMap<TaskId, Task>,
    tasks_made: u64,
    timers: BTreeMap<TimerKey, Waker>,
    timers_made: u64,
    processes: Vec<Process>,
}

type TaskId = u64;

/// When it is due, and which of those it is.
type TimerKey = (Duration, u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProcessId(usize);

struct Process {
    machine: String,
    files: MemoryFiles,
    killed: bool,
    /// Kills the process before this step.
    kill_at_step: Option<u64>,
    paused: bool,
    /// Tasks that became ready while it was paused.
    held: Vec<TaskId>,
}

struct Task {
    process: ProcessId,
    name: String,
    /// `None` while it is polled.
    future: Option<BoxFuture<'static, ()>>,
    signal: Arc<Signal>,
}

/// What to do next.
pub(super) enum Turn {
    /// Poll the future that the simulation runs for.
    Main,
    /// Poll a task.
    Task(Running),
    /// Nothing is ready.
    Idle,
}

/// A task taken out to be polled.
pub(super) struct Running {
    id: TaskId,
    future: BoxFuture<'static, ()>,
    waker: Waker,
}

impl Executor {
    pub(super) fn new(random: SeededRandom) -> Executor {
        let state = State {
            random,
            now: Duration::ZERO,
            steps: 0,
            trace: FNV_OFFSET,
            closed: false,
            tasks: BTreeMap::new(),
            tasks_made: 0,
            timers: BTreeMap::new(),
            timers_made: 0,
            processes: Vec::new(),
        };
        Executor {
            state: Mutex::new(state),
            ready: Arc::default(),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.state().now
    }

    pub(super) fn steps(&self) -> u64 {
        self.state().steps
    }

    pub(super) fn trace_hash(&self) -> u64 {
        self.state().trace
    }

    pub(super) fn fork_random(&self) -> SeededRandom {
        self.state().random.fork()
    }

    pub(super) fn add_process(&self, machine: &str, files: MemoryFiles) -> ProcessId {
        let mut state = self.state();
        let machine = machine.to_owned();
        state.processes.push(Process {
            machine,
            files,
            killed: false,
            kill_at_step: None,
            paused: false,
            held: Vec::new(),
        });
        ProcessId(state.processes.len() - 1)
    }

    pub(super) fn spawn(&self, process: ProcessId, name: &str, future: BoxFuture<'static, ()>) {
        let mut state = self.state();
        let owner = &state.processes[process.0];
        if owner.killed || state.closed {
            drop(state);
            drop(future);
            return;
        }
        let name = format!("{}/{name}", owner.machine);
        let signal = self.new_signal(&mut state);
        let id = signal.task;
        state.tasks.insert(
            id,
            Task {
                process,
                name,
                future: Some(future),
                signal,
            },
        );
    }

    /// The waker of a future that the caller polls at each [`Turn::Main`].
    pub(super) fn add_main(&self) -> Arc<Signal> {
        self.new_signal(&mut self.state())
    }

    /// Draws a ready task, after killing what is due to be killed.
    pub(super) fn next_turn(&self, main: &Arc<Signal>) -> Turn {
        self.kill_due();
        let mut state = self.state();
        loop {
            let Some(id) = self.ready.draw(&mut state.random) else {
                return Turn::Idle;
            };
            if id == main.task {
                main.queued.store(false, Ordering::SeqCst);
                state.record("main");
                return Turn::Main;
            }
            if let Some(running) = state.take(id) {
                return Turn::Task(running);
            }
        }
    }

    pub(super) fn poll(&self, mut running: Running) {
        let poll = running
            .future
            .as_mut()
            .poll(&mut Context::from_waker(&running.waker));
        let mut state = self.state();
        let ended = match (poll, state.tasks.get_mut(&running.id)) {
            (Poll::Pending, Some(task)) => {
                task.future = Some(running.future);
                None
            }
            // It completed, or its own process was killed meanwhile.
            _ => Some((state.tasks.remove(&running.id), running.future)),
        };
        drop(state);
        drop(ended);
    }

    /// Goes to the time of the next timer and wakes whoever waits for it; false if there is none.
    pub(super) fn advance(&self) -> bool {
        let mut state = self.state();
        let Some((&(due, _), _)) = state.timers.first_key_value() else {
            return false;
        };
        state.now = state.now.max(due);
        let later = state.timers.split_off(&(due, u64::MAX));
        let wakers = std::mem::replace(&mut state.timers, later);
        drop(state);
        wakers.into_values().for_each(Waker::wake);
        true
    }

    pub(super) fn kill(&self, process: ProcessId) {
        let mut state = self.state();
        let killed = &mut state.processes[process.0];
        killed.killed = true;
        killed.kill_at_step = None;
        killed.held.clear();
        // Before the tasks are dropped: what they do then must not reach the disk.
        killed.files.kill_process();
        let dropped: Vec<Task> = state
            .tasks
            .extract_if(.., |_, task| task.process == process)
            .map(|(_, task)| task)
            .collect();
        drop(state);
        drop(dropped);
    }

    pub(super) fn kill_machine(&self, machine: &str) {
        for process in self.processes_where(|process| process.machine == machine) {
            self.kill(process);
        }
    }

    pub(super) fn kill_after(&self, process: ProcessId, steps: u64) {
        let mut state = self.state();
        state.processes[process.0].kill_at_step = Some(state.steps.saturating_add(steps));
    }

    pub(super) fn is_killed(&self, process: ProcessId) -> bool {
        self.state().processes[process.0].killed
    }

    pub(super) fn pause(&self, process: ProcessId) {
        self.state().processes[process.0].paused = true;
    }

    pub(super) fn resume(&self, process: ProcessId) {
        let mut state = self.state();
        let resumed = &mut state.processes[process.0];
        resumed.paused = false;
        self.ready.lock().extend(resumed.held.drain(..));
    }

    pub(super) fn sleep(self: &Arc<Self>, duration: Duration) -> Sleep {
        let mut state = self.state();
        state.timers_made += 1;
        let due = state.now.saturating_add(duration);
        Sleep {
            executor: self.clone(),
            key: (due, state.timers_made),
        }
    }

    /// Names of tasks that have not ended, in the order in which they were spawned.
    pub(super) fn waiting(&self) -> Vec<String> {
        self.state()
            .tasks
            .values()
            .map(|task| task.name.clone())
            .collect()
    }

    /// Drops all tasks, and from now on each new one.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let dropped = std::mem::take(&mut state.tasks);
        drop(state);
        drop(dropped);
    }

    fn kill_due(&self) {
        let steps = self.steps();
        for process in
            self.processes_where(|process| process.kill_at_step.is_some_and(|due| due <= steps))
        {
            self.kill(process);
        }
    }

    fn processes_where(&self, condition: impl Fn(&Process) -> bool) -> Vec<ProcessId> {
        let state = self.state();
        let matching = state
            .processes
            .iter()
            .enumerate()
            .filter(|(_, process)| condition(process));
        matching.map(|(number, _)| ProcessId(number)).collect()
    }

    /// A signal for a new task, which is ready.
    fn new_signal(&self, state: &mut State) -> Arc<Signal> {
        state.tasks_made += 1;
        let task = state.tasks_made;
        let signal = Arc::new(Signal {
            task,
            queued: AtomicBool::new(false),
            ready: self.ready.clone(),
        });
        signal.wake_by_ref();
        signal
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a ready task out; `None` if it has ended, or its process is paused.
    fn take(&mut self, id: TaskId) -> Option<Running> {
        let task = self.tasks.get_mut(&id)?;
        let process = &mut self.processes[task.process.0];
        if process.paused {
            process.held.push(id);
            return None;
        }
        task.signal.queued.store(false, Ordering::SeqCst);
        let running = Running {
            id,
            future: task.future.take()?,
            waker: Waker::from(task.signal.clone()),
        };
        let name = std::mem::take(&mut task.name);
        self.record(&name);
        if let Some(task) = self.tasks.get_mut(&id) {
            task.name = name;
        }
        Some(running)
    }

    /// Counts a step of the task `name` into the trace.
    fn record(&mut self, name: &str) {
        self.steps += 1;
        for byte in name
            .bytes()
            .chain(self.steps.to_le_bytes())
            .chain(self.now.as_nanos().to_le_bytes())
        {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
    }
}

/// Source: the hash FNV-1a of 64 bits.
const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

/// Tasks to be polled.
///
/// They are in order, so that what is drawn does not depend on which of them was woken first: `tokio::sync::watch` wakes those
/// that wait for it in an order of its own, which no seed decides.
#[derive(Default)]
struct Ready(Mutex<BTreeSet<TaskId>>);

impl Ready {
    fn draw(&self, random: &mut SeededRandom) -> Option<TaskId> {
        let mut ready = self.lock();
        if ready.is_empty() {
            return None;
        }
        let drawn = *ready.iter().nth(random.below(ready.len()))?;
        ready.remove(&drawn);
        Some(drawn)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<TaskId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes one task ready.
pub(super) struct Signal {
    task: TaskId,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            self.ready.lock().insert(self.task);
        }
    }
}

/// Completes when the time has come.
pub(super) struct Sleep {
    executor: Arc<Executor>,
    key: TimerKey,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.executor.state();
        if state.now >= self.key.0 {
            return Poll::Ready(());
        }
        let replaced = state.timers.insert(self.key, context.waker().clone());
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let removed = self.executor.state().timers.remove(&self.key);
        drop(removed);
    }
}
