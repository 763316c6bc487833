//! Logs and workspace archives.

use std::io::SeekFrom;
use std::path::Path;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONNECTION, ContentType};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, Stream};
use service::relay::outgoing;
use service::{Context, Opened, Parameters};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::Error;
use crate::engine::Engine;
use crate::task_directory::LogPart;
use crate::task_log::LogProgress;

/// What is read of a file at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The log of a step, or of the preparations.
#[utoipa::path(get, path = "/api/v1alpha/executor/logs", tag = "files", params(
    ("taskid" = String, Query, description = "The task."),
    ("setup" = Option<String>, Query, description = "The preparations; only its presence counts."),
    ("step" = Option<u32>, Query, description = "The step, from 0 on."),
    ("follow" = Option<String>, Query,
        description = "Goes on until the step has ended; only its presence counts."),
), responses((status = 200, description = "The log.", content_type = "application/octet-stream")))]
pub(super) async fn log(
    Opened(engine): Opened<Engine>,
    context: Context,
    parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let part = match (parameters.flag("setup"), step(&parameters)?) {
        (true, None) => LogPart::Setup,
        (false, Some(step)) => LogPart::Step(step),
        _ => return Err(Error::bad_request("either setup or step has to be given")),
    };
    let (path, progress) = engine.log(task_id(&parameters)?, part)?;
    let (file, length) = open(&path).await?;
    if !parameters.flag("follow") {
        return Ok(sized(file, length));
    }
    let following = Following {
        file,
        position: 0,
        progress,
    };
    let mut response = HttpResponse::Ok();
    response
        .content_type(ContentType::octet_stream())
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONNECTION, "keep-alive"));
    let pieces = following.pieces().boxed();
    Ok(response.streaming(outgoing(pieces, &context, "a log that is followed")))
}

/// What a step has saved for later tasks, a tar.
#[utoipa::path(get, path = "/api/v1alpha/executor/archives", tag = "files", params(
    ("taskid" = String, Query, description = "The task."),
    ("step" = u32, Query, description = "The step that has saved it, from 0 on."),
), responses((status = 200, description = "The archive.", content_type = "application/octet-stream")))]
pub(super) async fn archive(
    Opened(engine): Opened<Engine>,
    parameters: Parameters,
) -> Result<HttpResponse, Error> {
    let step = step(&parameters)?;
    let step = step.ok_or_else(|| Error::bad_request("the parameter step is missing"))?;
    let path = engine.archive(task_id(&parameters)?, step)?;
    let (file, length) = open(&path).await?;
    Ok(sized(file, length))
}

fn task_id(parameters: &Parameters) -> Result<&str, Error> {
    match parameters.value("taskid") {
        "" => Err(Error::bad_request("the parameter taskid is missing")),
        id => Ok(id),
    }
}

fn step(parameters: &Parameters) -> Result<Option<usize>, Error> {
    let step = parameters.number("step")?;
    // Greater than the number of steps of any task.
    Ok(step.map(|step| usize::try_from(step).unwrap_or(usize::MAX)))
}

async fn open(path: &Path) -> Result<(File, u64), Error> {
    let opened = async {
        let file = File::open(path).await?;
        let length = file.metadata().await?.len();
        Ok((file, length))
    };
    opened
        .await
        .map_err(|cause: std::io::Error| match cause.kind() {
            std::io::ErrorKind::NotFound => Error::not_found("there is no such file"),
            _ => Error::internal(cause),
        })
}

/// What a file has now, with its length.
fn sized(file: File, length: u64) -> HttpResponse {
    let pieces = stream::try_unfold((file, length), async |(mut file, left)| {
        let piece = read(&mut file, left).await?;
        match piece.len() as u64 {
            0 if left == 0 => Ok(None),
            0 => Err(Error::internal("the file has become shorter")),
            read => Ok(Some((piece, (file, left - read)))),
        }
    });
    HttpResponse::Ok()
        .content_type(ContentType::octet_stream())
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONNECTION, "keep-alive"))
        .no_chunking(length)
        .streaming(Box::pin(pieces))
}

/// At most `limit` bytes more of a file; none at its end.
async fn read(file: &mut File, limit: u64) -> Result<Bytes, Error> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    let limit = limit.min(PIECE_BYTES as u64);
    let reading = file.take(limit).read_to_end(&mut piece).await;
    reading.map_err(Error::internal)?;
    Ok(piece.into())
}

/// A log that is read while it is written. Nothing is held of it: who does not read costs nothing.
struct Following {
    file: File,
    position: u64,
    /// None: the log has ended.
    progress: Option<LogProgress>,
}

impl Following {
    fn pieces(self) -> impl Stream<Item = Result<Bytes, Error>> + 'static {
        stream::try_unfold(self, async |mut following| {
            let piece = following.next().await?;
            Ok((!piece.is_empty()).then_some((piece, following)))
        })
    }

    /// The next bytes, once there are some; none when the log has ended.
    async fn next(&mut self) -> Result<Bytes, Error> {
        loop {
            let piece = read(&mut self.file, u64::MAX).await?;
            if !piece.is_empty() {
                self.position += piece.len() as u64;
                return Ok(piece);
            }
            let Some(progress) = &mut self.progress else {
                return Ok(piece);
            };
            let position = self.position;
            if progress
                .wait_for(|written| *written > position)
                .await
                .is_err()
            {
                // All has been written, and may have been since the file was looked at.
                self.progress = None;
            }
            // A file remembers that it has ended.
            let seek = self.file.seek(SeekFrom::Start(position)).await;
            seek.map_err(Error::internal)?;
        }
    }
}
