//! One task on one thread, which parks while the task waits.

use std::cell::Cell;
use std::future::Future;
use std::hint;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Looks at the wake flag before the thread parks. A wake that comes while the task is still returning from its poll
/// is then seen without a system call on either side; more would burn a core that the waker may need.
const SPINS_BEFORE_PARK: u32 = 64;
/// How long the thread of a watchful task then goes on looking, where that has paid before. Other threads run first if they are
/// ready.
const WATCH_MAX: Duration = Duration::from_micros(60);
/// Waits in which it does not go on looking, after it has done so in vain again and again, at most.
const WAITS_UNWATCHED_MAX: u32 = 64;

thread_local! {
    static IS_WATCHFUL: Cell<bool> = const { Cell::new(false) };
}

/// Whether the current thread goes on looking for a wake for a while before it parks.
pub(super) fn set_watchful(is_watchful: bool) {
    IS_WATCHFUL.set(is_watchful);
}

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
    let mut watch = Watch::default();
    while task.as_mut().poll(&mut context).is_pending() {
        if !signal.wait(&mut watch, &stopped) {
            return Outcome::Stopped;
        }
    }
    Outcome::Completed
}

/// Whether to go on looking for a wake before the thread parks.
#[derive(Debug, Default)]
struct Watch {
    /// Waits without looking that are left.
    skips_left: u32,
    /// How many there will be after the next look in vain.
    skips_next: u32,
}

impl Watch {
    fn is_due(&mut self) -> bool {
        let is_due = self.skips_left == 0;
        self.skips_left = self.skips_left.saturating_sub(1);
        is_due
    }

    fn note(&mut self, has_paid: bool) {
        if has_paid {
            *self = Watch::default();
        } else {
            self.skips_left = self.skips_next;
            self.skips_next = (self.skips_next * 2 + 1).min(WAITS_UNWATCHED_MAX);
        }
    }
}

/// The thread's own park token would not do: code inside the task may park too, and use the token up.
struct Signal {
    woken: AtomicBool,
    thread: Thread,
}

impl Signal {
    /// Waits for a wake since the last wait; false if it was stopped instead.
    fn wait(&self, watch: &mut Watch, stopped: &impl Fn() -> bool) -> bool {
        for _ in 0..SPINS_BEFORE_PARK {
            if self.take() {
                return true;
            }
            hint::spin_loop();
        }
        if IS_WATCHFUL.get() && watch.is_due() {
            let began = Instant::now();
            let mut is_woken = false;
            while !is_woken && began.elapsed() < WATCH_MAX {
                thread::yield_now();
                is_woken = self.take();
            }
            watch.note(is_woken);
            if is_woken {
                return true;
            }
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
