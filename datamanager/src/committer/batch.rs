//! The transactions of one record, and the answers to their callers.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::Committed;
use crate::commit_ticket::CommitTicket;
use crate::conflict::ReadSet;
use crate::documents::{Cost, Expansion, Intent};
use crate::environment::Environment;
use crate::log::Senders;
use crate::record::TransactionBody;
use crate::token::Token;
use crate::{CommitId, Error, ErrorKind, Position};

/// A transaction on its way into the log.
pub(crate) struct CommitRequest {
    /// The epoch, the lineage and the position that it read.
    pub(crate) epoch: u32,
    pub(crate) lineage: u64,
    pub(crate) snapshot_seq: u64,
    pub(crate) reads: ReadSet,
    pub(crate) tokens: Vec<Token>,
    /// What the transaction wants to do.
    pub(crate) intent: Arc<Intent>,
    /// What that takes on top of the record `expanded_at`; on top of anything else if that is `None`.
    pub(crate) expanded_at: Option<u64>,
    pub(crate) expansion: Expansion,
    /// What may be worked out again here; beyond it the caller is to do that, and gets a conflict.
    pub(crate) cost_max: Cost,
    pub(crate) ticket: Arc<CommitTicket>,
    /// Held until the request is answered.
    pub(crate) room: Option<OwnedSemaphorePermit>,
    pub(crate) reply: oneshot::Sender<Result<Committed, Error>>,
}

impl CommitRequest {
    /// All that is to be written.
    pub(crate) fn body(&self) -> &TransactionBody {
        &self.expansion.body
    }

    /// Whether other transactions can be in its way, or change what it takes.
    pub(super) fn rests_on_anything(&self) -> bool {
        !self.reads.is_empty()
            || !self.tokens.is_empty()
            || !self.expansion.basis.is_empty()
            || !self.intent.catalog_changes.is_empty()
    }
}

/// Transactions that go into the next record, and those that clash with one of them.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) accepted: Vec<CommitRequest>,
    /// Answered when the record stands: only then is the write that they clash with there to be read.
    pub(super) clashing: Vec<(CommitRequest, Error)>,
}

/// The callers of the commits in one record.
pub(super) struct BatchSenders<'a> {
    accepted: &'a [CommitRequest],
    position: Position,
}

impl Senders for BatchSenders<'_> {
    fn may_send(&self) -> bool {
        let mut accepted = (0u32..).zip(self.accepted);
        let are_there = accepted.all(|(index, request)| {
            request
                .ticket
                .put_in_flight(CommitId::in_record(self.position, index))
        });
        if !are_there {
            self.sent_in_vain();
        }
        are_there
    }

    fn sent_in_vain(&self) {
        for request in self.accepted {
            request.ticket.put_back();
        }
    }
}

impl Batch {
    pub(super) fn senders(&self, position: Position) -> BatchSenders<'_> {
        BatchSenders {
            accepted: &self.accepted,
            position,
        }
    }

    pub(super) fn refuse_clashing(&mut self) {
        for (request, error) in std::mem::take(&mut self.clashing) {
            let _ = request.reply.send(Err(error));
        }
    }

    pub(super) fn answer_all(self, error: impl Fn() -> Error) {
        for request in self
            .accepted
            .into_iter()
            .chain(self.clashing.into_iter().map(|(request, _)| request))
        {
            let _ = request.reply.send(Err(error()));
        }
    }

    /// Tells the callers of the accepted ones that they are committed. Many of them are told by a task: waking so many from
    /// a thread that is none of the runtime's own takes longer, and the next record waits for this one.
    pub(super) fn acknowledge(&mut self, position: Position, environment: &dyn Environment) {
        const TOLD_AT_ONCE_MAX: usize = 16;
        let accepted = std::mem::take(&mut self.accepted);
        let is_many = accepted.len() > TOLD_AT_ONCE_MAX;
        let tell = move || {
            for (index, request) in (0u32..).zip(accepted) {
                let _ = request.reply.send(Ok(Committed { position, index }));
            }
        };
        match is_many {
            false => tell(),
            true => environment.spawn("acknowledge", Box::pin(async move { tell() })),
        }
    }

    /// The same, of requests that are still to be appended.
    pub(super) fn acknowledge_early(&mut self, position: Position) {
        for (index, request) in (0u32..).zip(&mut self.accepted) {
            let reply = std::mem::replace(&mut request.reply, oneshot::channel().0);
            let _ = reply.send(Ok(Committed { position, index }));
        }
    }

    /// Tells the callers that it is not known whether the record at `position` is there to stay.
    pub(super) fn answer_unknown(self, position: Position, error: &Error) {
        for (index, request) in (0u32..).zip(self.accepted) {
            let unknown =
                Error::commit_unknown(CommitId::in_record(position, index), &error.chain());
            let _ = request.reply.send(Err(unknown));
        }
        for (request, clash) in self.clashing {
            // Anything but a conflict would say for sure what the record holds.
            let clash = match clash.kind() {
                ErrorKind::Conflict => clash,
                _ => Error::unavailable(
                    "another transaction is in the way, whose outcome is unknown",
                ),
            };
            let _ = request.reply.send(Err(clash));
        }
    }

    /// The requests as they came, to be validated again.
    pub(super) fn take_back(self) -> Vec<CommitRequest> {
        let mut requests: VecDeque<CommitRequest> = self.accepted.into();
        requests.extend(self.clashing.into_iter().map(|(request, _)| request));
        requests
            .iter()
            .for_each(|request| request.ticket.put_back());
        requests.into()
    }
}
