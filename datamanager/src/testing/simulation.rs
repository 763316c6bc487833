//! Several processes on one thread, from a seed.

use std::collections::BTreeMap;
use std::error;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::SimulatedEnvironment;
use super::executor::{Executor, Turn};
use super::simulated_environment::Machine;
use crate::environment::{MemoryFiles, SeededRandom};

/// How many waiting tasks an error names.
const TASKS_NAMED_MAX: usize = 20;

/// Runs machines and their processes on the calling thread, in an order and with random numbers that follow from a
/// seed. Of the tasks that are ready a random one is polled at each step, whichever was woken first; when none is, the
/// time jumps to the next timer.
///
/// # What the code under test owes
/// It reaches the outside through its environment alone, and it draws no random numbers elsewhere. `tokio::select!`
/// without `biased` and `futures::select!` do, and so does going through a `HashMap`. `tokio::sync::watch` wakes those
/// that wait in a random order, which does no harm as long as they are tasks, and not parts of one; the rest of
/// `tokio::sync` and `futures::future::select` draw nothing. A wake from another thread is not waited for.
///
/// # Panics
/// A panic of a task goes on in [`Simulation::run_until`]. The drop names the seed on standard error while a panic
/// unwinds.
pub struct Simulation {
    seed: u64,
    executor: Arc<Executor>,
    machines: Mutex<BTreeMap<String, Arc<Machine>>>,
    limits: Limits,
    running: AtomicBool,
}

/// How far one call of [`Simulation::run_until`] goes.
#[derive(Debug)]
struct Limits {
    steps_max: u64,
    time_max: Duration,
}

impl Simulation {
    /// A simulation with no machines, of at most 5 million steps and 30 simulated days in each run.
    pub fn new(seed: u64) -> Simulation {
        Simulation {
            seed,
            executor: Arc::new(Executor::new(SeededRandom::new(seed))),
            machines: Mutex::default(),
            limits: Limits {
                steps_max: 5_000_000,
                time_max: Duration::from_secs(30 * 24 * 60 * 60),
            },
            running: AtomicBool::new(false),
        }
    }

    /// The same with another bound for the steps of a run.
    pub fn with_steps_max(mut self, steps_max: u64) -> Simulation {
        self.limits.steps_max = steps_max;
        self
    }

    /// The same with another bound for the simulated time of a run.
    pub fn with_time_max(mut self, time_max: Duration) -> Simulation {
        self.limits.time_max = time_max;
        self
    }

    /// Starts a process on the machine `name`. The machine is made, with an empty disk, when the name is new; a
    /// process started after a kill or a power cut finds the files that are left.
    pub fn environment(&self, name: &str) -> Arc<SimulatedEnvironment> {
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let machine = machines.entry(name.to_owned()).or_insert_with(|| {
            let uptime_seconds = self.executor.fork_random().next_u64() >> 40;
            Arc::new(Machine {
                files: MemoryFiles::new(),
                steady_time_at_start: Duration::from_secs(uptime_seconds),
                wall_clock_shift_ms: AtomicI64::new(0),
            })
        });
        Arc::new(SimulatedEnvironment::start(
            name,
            self.executor.clone(),
            machine.clone(),
        ))
    }

    /// A generator for the choices of a test.
    pub fn random(&self) -> SeededRandom {
        self.executor.fork_random()
    }

    /// Polls `future` and all tasks until `future` completes. Tasks that are left go on in the next call.
    ///
    /// # Errors
    /// Nothing is ready and no timer is set, a bound is reached, or the simulation runs already.
    pub fn run_until<F: Future>(&self, future: F) -> Result<F::Output, SimulationError> {
        if self.running.swap(true, Ordering::SeqCst) {
            return Err(self.error(Cause::Nested));
        }
        let _running = Running(&self.running);
        let mut future = pin!(future);
        let main = self.executor.add_main();
        let waker = Waker::from(main.clone());
        let mut context = Context::from_waker(&waker);
        let steps_end = self.executor.steps().saturating_add(self.limits.steps_max);
        let time_end = self.executor.now().saturating_add(self.limits.time_max);
        loop {
            if self.executor.steps() >= steps_end {
                return Err(self.error(Cause::Steps(self.limits.steps_max)));
            }
            match self.executor.next_turn(&main) {
                Turn::Main => {
                    if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                        return Ok(output);
                    }
                }
                Turn::Task(running) => self.executor.poll(running),
                Turn::Idle => {
                    if !self.executor.advance() {
                        return Err(self.error(Cause::Stuck));
                    }
                    if self.executor.now() > time_end {
                        return Err(self.error(Cause::Time(self.limits.time_max)));
                    }
                }
            }
        }
    }

    /// A hash of the steps so far: which task ran, and when. Two runs with the same hash were the same run.
    pub fn trace_hash(&self) -> u64 {
        self.executor.trace_hash()
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.executor.steps()
    }

    fn error(&self, cause: Cause) -> SimulationError {
        let (steps, time) = (self.executor.steps(), self.executor.now());
        SimulationError {
            seed: self.seed,
            steps,
            time,
            cause,
            waiting: self.executor.waiting(),
        }
    }
}

impl Drop for Simulation {
    #[expect(
        clippy::print_stderr,
        reason = "the report of a failed test is read there"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "the simulation that failed had the seed {} and was at step {}",
                self.seed,
                self.steps()
            );
        }
        // Tasks own their environment, which owns the executor: without this none of them would ever be freed.
        self.executor.close();
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Simulation")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

struct Running<'a>(&'a AtomicBool);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Why a simulation ended before its future completed. The message names the seed.
#[derive(Debug)]
pub struct SimulationError {
    seed: u64,
    steps: u64,
    time: Duration,
    cause: Cause,
    waiting: Vec<String>,
}

#[derive(Debug)]
enum Cause {
    Stuck,
    Steps(u64),
    Time(Duration),
    Nested,
}

impl fmt::Display for SimulationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SimulationError {
            seed, steps, time, ..
        } = self;
        write!(
            formatter,
            "simulation of seed {seed} stopped at step {steps} and time {time:?}: "
        )?;
        match self.cause {
            Cause::Stuck => formatter.write_str("nothing is ready and no timer is set")?,
            Cause::Steps(steps_max) => write!(
                formatter,
                "the future did not complete within {steps_max} steps"
            )?,
            Cause::Time(time_max) => {
                write!(formatter, "the future did not complete within {time_max:?}")?
            }
            Cause::Nested => return formatter.write_str("it runs already"),
        }
        let named = self
            .waiting
            .iter()
            .take(TASKS_NAMED_MAX)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        write!(
            formatter,
            "; {} tasks wait: main, {named}",
            self.waiting.len() + 1
        )
    }
}

impl error::Error for SimulationError {}

#[cfg(test)]
mod tests;
