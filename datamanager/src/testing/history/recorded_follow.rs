//! A listener that is recorded.

use super::event::{CursorPosition, Event, Key, OperationId, Value};
use super::recorder::Recorder;
use crate::{Cursor, Error, Follow, FollowedTransaction};

/// A listener of a [`Client`](super::Client). When it is dropped it is recorded how far it has come.
#[derive(Debug)]
pub struct RecordedFollow {
    recorder: Recorder,
    listener: OperationId,
    follow: Follow,
}

impl RecordedFollow {
    pub(super) fn new(recorder: Recorder, listener: OperationId, follow: Follow) -> RecordedFollow {
        recorder.record(Event::Listening {
            listener: listener.clone(),
            cursor: cursor_position(follow.cursor()),
        });
        RecordedFollow {
            recorder,
            listener,
            follow,
        }
    }

    /// As [`Follow::cursor`].
    pub fn cursor(&self) -> Cursor {
        self.follow.cursor()
    }

    /// As [`Follow::next`].
    ///
    /// # Errors
    /// As there; the end is recorded when the listener is dropped.
    pub async fn next(&mut self) -> Result<FollowedTransaction, Error> {
        let transaction = self.follow.next().await?;
        let writes = transaction.writes.iter().map(|write| {
            let key = Key::new(&write.data_type, &write.id);
            (key, write.value.clone().map(Value))
        });
        self.recorder.record(Event::Delivered {
            listener: self.listener.clone(),
            at: self.recorder.now(),
            position: transaction.position,
            index: transaction.index,
            writes: writes.collect(),
        });
        Ok(transaction)
    }
}

impl Drop for RecordedFollow {
    fn drop(&mut self) {
        self.recorder.record(Event::Stopped {
            listener: self.listener.clone(),
            cursor: cursor_position(self.follow.cursor()),
        });
    }
}

fn cursor_position(cursor: Cursor) -> CursorPosition {
    CursorPosition {
        seq: cursor.seq,
        delivered: cursor.delivered,
    }
}
