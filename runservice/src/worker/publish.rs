//! Giving events their places.

use datamanager::{Document, ScanOptions};

use super::{Duty, Next};
use crate::Error;
use crate::actions::Actions;
use crate::store::{
    EVENT_SEQUENCE, EventDocument, PendingEventDocument, Reading, SequenceDocument,
};

/// Events that one transaction numbers, at most.
const BATCH_EVENTS_MAX: usize = 256;
/// Events that one transaction removes for each that it adds, at most: so there are soon no more than are kept.
const REMOVED_PER_EVENT_MAX: u64 = 4;

impl Actions {
    /// Numbers the events that have no place yet, and removes those that are no longer kept.
    pub(crate) async fn publish_events(&self) -> Result<Next, Error> {
        let mut next = Next::default();
        let options = ScanOptions::new().limit(BATCH_EVENTS_MAX);
        // From a snapshot: that more of them come is no reason to begin again.
        let pending = self
            .snapshot()
            .documents::<PendingEventDocument>(&options)?;
        let pending = pending.collect().await?;
        if pending.is_empty() {
            return Ok(next);
        }
        let ids: Vec<&str> = pending.iter().map(Document::id).collect();
        let ids = &ids;
        let (kept, now) = (self.settings().run_events_max, self.now_seconds());
        self.database()
            .write(|mut transaction| async move {
                let sequence =
                    Reading::get::<SequenceDocument>(&mut transaction, EVENT_SEQUENCE).await?;
                let mut sequence = sequence.unwrap_or_else(|| SequenceDocument {
                    id: EVENT_SEQUENCE.to_owned(),
                    epoch: now,
                    count: 0,
                });
                let first = sequence.count;
                for id in ids {
                    // Another process may have been faster.
                    let event = transaction.get::<PendingEventDocument>(id).await?;
                    if let Some(event) = event {
                        sequence.count += 1;
                        let place = sequence.at(sequence.count).to_string();
                        transaction.put(&event.with_sequence(place))?;
                        transaction.delete::<PendingEventDocument>(id)?;
                    }
                }
                let added = sequence.count - first;
                let last = sequence.count.saturating_sub(kept);
                let removed = last.saturating_sub(added * REMOVED_PER_EVENT_MAX)..last;
                for count in removed {
                    transaction.delete::<EventDocument>(&sequence.at(count + 1).to_string())?;
                }
                transaction.put(&sequence)?;
                Ok(())
            })
            .await?;
        if pending.len() == BATCH_EVENTS_MAX {
            next.now(Duty::Publish);
        }
        Ok(next)
    }
}
