//! Points of the protocol at which a test can let its process die.
//!
//! They are there with the cargo feature `testing` alone; elsewhere [`pass`] is nothing. A process dies at most once, at the
//! point, and when it gets there as often, as the variable `DM_FAILPOINT` says: `manifest-created:2`. It dies as by `SIGKILL`:
//! nothing is cleaned up, and what was handed to the operating system stays.

/// The process has come to the point `name`, one of [`FAILPOINTS`].
#[cfg(not(any(test, feature = "testing")))]
pub(crate) const fn pass(_name: &str) {}

#[cfg(any(test, feature = "testing"))]
pub(crate) use with_testing::pass;
#[cfg(any(test, feature = "testing"))]
pub use with_testing::{FAILPOINT_VARIABLE, FAILPOINTS};

#[cfg(any(test, feature = "testing"))]
mod with_testing {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// The variable that says where a process dies: a name of [`FAILPOINTS`], a colon, and how often it gets there.
    pub const FAILPOINT_VARIABLE: &str = "DM_FAILPOINT";

    /// The names of all points, about in the order in which a process comes by; `docs/testing.md` says where each one is.
    pub const FAILPOINTS: &[&str] = &[
        "first-epoch-created",
        "append-begun",
        "segment-written",
        "append-done",
        "record-applied",
        "acknowledged",
        "segment-begun",
        "blob-put",
        "flush-object-created",
        "flushed-noted",
        "keys-removed",
        "memtable-frozen",
        "job-begun",
        "data-file-written",
        "manifest-derived",
        "manifest-created",
        "manifest-announced",
        "manifest-read",
        "pin-put",
        "manifest-removed",
        "data-file-removed",
        "log-file-removed",
        "maintenance-appended",
        "import-written",
        "sealed",
        "base-manifest-created",
        "next-log-prepared",
        "epoch-created",
        "epoch-read",
        "head-opened",
        "recovery-announced",
        "held-saved",
        "recovery-answered",
        "lost-log-sealed",
        "sealed-head-put",
    ];

    struct Chosen {
        name: String,
        passes: u32,
    }

    static CHOSEN: LazyLock<Option<Chosen>> = LazyLock::new(|| {
        let value = std::env::var(FAILPOINT_VARIABLE).ok()?;
        let (name, passes) = value.split_once(':')?;
        Some(Chosen {
            name: name.to_owned(),
            passes: passes.parse().ok()?,
        })
    });
    static PASSED: AtomicU32 = AtomicU32::new(0);

    /// The process has come to the point `name`, one of [`FAILPOINTS`].
    pub(crate) fn pass(name: &str) {
        debug_assert!(FAILPOINTS.contains(&name), "{name} is not listed");
        if let Some(chosen) = &*CHOSEN
            && chosen.name == name
            && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == chosen.passes
        {
            std::process::abort();
        }
    }
}
