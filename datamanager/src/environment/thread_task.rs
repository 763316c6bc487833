//! One task on one thread, which parks while the task waits.

use std::future::Future;
use std::hint;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};

/// Looks at the wake flag before the thread parks. A wake that comes while the task is still returning from its poll
/// is then seen without a system call on either side; more would burn a core that the waker may need.
const SPINS_BEFORE_PARK: u32 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed,
    Stopped,
}

/// Polls `task` on the current thread until it completes, or has to wait while `stopped` says true.
///
/// `stopped` is asked before each park. Who makes it true unparks the thread.
pub(super) fn run(
    mut task: Pin<Box<dyn Future<Output = ()> + Send>>,
    stopped: impl Fn() -> bool,
) -> Outcome {
    let signal = Arc::new(Signal {
        woken: AtomicBool::new(false),
        thread: thread::current(),
    });
    let waker = Waker::from(signal.clone());
    let mut context = Context::from_waker(&waker);
    while task.as_mut().poll(&mut context).is_pending() {
        if !signal.wait(&stopped) {
            return Outcome::Stopped;
        }
    }
    Outcome::Completed
}

/// The thread's own park token would not do: code inside the task may park too, and use the token up.
struct Signal {
    woken: AtomicBool,
    thread: Thread,
}

impl Signal {
    /// Waits for a wake since the last wait; false if it was stopped instead.
    fn wait(&self, stopped: &impl Fn() -> bool) -> bool {
        for _ in 0..SPINS_BEFORE_PARK {
            if self.take() {
                return true;
            }
            hint::spin_loop();
        }
        loop {
            if stopped() {
                return false;
            }
            if self.take() {
                return true;
            }
            thread::park();
        }
    }

    fn take(&self) -> bool {
        self.woken.load(Ordering::Relaxed) && self.woken.swap(false, Ordering::Acquire)
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}
