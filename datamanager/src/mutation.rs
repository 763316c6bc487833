//! Deliberate faults in the protocol, which show that the tests would find them.
//!
//! A build has none of them, unless it is made for `scripts/mutations` with `--cfg dm_mutations`: then the variable
//! `DM_MUTATION` names the one that a process has. They are listed in `docs/testing.md`, each with the rule that it breaks and
//! the tests that must fail with it.

/// Whether this process has the fault `name`.
#[cfg(not(dm_mutations))]
pub(crate) const fn is(_name: &str) -> bool {
    false
}

/// Whether this process has the fault `name`.
#[cfg(dm_mutations)]
pub(crate) fn is(name: &str) -> bool {
    use std::sync::LazyLock;
    static CHOSEN: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("DM_MUTATION").ok());
    CHOSEN.as_deref() == Some(name)
}
