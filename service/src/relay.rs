//! Streams between a connection and the work behind it: a few pieces are held, whoever is too slow is cut off, and a stream
//! that breaks off is never taken for a whole one.

use std::io;
use std::time::Duration;

use actix_web::web::Payload;
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use tokio::sync::mpsc;

use crate::{Context, Error, ErrorKind, ExportStream};

/// Pieces between the work and the connection.
const PIECES_MAX: usize = 4;

/// One piece of a stream, and its end. A stream that ends in any other way was cut off.
enum Piece {
    Bytes(Bytes),
    End,
}

/// The body of a reply. The stream is read ahead by a few pieces. It is given up, and the connection is cut off rather than
/// ended, when it fails, when nobody takes a piece for [`Limits::stream_idle_timeout`](crate::config::Limits), and when the
/// server stops. When the client has gone it is dropped at once, even while nothing comes.
///
/// `what` names it in the log.
pub fn outgoing(
    stream: ExportStream,
    context: &Context,
    what: &'static str,
) -> impl Stream<Item = io::Result<Bytes>> + use<> {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let feeding = feed(stream, sender, context.clone(), what);
    context.runtime().spawn(feeding);
    pieces(receiver)
}

/// Hands on the pieces of a stream, until it ends, the client has gone or reads nothing, or the server stops. Only the first
/// of these is told as an end.
async fn feed(
    mut stream: ExportStream,
    sender: mpsc::Sender<Piece>,
    context: Context,
    what: &'static str,
) {
    let idle_timeout = context.limits().stream_idle_timeout;
    let work = async {
        loop {
            let next = tokio::select! {
                next = stream.next() => next,
                () = sender.closed() => return,
            };
            let piece = match next {
                Some(Ok(piece)) => Piece::Bytes(piece),
                None => Piece::End,
                Some(Err(error)) => {
                    log::error!(instance = context.instance(); "{what} was broken off: {}", error.chain());
                    return;
                }
            };
            let is_end = matches!(piece, Piece::End);
            match tokio::time::timeout(idle_timeout, sender.send(piece)).await {
                Ok(Ok(())) if !is_end => {}
                Ok(_) => return,
                Err(_) => {
                    log::warn!(instance = context.instance(); "{what} was broken off: nobody read it for {idle_timeout:?}");
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = work => {}
        () = context.stopped() => {}
    }
}

/// The pieces up to the end; an error if there was none.
fn pieces(receiver: mpsc::Receiver<Piece>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold(Some(receiver), |receiver| async move {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Piece::End) => None,
            None => {
                let cut = io::Error::new(io::ErrorKind::UnexpectedEof, "the stream was cut off");
                Some((Err(cut), None))
            }
        }
    })
}

/// The body of a request, for work in another task: the stream that this work reads, and what has to be awaited beside it.
/// The stream ends with an error if the body does not come to its end, and what is awaited tells why.
pub fn incoming(
    payload: Payload,
    idle_timeout: Duration,
) -> (
    impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    impl Future<Output = Result<(), Error>>,
) {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    (pieces(receiver), send(payload, sender, idle_timeout))
}

/// Hands on a body, with its end if it has one. Stops when nobody takes it any more.
async fn send(
    mut payload: Payload,
    sender: mpsc::Sender<Piece>,
    idle_timeout: Duration,
) -> Result<(), Error> {
    loop {
        let next = tokio::time::timeout(idle_timeout, payload.next()).await;
        let piece = match next {
            Ok(Some(Ok(bytes))) => Piece::Bytes(bytes),
            Ok(None) => Piece::End,
            Ok(Some(Err(cause))) => {
                let message = "the body could not be read to its end; nothing was imported";
                return Err(Error::bad_request(message).with_source(cause));
            }
            Err(_) => {
                let message = format!("nothing came for {idle_timeout:?}; nothing was imported");
                return Err(Error::new(ErrorKind::Timeout, message));
            }
        };
        let is_end = matches!(piece, Piece::End);
        if sender.send(piece).await.is_err() || is_end {
            return Ok(());
        }
    }
}
