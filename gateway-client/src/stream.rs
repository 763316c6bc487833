//! Bodies that are not held in memory.

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use reqwest::Response;

use crate::api::RunEventResponse;
use crate::{Error, ErrorKind};

/// Bytes of one event, at most.
const EVENT_BYTES_MAX: usize = 64 * 1024;

/// The pieces of a body. One that was cut off ends with an error.
pub(crate) fn pieces(
    response: Response,
) -> impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<> {
    Box::pin(response.bytes_stream().map(|piece| {
        piece.map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "the stream was cut off")
                .with_source(cause.without_url())
        })
    }))
}

/// The events of a body: lines `data: ` with JSON and an empty line behind each.
pub(crate) fn events(
    pieces: impl Stream<Item = Result<Bytes, Error>> + Send + Unpin,
) -> impl Stream<Item = Result<RunEventResponse, Error>> + Send + Unpin {
    let lines = Lines {
        buffer: Vec::new(),
        searched: 0,
    };
    Box::pin(stream::try_unfold(
        (pieces, lines),
        |(mut pieces, mut lines)| async {
            loop {
                while let Some(line) = lines.next() {
                    if let Some(json) = line.strip_prefix(b"data:") {
                        let event = serde_json::from_slice(json).map_err(|cause| {
                            Error::new(ErrorKind::Internal, "the gateway sent what is no event")
                                .with_source(cause)
                        })?;
                        return Ok(Some((event, (pieces, lines))));
                    }
                }
                lines.check()?;
                match pieces.next().await {
                    Some(piece) => lines.buffer.extend_from_slice(&piece?),
                    None => return Ok(None),
                }
            }
        },
    ))
}

/// Bytes that become lines.
struct Lines {
    buffer: Vec<u8>,
    /// How much of it has no line break.
    searched: usize,
}

impl Lines {
    /// Refuses a line that does not end.
    fn check(&self) -> Result<(), Error> {
        match self.buffer.len() > EVENT_BYTES_MAX {
            false => Ok(()),
            true => {
                let message = format!("an event has more than {EVENT_BYTES_MAX} bytes");
                Err(Error::new(ErrorKind::Internal, message))
            }
        }
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let found = self.buffer[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n');
        let Some(found) = found else {
            self.searched = self.buffer.len();
            return None;
        };
        let end = self.searched + found;
        let line = self.buffer[..end].to_vec();
        self.buffer.drain(..=end);
        self.searched = 0;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn events_are_read_however_they_are_cut() {
        let text = ": comment\n\ndata: {\"sequence\":\"1\",\"number\":7,\"phase\":\"running\"}\n\ndata:{\"number\":8}\n\nrest";
        for size in 1..text.len() {
            let pieces = text
                .as_bytes()
                .chunks(size)
                .map(|piece| Ok(Bytes::copy_from_slice(piece)));
            let pieces: Vec<Result<Bytes, Error>> = pieces.collect();
            let events: Vec<RunEventResponse> =
                events(stream::iter(pieces)).try_collect().await.unwrap();
            let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
            assert_eq!(numbers, [7, 8], "{size}");
        }
    }

    #[tokio::test]
    async fn what_is_no_event_is_an_error() {
        for text in ["data: x\n".to_owned(), "x".repeat(EVENT_BYTES_MAX + 1)] {
            let pieces: Vec<Result<Bytes, Error>> = vec![Ok(Bytes::from(text))];
            let mut events = events(stream::iter(pieces));
            assert!(events.next().await.unwrap().is_err());
        }
    }
}
