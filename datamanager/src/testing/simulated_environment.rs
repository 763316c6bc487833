//! One process in a simulation.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::BoxFuture;

use super::executor::{Executor, ProcessId};
use crate::Timestamp;
use crate::environment::{Environment, FileSystem, MemoryFiles, SeededRandom};

/// The wall clock at the start of each simulation: the beginning of the year 2026.
const WALL_TIME_AT_START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A process on a simulated machine, as [`Simulation::environment`](super::Simulation::environment) starts it.
///
/// Processes of one machine share its disk and its wall clock. A thread is a task like any other here, and blocking
/// work runs whole in one step of its own, later than the call.
///
/// Once it is killed, its tasks are gone, what is spawned is dropped, and calls to its files fail. Its clocks go on,
/// for the sake of handles that the test still holds.
pub struct SimulatedEnvironment {
    name: String,
    executor: Arc<Executor>,
    process: ProcessId,
    machine: Arc<Machine>,
    files: MemoryFiles,
    random: Mutex<SeededRandom>,
}

/// What outlives the processes on it.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) files: MemoryFiles,
    /// The steady clock at the start of the simulation, so that nobody compares those of two machines.
    pub(super) steady_time_at_start: Duration,
    pub(super) wall_clock_shift_ms: AtomicI64,
}

impl SimulatedEnvironment {
    pub(super) fn start(
        name: &str,
        executor: Arc<Executor>,
        machine: Arc<Machine>,
    ) -> SimulatedEnvironment {
        let files = machine.files.new_process();
        let process = executor.add_process(name, files.clone());
        let random = Mutex::new(executor.fork_random());
        SimulatedEnvironment {
            name: name.to_owned(),
            executor,
            process,
            machine,
            files,
            random,
        }
    }

    /// The machine's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The files of the machine as this process sees them, with their faults and counters.
    pub fn memory_files(&self) -> &MemoryFiles {
        &self.files
    }

    /// Runs `future` as a task of this process. Completes with what it gave, or with `None` if the process was killed
    /// before. Dropping what this returns does not end the task.
    pub fn run<T: Send + 'static>(
        &self,
        name: &str,
        future: impl Future<Output = T> + Send + 'static,
    ) -> BoxFuture<'static, Option<T>> {
        let (sender, receiver) = oneshot::channel();
        let task = async move {
            // Whether the caller still waits is its own affair.
            let _: Result<(), T> = sender.send(future.await);
        };
        self.spawn(name, Box::pin(task));
        Box::pin(async { receiver.await.ok() })
    }

    /// Ends the process as a kill signal would: each of its tasks is dropped where it waits, its locks are free, and
    /// what it wrote to files stays.
    pub fn kill(&self) {
        self.executor.kill(self.process);
    }

    /// Kills the process `steps` steps of the simulation from now. Going through all numbers kills it at each await.
    pub fn kill_after(&self, steps: u64) {
        self.executor.kill_after(self.process, steps);
    }

    /// Whether the process was killed.
    pub fn is_killed(&self) -> bool {
        self.executor.is_killed(self.process)
    }

    /// Cuts the power of the machine: kills all its processes, and leaves of its files what [`MemoryFiles::crash`]
    /// leaves.
    pub fn cut_power(&self) {
        self.executor.kill_machine(&self.name);
        self.machine.files.crash(&mut self.executor.fork_random());
    }

    /// Stops the process, as a long garbage collection or a debugger would. Time goes on.
    pub fn pause(&self) {
        self.executor.pause(self.process);
    }

    /// Ends what [`SimulatedEnvironment::pause`] began.
    pub fn resume(&self) {
        self.executor.resume(self.process);
    }

    /// Puts the wall clock of the machine forward, or back if `milliseconds` is negative.
    pub fn shift_wall_clock(&self, milliseconds: i64) {
        self.machine
            .wall_clock_shift_ms
            .fetch_add(milliseconds, Ordering::SeqCst);
    }
}

impl fmt::Debug for SimulatedEnvironment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("SimulatedEnvironment");
        debug
            .field("name", &self.name)
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
impl Environment for SimulatedEnvironment {
    fn wall_time(&self) -> Timestamp {
        let true_time = WALL_TIME_AT_START.saturating_add(self.executor.now());
        let shift_ms = self.machine.wall_clock_shift_ms.load(Ordering::SeqCst);
        Timestamp::from_millis(true_time.as_millis().saturating_add_signed(shift_ms))
    }

    fn steady_time(&self) -> Duration {
        self.machine.steady_time_at_start + self.executor.now()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.random
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill(bytes);
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(self.executor.sleep(duration))
    }

    fn spawn(&self, name: &str, task: BoxFuture<'static, ()>) {
        self.executor.spawn(self.process, name, task);
    }

    fn spawn_thread(&self, name: &str, task: BoxFuture<'static, ()>) -> io::Result<()> {
        self.spawn(name, task);
        Ok(())
    }

    /// Nothing is parked here.
    fn set_watchful(&self, _is_watchful: bool) {}

    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let done = self.run("blocking", async move { work() });
        Box::pin(async move {
            let _killed: Option<()> = done.await;
        })
    }

    fn files(&self) -> Arc<dyn FileSystem> {
        Arc::new(self.files.clone())
    }
}
