//! The environment of a program that runs on tokio.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::task::{Context, Poll};
use std::thread::Thread;
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::thread_task::{self, Outcome};
use super::{Environment, FileSystem, PosixFiles};
use crate::Timestamp;

/// Clocks and files of the operating system, tasks and timers of a tokio runtime.
///
/// On a current-thread runtime tasks run, and timers fire, only while somebody is in its `block_on`.
///
/// # Shutdown of the runtime
/// Nothing panics and no thread stays behind. A task of [`Environment::spawn`] is dropped by the runtime; one of
/// [`Environment::spawn_thread`] is dropped the next time that it has to wait. What is spawned afterwards is dropped
/// without a poll. A sleep never completes. Work of [`Environment::run_blocking`] that had not begun is dropped
/// without having run, and its future completes: take the result through something that the work owned, such as the
/// sender of a channel.
///
/// # Panics
/// A sleep panics if the runtime was built without `enable_time`. A panic of work in [`Environment::run_blocking`]
/// goes on in the task that awaits it; one in a spawned task ends that task alone.
pub struct TokioEnvironment {
    runtime: Arc<Runtime>,
    files: Arc<dyn FileSystem>,
}

impl TokioEnvironment {
    /// The environment of the runtime that the caller runs in, or has entered.
    ///
    /// # Errors
    /// There is no such runtime.
    pub fn current() -> io::Result<TokioEnvironment> {
        let handle = Handle::try_current().map_err(io::Error::other)?;
        Ok(TokioEnvironment {
            runtime: Runtime::watch(handle),
            files: Arc::new(PosixFiles::new()),
        })
    }

    /// The same environment with other files.
    pub fn with_files(self, files: Arc<dyn FileSystem>) -> TokioEnvironment {
        TokioEnvironment { files, ..self }
    }
}

impl fmt::Debug for TokioEnvironment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokioEnvironment")
            .field("runtime", &self.runtime.handle.id())
            .finish_non_exhaustive()
    }
}

impl Environment for TokioEnvironment {
    fn wall_time(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::default().saturating_add(since_epoch)
    }

    fn set_watchful(&self, is_watchful: bool) {
        thread_task::set_watchful(is_watchful);
    }

    fn steady_time(&self) -> Duration {
        #[cfg(target_os = "linux")]
        let clock = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = rustix::time::ClockId::Monotonic;
        // Both clocks count up from the start of the machine, so that neither is ever negative.
        Duration::try_from(rustix::time::clock_gettime(clock)).unwrap_or_default()
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes)
            .expect("ids that are not random would break the store, so there is no going on");
    }

    /// Time that the machine is suspended may come on top: tokio's timers do not count it.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let sleep = {
            let _context = self.runtime.handle.enter();
            tokio::time::sleep(duration)
        };
        Box::pin(RuntimeSleep {
            runtime: self.runtime.clone(),
            sleep: Box::pin(sleep),
        })
    }

    fn spawn(&self, _name: &str, task: BoxFuture<'static, ()>) {
        drop(self.runtime.handle.spawn(task));
    }

    fn spawn_thread(&self, name: &str, task: BoxFuture<'static, ()>) -> io::Result<()> {
        let runtime = self.runtime.clone();
        let shown = name.to_owned();
        let run = move || {
            let Some(registration) = Registration::of_this_thread(&runtime) else {
                return;
            };
            let _context = runtime.handle.enter();
            if thread_task::run(task, || registration.runtime.read().shut_down) == Outcome::Stopped
            {
                // Threads of a store are called by its instance.
                let instance = shown.split(' ').next().unwrap_or_default();
                log::debug!(
                    instance = instance;
                    "dropped the task of thread {shown:?}, as the tokio runtime shuts down"
                );
            }
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)?;
        Ok(())
    }

    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let work = self.runtime.handle.spawn_blocking(work);
        Box::pin(async move {
            if let Err(error) = work.await
                && let Ok(payload) = error.try_into_panic()
            {
                panic::resume_unwind(payload);
            }
        })
    }

    fn files(&self) -> Arc<dyn FileSystem> {
        self.files.clone()
    }
}

/// A runtime, and whether it still is one.
///
/// A runtime shuts down by dropping its tasks first and its timers afterwards, and a timer polled later panics.
/// One task, which does nothing, therefore owns a [`Sentinel`]; its drop waits for the write lock of `lifecycle`.
///
/// Invariant: whoever polls a timer holds the read lock and has seen `shut_down` false.
struct Runtime {
    handle: Handle,
    lifecycle: RwLock<Lifecycle>,
    /// Lets the sentinel's task end when nobody needs to know any more.
    _unwatched: oneshot::Sender<()>,
}

#[derive(Default)]
struct Lifecycle {
    shut_down: bool,
    /// Threads with a task of their own, to be woken at shutdown.
    threads: Vec<Thread>,
}

impl Runtime {
    fn watch(handle: Handle) -> Arc<Runtime> {
        let (unwatched, ended) = oneshot::channel();
        let runtime = Arc::new(Runtime {
            handle,
            lifecycle: RwLock::default(),
            _unwatched: unwatched,
        });
        let sentinel = Sentinel {
            runtime: Arc::downgrade(&runtime),
        };
        drop(runtime.handle.spawn(async move {
            let _sentinel = sentinel;
            let _: Result<(), _> = ended.await;
        }));
        runtime
    }

    fn read(&self) -> RwLockReadGuard<'_, Lifecycle> {
        self.lifecycle
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Lifecycle> {
        self.lifecycle
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

struct Sentinel {
    runtime: Weak<Runtime>,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.upgrade() {
            let mut lifecycle = runtime.write();
            lifecycle.shut_down = true;
            lifecycle
                .threads
                .drain(..)
                .for_each(|thread| thread.unpark());
        }
    }
}

/// Keeps a thread in the list of those to be woken.
struct Registration<'a> {
    runtime: &'a Runtime,
}

impl Registration<'_> {
    /// `None`: the runtime has shut down already.
    fn of_this_thread(runtime: &Runtime) -> Option<Registration<'_>> {
        let mut lifecycle = runtime.write();
        if lifecycle.shut_down {
            return None;
        }
        lifecycle.threads.push(std::thread::current());
        Some(Registration { runtime })
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let own = std::thread::current().id();
        self.runtime
            .write()
            .threads
            .retain(|thread| thread.id() != own);
    }
}

/// A tokio timer that stays pending, where tokio's own would panic, once the runtime has shut down.
struct RuntimeSleep {
    runtime: Arc<Runtime>,
    sleep: Pin<Box<Sleep>>,
}

impl Future for RuntimeSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let lifecycle = this.runtime.read();
        if lifecycle.shut_down {
            return Poll::Pending;
        }
        this.sleep.as_mut().poll(context)
    }
}

#[cfg(test)]
mod tests;
