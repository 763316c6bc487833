//! For how long "there is no such object" can be believed (R15).
//!
//! A collector removes WAL objects, so a missing object may be one that is long gone. It removes a record only some time
//! after a manifest covers it, and that time is longer than `head_confirm_max`. So whoever knew at one moment that
//! nothing covered more than it had applied can believe, for `head_confirm_max` from then on, that what is missing
//! behind its position has not been there yet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ost::Ost;

use crate::environment::Environment;
use crate::epoch::EpochFile;
use crate::manifest::Manifest;
use crate::mutation;
use crate::{Error, ErrorKind, Position};

/// When this process last knew that nothing lay ahead of what it had applied.
pub(super) struct Confirmation {
    environment: Arc<dyn Environment>,
    ost: Ost,
    epoch: u32,
    head_confirm_max: Duration,
    state: Mutex<State>,
}

struct State {
    /// On the steady clock, from before the request that confirmed.
    confirmed_at: Option<Duration>,
    /// The newest manifest that has been looked at, and what it covers.
    known_manifest: u64,
    known_covered_seq: u64,
}

impl Confirmation {
    /// The manifest `known_manifest`, which covers `covered`, was the newest one of the newest epoch after `confirmed_at`.
    pub(super) fn new(
        environment: Arc<dyn Environment>,
        ost: Ost,
        epoch: u32,
        head_confirm_max: Duration,
        (known_manifest, covered): (u64, Position),
        confirmed_at: Duration,
    ) -> Confirmation {
        let state = State {
            confirmed_at: Some(confirmed_at),
            known_manifest,
            known_covered_seq: covered.seq,
        };
        Confirmation {
            environment,
            ost,
            epoch,
            head_confirm_max,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what a request has just found missing was never there.
    pub(super) fn is_young(&self) -> bool {
        let now = self.environment.steady_time();
        let confirmed_at = self.state().confirmed_at;
        confirmed_at.is_some_and(|at| now.saturating_sub(at) < self.head_confirm_max)
            || mutation::is("believe-what-is-missing")
    }

    /// A request that began at `began` has found that nothing stands behind what is applied, and [`Self::is_young`] when it
    /// came back.
    pub(super) fn extend(&self, began: Duration) {
        let mut state = self.state();
        state.confirmed_at = state.confirmed_at.max(Some(began));
    }

    /// Believes nothing until it has been listed again.
    pub(super) fn expire(&self) {
        self.state().confirmed_at = None;
    }

    /// Makes sure that nothing lies ahead of `applied`, by listing if the last confirmation is too old.
    ///
    /// # Errors
    /// `Compacted` when something does: the newest manifest has to be loaded.
    pub(super) async fn ensure(&self, applied: Position) -> Result<(), Error> {
        if self.is_young() {
            return Ok(());
        }
        let began = self.environment.steady_time();
        let newest_epoch = EpochFile::newest_number(&self.ost, self.epoch).await?;
        if newest_epoch > self.epoch {
            return Err(Error::new(
                ErrorKind::Compacted,
                format!("epoch {newest_epoch} has begun since {applied} was applied"),
            ));
        }
        let covered_seq = self.newest_covered_seq().await?;
        if covered_seq > applied.seq {
            return Err(Error::new(
                ErrorKind::Compacted,
                format!(
                    "data files hold everything up to {covered_seq}, and {applied} was applied last"
                ),
            ));
        }
        self.extend(began);
        Ok(())
    }

    async fn newest_covered_seq(&self) -> Result<u64, Error> {
        let known = {
            let state = self.state();
            (state.known_manifest, state.known_covered_seq)
        };
        let start_after = Manifest::numbered_key(self.epoch, known.0);
        let prefix = Manifest::prefix(self.epoch);
        loop {
            let newer = crate::store::list_numbered(&self.ost, &prefix, Some(&start_after)).await?;
            let Some(newest) = newer.last() else {
                return Ok(known.1);
            };
            let manifest = match Manifest::load(&self.ost, newest).await {
                Ok((manifest, _)) => manifest,
                // Removed since it was listed, so there are newer ones.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let mut state = self.state();
            state.known_manifest = manifest.number;
            state.known_covered_seq = manifest.covered.seq;
            return Ok(manifest.covered.seq);
        }
    }
}
