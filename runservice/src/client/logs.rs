//! Logs and events, as streams.

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use service::Error;
use service::client::Path;

use super::Client;
use super::queries::flag;
use crate::api::RunEvent;

/// Bytes of one event, at most.
const EVENT_BYTES_MAX: usize = 64 * 1024;

/// What has a log in a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStep {
    /// The preparations.
    Setup,
    /// The step at this place, from 0 on.
    Step(u32),
}

/// One log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskLog<'a> {
    /// The run.
    pub run: &'a str,
    /// The task of it.
    pub task: &'a str,
    /// What of the task.
    pub step: LogStep,
}

impl TaskLog<'_> {
    fn path(&self) -> Path {
        let path = Path::of(["logs"])
            .query("runid", self.run)
            .query("taskid", self.task);
        match self.step {
            LogStep::Setup => path.query("setup", ""),
            LogStep::Step(place) => path.query("step", place.to_string()),
        }
    }
}

impl Client {
    /// What a log has by now.
    ///
    /// # Errors
    /// `NotFound` if there is no such log, or none yet; see [`Client`].
    pub async fn log(
        &self,
        log: &TaskLog<'_>,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        self.base.download(&log.path()).await
    }

    /// What a log has and gets, until its step has ended.
    ///
    /// # Errors
    /// As [`Client::log`].
    pub async fn follow_log(
        &self,
        log: &TaskLog<'_>,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        self.base.follow(&flag(log.path(), "follow", true)).await
    }

    /// Deletes a log that has been collected.
    ///
    /// # Errors
    /// `NotFound` if there is no such log, `BadRequest` as long as it is not collected; see [`Client`].
    pub async fn delete_log(&self, log: &TaskLog<'_>) -> Result<(), Error> {
        self.base.delete(&log.path()).await
    }

    /// What becomes of runs: the events behind the one with sequence `after`, and those that come; without one only those
    /// that come. It ends when the service stops.
    ///
    /// # Errors
    /// See [`Client`]; in the stream, that it was cut off, or what is no event.
    pub async fn run_events(
        &self,
        after: Option<&str>,
    ) -> Result<impl Stream<Item = Result<RunEvent, Error>> + Send + Unpin + use<>, Error> {
        let path = Path::of(["runs", "events"]).optional("startruneventid", after);
        let pieces = self.base.follow(&path).await?;
        let frames = Frames {
            pieces,
            buffer: BytesMut::new(),
            has_ended: false,
        };
        Ok(Box::pin(stream::unfold(frames, async |mut frames| {
            let event = frames.next().await?;
            Some((event, frames))
        })))
    }
}

/// Events out of a body of `text/event-stream` in which each is one line.
struct Frames<S> {
    pieces: S,
    buffer: BytesMut,
    has_ended: bool,
}

impl<S: Stream<Item = Result<Bytes, Error>> + Send + Unpin> Frames<S> {
    async fn next(&mut self) -> Option<Result<RunEvent, Error>> {
        while !self.has_ended {
            if let Some(length) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(length + 1);
                if let Some(event) = event(line.trim_ascii_end()) {
                    self.has_ended = event.is_err();
                    return Some(event);
                }
                continue;
            }
            if self.buffer.len() > EVENT_BYTES_MAX {
                self.has_ended = true;
                return Some(Err(unexpected(format!(
                    "an event has more than {EVENT_BYTES_MAX} bytes"
                ))));
            }
            match self.pieces.next().await {
                Some(Ok(piece)) => self.buffer.extend_from_slice(&piece),
                Some(Err(error)) => {
                    self.has_ended = true;
                    return Some(Err(error));
                }
                None => self.has_ended = true,
            }
        }
        None
    }
}

/// The event that stands in a line. Comments and other fields are passed over.
fn event(line: &[u8]) -> Option<Result<RunEvent, Error>> {
    let data = line.strip_prefix(b"data:")?;
    Some(serde_json::from_slice(data).map_err(unexpected))
}

fn unexpected(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::internal(cause).with_code("unexpected_answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn events(pieces: Vec<Result<Bytes, Error>>) -> Vec<Result<String, String>> {
        let mut frames = Frames {
            pieces: stream::iter(pieces),
            buffer: BytesMut::new(),
            has_ended: false,
        };
        let mut events = Vec::new();
        while let Some(event) = frames.next().await {
            let event = event.map(|event| event.sequence);
            events.push(event.map_err(|error| error.code().to_owned()));
        }
        events
    }

    #[tokio::test]
    async fn events_are_read_however_they_are_cut() {
        let body = b"data: {\"Sequence\":\"1\"}\n\n: still there\n\ndata:{\"Sequence\":\"2\"}\r\n\r\ndata: {\"Sequ";
        for size in 1..body.len() {
            let pieces = body.chunks(size).map(|piece| Ok(Bytes::from_static(piece)));
            let expected = [Ok("1".to_owned()), Ok("2".to_owned())];
            assert_eq!(events(pieces.collect()).await, expected, "{size}");
        }
    }

    #[tokio::test]
    async fn what_is_no_event_ends_the_stream() {
        let text = Bytes::from_static(b"data: x\n\ndata: {}\n\n");
        let wrong = events(vec![Ok(text)]).await;
        assert_eq!(wrong, [Err("unexpected_answer".to_owned())]);
        let long = Bytes::from(vec![b'd'; EVENT_BYTES_MAX + 1]);
        let wrong = events(vec![Ok(long)]).await;
        assert_eq!(wrong, [Err("unexpected_answer".to_owned())]);
        let cut = events(vec![Err(Error::unavailable("cut off"))]).await;
        assert_eq!(cut, [Err("unavailable".to_owned())]);
    }
}
