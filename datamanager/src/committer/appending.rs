//! Appending a record, and finding out what became of it.

use std::time::Duration;

use futures::StreamExt;

use super::Committer;
use crate::failpoint;
use crate::log::{Append, Senders};
use crate::mutation;
use crate::record::Record;
use crate::{Error, ErrorKind, Outcome, Position};

/// How long the committer waits before it sends a record again whose fate is unclear.
const UNCLEAR_RETRY_DELAY: Duration = Duration::from_millis(100);

/// What became of an append.
pub(super) enum Settled {
    Committed,
    Lost,
    /// Another record stands there, and it is the last of its log.
    Ended,
    /// Nothing was sent, since a caller has gone: the others are to be validated without it.
    Withdrawn,
    Refused(Error),
    Unknown(Error),
}

impl Committer {
    /// Appends a record on top of `expected` and sees to it that what became of it is applied.
    pub(super) async fn append(
        &mut self,
        expected: Position,
        mut record: Record,
        senders: &dyn Senders,
    ) -> Result<Settled, Error> {
        let position = record.position;
        let encoded = match record.encode() {
            Ok(encoded) => encoded,
            Err(error) => return Ok(Settled::Refused(error)),
        };
        record.bytes = encoded.len() as u64;
        let settled = self
            .append_until_settled(expected, position, encoded, senders)
            .await?;
        if let Settled::Committed = &settled
            && self.state.position() == expected
        {
            self.state.apply(record)?;
        }
        Ok(match settled {
            // There is no next number in this log.
            Settled::Lost if self.is_sealed() && !mutation::is("append-behind-a-seal") => {
                Settled::Ended
            }
            settled => settled,
        })
    }

    async fn append_until_settled(
        &mut self,
        expected: Position,
        position: Position,
        encoded: bytes::Bytes,
        senders: &dyn Senders,
    ) -> Result<Settled, Error> {
        let started = self.environment.steady_time();
        let mut unclear = None;
        loop {
            failpoint::pass("append-begun");
            match (
                self.log
                    .append(expected, position, encoded.clone(), senders)
                    .await,
                unclear.take(),
            ) {
                (Append::Appended, _) => {
                    failpoint::pass("append-done");
                    return Ok(Settled::Committed);
                }
                (Append::Behind, _) => return self.settle_behind(position).await,
                (Append::Lost { told, is_certain }, earlier) => {
                    let is_certain = is_certain && earlier.is_none();
                    if is_certain {
                        senders.sent_in_vain();
                    }
                    // The record that stands there may be this one, sent before with its answer lost.
                    let own = match self.catch_up_past(position, told).await {
                        Ok(own) => own,
                        Err(error) if error.kind() == ErrorKind::Unavailable => {
                            return Ok(match is_certain {
                                true => Settled::Refused(error),
                                false => Settled::Unknown(error),
                            });
                        }
                        Err(error) if error.kind() == ErrorKind::Compacted => {
                            return self.settle_behind(position).await;
                        }
                        Err(error) => return Err(error),
                    };
                    return Ok(if own && !mutation::is("read-nothing-back") {
                        Settled::Committed
                    } else {
                        Settled::Lost
                    });
                }
                (Append::Withdrawn, None) => return Ok(Settled::Withdrawn),
                (Append::Refused(error), None) => return Ok(Settled::Refused(error)),
                // What was sent before may still land, whatever became of this attempt.
                (Append::Refused(_) | Append::Withdrawn, Some(earlier)) => {
                    return Ok(Settled::Unknown(earlier));
                }
                (Append::Unclear(error), _) if mutation::is("take-unclear-for-failed") => {
                    return Ok(Settled::Refused(error));
                }
                (Append::Unclear(error), earlier) => {
                    let waited = self.environment.steady_time().saturating_sub(started);
                    if waited >= self.log.unclear_timeout() {
                        return Ok(Settled::Unknown(earlier.unwrap_or(error)));
                    }
                    unclear = Some(error);
                    self.environment.sleep(UNCLEAR_RETRY_DELAY).await;
                }
            }
        }
    }

    /// Goes on from the newest manifest, and lets what stands behind the record at `position` say whether it counts (R15).
    async fn settle_behind(&mut self, position: Position) -> Result<Settled, Error> {
        self.reload().await?;
        let history = self.opener.history(self.state.store());
        let decided = history.decide(self.state.shared(), position).await;
        Ok(match decided {
            Ok(Outcome::Committed) => Settled::Committed,
            Ok(Outcome::NotCommitted) => Settled::Lost,
            Ok(_) => Settled::Unknown(Error::unavailable(
                "the log has gone on, and what would tell is no longer kept",
            )),
            Err(error) => Settled::Unknown(error),
        })
    }

    /// Applies all that stands in the log now. `Compacted` when that is not the newest state, for the next epoch has begun.
    pub(super) async fn catch_up(&mut self) -> Result<(), Error> {
        self.apply_rest(Position::START).await?;
        if self.is_sealed() {
            self.opener.check_newest_epoch(self.state.epoch()).await?;
        }
        Ok(())
    }

    /// Catches up, with what the log has `told` already, and says whether the record at `position.seq` is the one named by
    /// `position`.
    async fn catch_up_past(
        &mut self,
        position: Position,
        told: Vec<Record>,
    ) -> Result<bool, Error> {
        let mut own = false;
        for record in told {
            own |= record.position == position;
            self.apply_foreign(record)?;
        }
        if self.state.position().seq >= position.seq {
            return Ok(own);
        }
        self.apply_rest(position).await
    }

    /// Applies what stands in the log behind the applied state, and says whether the record at `position` is a part of it.
    async fn apply_rest(&mut self, position: Position) -> Result<bool, Error> {
        let mut own = false;
        let log = self.log.clone();
        let mut records = log.read(self.state.position());
        loop {
            self.state.set_held_up_by(Some(
                "what other processes have committed meanwhile cannot be read yet",
            ));
            let record = records.next().await.transpose();
            self.state.set_held_up_by(None);
            let Some(record) = record? else {
                return Ok(own);
            };
            own |= record.position == position;
            self.apply_foreign(record)?;
        }
    }

    pub(super) fn apply_foreign(&mut self, record: Record) -> Result<(), Error> {
        if record.position.seq <= self.state.position().seq {
            return Ok(()); // applied already, as one of this process or on catching up
        }
        self.state.apply(record)
    }
}
