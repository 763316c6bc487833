//! Events of runs, for those who follow them.

use std::collections::VecDeque;

use datamanager::{Document, Follow, ScanOptions, Snapshot};
use futures::stream::{self, BoxStream, StreamExt};

use super::Actions;
use crate::Error;
use crate::api::RunEvent;
use crate::store::EventDocument;

/// Events that are read at once.
const BATCH_EVENTS_MAX: usize = 256;

/// One who follows events.
struct Follower {
    /// Reads what was there at the beginning; `None` behind it.
    replay: Option<Snapshot>,
    follow: Follow,
    /// The newest event that was given.
    last: String,
    /// What was read and not yet given.
    events: VecDeque<EventDocument>,
}

impl Actions {
    /// The events behind a place, and all that come; without a place those that come. It ends when the log cannot be followed
    /// any more: whoever begins again behind the last event has missed none that is kept.
    pub(crate) fn events(&self, start: &str) -> BoxStream<'static, Result<RunEvent, Error>> {
        let (snapshot, follow) = self.store().snapshot_and_follow();
        let follower = Follower {
            replay: (!start.is_empty()).then_some(snapshot),
            follow,
            last: start.to_owned(),
            events: VecDeque::new(),
        };
        stream::try_unfold(follower, |mut follower| async move {
            let event = follower.next().await?;
            Ok(Some((event.to_api(), follower)))
        })
        .boxed()
    }
}

impl Follower {
    async fn next(&mut self) -> Result<EventDocument, Error> {
        loop {
            if let Some(event) = self.events.pop_front() {
                // An event of a replay may come again from the log.
                if event.id > self.last {
                    self.last.clone_from(&event.id);
                    return Ok(event);
                }
                continue;
            }
            match self.replay.take() {
                Some(snapshot) => self.read(snapshot).await?,
                None => self.await_events().await?,
            }
        }
    }

    /// Reads what is kept behind the last event.
    async fn read(&mut self, snapshot: Snapshot) -> Result<(), Error> {
        let behind = ScanOptions::new()
            .after(self.last.clone())
            .limit(BATCH_EVENTS_MAX);
        let events = snapshot.documents::<EventDocument>(&behind)?;
        self.events.extend(events.collect().await?);
        if self.events.len() == BATCH_EVENTS_MAX {
            self.replay = Some(snapshot);
        }
        Ok(())
    }

    async fn await_events(&mut self) -> Result<(), Error> {
        let transaction = self.follow.next().await?;
        for write in transaction.writes {
            if write.data_type != EventDocument::TYPE {
                continue;
            }
            if let Some(value) = write.value {
                let event = serde_json::from_slice(&value).map_err(Error::internal)?;
                self.events.push_back(event);
            }
        }
        Ok(())
    }
}
