//! Which transactions can go into the next record, on top of what is applied and of each other.

use super::Committer;
use super::batch::{Batch, CommitRequest};
use crate::conflict::BatchWrites;
use crate::documents::Before;
use crate::entry_key::{GROUP_TYPE, raw_key};
use crate::error::Conflict;
use crate::mutation;
use crate::{Error, ErrorKind, Timestamp};

impl Committer {
    /// Sorts out which of `requests` can be committed together; those that clash with what is applied are answered here.
    pub(super) async fn validate(&self, requests: Vec<CommitRequest>, time: Timestamp) -> Batch {
        let mut batch = Batch::default();
        let checks_needed = requests.iter().any(CommitRequest::rests_on_anything);
        let mut written = BatchWrites::default();
        for mut request in requests {
            if request.ticket.is_taken_back() {
                continue;
            }
            if let Err(error) = self.check_applied(&request, time).await {
                let _ = request.reply.send(Err(to_be_tried_again(error)));
                continue;
            }
            if let Err(conflict) = check_batch(&request, &written) {
                batch.clashing.push((request, Error::conflicting(conflict)));
                continue;
            }
            if let Err(error) = self.expand_again(&mut request, &written, time).await {
                match batch.accepted.is_empty() {
                    true => drop(request.reply.send(Err(to_be_tried_again(error)))),
                    // It may be one of these that is in the way.
                    false => batch.clashing.push((request, to_be_tried_again(error))),
                }
                continue;
            }
            if checks_needed {
                let writes = request.body().writes.iter();
                writes.for_each(|write| written.add(write));
            }
            batch.accepted.push(request);
        }
        batch
    }

    /// Whether anything that the request rests on has changed in the applied state.
    async fn check_applied(&self, request: &CommitRequest, time: Timestamp) -> Result<(), Error> {
        if request.lineage != self.state.view().lineage {
            return Err(Error::conflicting(match request.epoch {
                epoch if epoch == self.state.epoch() => Conflict::TooOld,
                _ => Conflict::Epoch,
            }));
        }
        if let Some(since) = &self.state.view().control.maintenance
            && !mutation::is("commit-in-maintenance")
        {
            return Err(Error::new(
                ErrorKind::Maintenance,
                format!(
                    "the store is in maintenance since {}, switched on by {:?}",
                    since.position, since.instance
                ),
            ));
        }
        if !mutation::is("ignore-expiry-at-commit") {
            request
                .reads
                .check_expiry(time)
                .map_err(Error::conflicting)?;
        }
        self.state
            .window()
            .check(&request.reads, request.snapshot_seq)
            .map_err(Error::conflicting)?;
        for token in &request.tokens {
            // One that another process has given out may rest on a branch that was given up.
            if token.epoch != self.state.epoch() {
                return Err(Error::conflicting(Conflict::Epoch));
            }
            for name in &token.groups {
                let key = raw_key(GROUP_TYPE, name.as_bytes());
                let mut last = self.state.window().last_written(&key);
                if last.is_none() && !self.state.window().reaches(token.seq) {
                    last = self
                        .state
                        .view()
                        .files
                        .get(&key)
                        .await?
                        .map(|entry| entry.version.seq);
                }
                if last.is_some_and(|seq| seq > token.seq) {
                    return Err(Error::conflicting(Conflict::Group { name: name.clone() }));
                }
            }
        }
        Ok(())
    }

    /// Works out anew what a request takes, if what that rests on has changed since.
    async fn expand_again(
        &self,
        request: &mut CommitRequest,
        written: &BatchWrites,
        time: Timestamp,
    ) -> Result<(), Error> {
        let view = self.state.view();
        let basis = &request.expansion.basis;
        let holds = request.expanded_at.is_some_and(|expanded_at| {
            view.control.catalog.changed_seq <= expanded_at
                && !written.changes_catalog()
                && basis.check_expiry(time).is_ok()
                && self.state.window().check(basis, expanded_at).is_ok()
                && written.check(basis).is_ok()
        });
        if holds || mutation::is("expand-only-once") {
            return Ok(());
        }
        if request.expansion.cost > request.cost_max {
            return Err(Error::conflicting(Conflict::Indexes));
        }
        let before = Before {
            view,
            batch: Some(written),
            time,
        };
        request.expansion = request.intent.expand(before, &self.settings).await?;
        // It may rest on transactions of a batch that is yet to find its place.
        request.expanded_at = None;
        Ok(())
    }
}

fn check_batch(request: &CommitRequest, written: &BatchWrites) -> Result<(), Conflict> {
    written.check(&request.reads)?;
    for name in request.tokens.iter().flat_map(|token| &token.groups) {
        if written.contains(&raw_key(GROUP_TYPE, name.as_bytes())) {
            return Err(Conflict::Group { name: name.clone() });
        }
    }
    Ok(())
}

/// What a caller is told of a failed look at what its commit rests on. Data files that this process still reads from may have
/// been collected by another one: a moment later it has the newer manifest, and nothing was written.
pub(crate) fn to_be_tried_again(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Expired => Error::unavailable(
            "data files that the commit was to be checked against have been removed meanwhile",
        )
        .with_source(error),
        _ => error,
    }
}
