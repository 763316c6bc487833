//! The whole content of the store, out and in.

use std::io;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use datamanager::{ExportFormat, ExportOptions, ImportOptions, ImportReport};
use futures::stream::{self, Stream};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

use super::Operations;
use super::maintenance::{Requested, empty};
use crate::api::{ErrorBody, Mode};
use crate::{Audit, Context, Error, ErrorKind, ExportStream, Service};

/// Pieces between the store and the connection.
const PIECES_MAX: usize = 4;

/// The query of an export.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
pub(crate) struct ExportQuery {
    /// `agola`, which is the default, or `native`.
    format: Option<String>,
    /// Whether it is compressed with zstd; it need not have a value.
    zstd: Option<String>,
}

/// One piece of a stream, and its end. A stream that ends in any other way was cut off.
enum Piece {
    Bytes(Bytes),
    End,
}

/// The content of the store as one stream. If it fails, the connection is cut off rather than ended.
#[utoipa::path(get, path = "/api/v1alpha/export", tag = "operations", params(ExportQuery), responses(
    (status = 200, description = "The stream.", content_type = "application/octet-stream"),
    (status = 400, description = "An unknown format.", body = ErrorBody),
    (status = 503, description = "The store does not answer.", body = ErrorBody)
))]
pub(crate) async fn export<S: Service>(
    request: HttpRequest,
    query: web::Query<ExportQuery>,
    context: Context,
    audit: Audit,
) -> Result<HttpResponse, Error> {
    let operations: Operations<S> = super::of(&request)?;
    let store = context.store()?;
    let state = operations.inner.state.get()?;
    let format: ExportFormat = match &query.format {
        None => ExportFormat::Agola,
        Some(format) => {
            let parsed = format.parse();
            parsed.map_err(|error: datamanager::Error| Error::bad_request(error.to_string()))?
        }
    };
    let service = &operations.inner.service;
    let is_compressed = query.zstd.is_some();
    let export = match service.export(state, format).await? {
        Some(_) if is_compressed => {
            return Err(Error::bad_request(
                "an export in this format is not compressed",
            ));
        }
        Some(export) => export,
        None => {
            let mut options = ExportOptions::new().format(format).zstd(is_compressed);
            if let Some(conversion) = service.export_conversion(state, format) {
                options = options.conversion(conversion);
            }
            let export = store.export(options).await?;
            export.into_stream().map_err(Error::from).boxed()
        }
    };
    audit.record("export", "store", &format.to_string());
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let feeding = feed(export, sender, context.clone());
    context.runtime().spawn(feeding);
    let content_type = match query.zstd {
        Some(_) => "application/zstd",
        None => "application/octet-stream",
    };
    Ok(HttpResponse::Ok()
        .content_type(content_type)
        .streaming(pieces(receiver)))
}

/// Hands on the pieces of an export, until it ends, the client has gone or reads nothing, or the server stops. Only the
/// first of these is told as an end.
async fn feed(mut export: ExportStream, sender: mpsc::Sender<Piece>, context: Context) {
    let idle_timeout = context.limits().stream_idle_timeout;
    let work = async {
        loop {
            let piece = match export.next().await {
                Some(Ok(piece)) => Piece::Bytes(piece),
                None => Piece::End,
                Some(Err(error)) => {
                    log::error!(instance = context.instance(); "an export was broken off: {}", error.chain());
                    return;
                }
            };
            let is_end = matches!(piece, Piece::End);
            match tokio::time::timeout(idle_timeout, sender.send(piece)).await {
                Ok(Ok(())) if !is_end => {}
                Ok(_) => return,
                Err(_) => {
                    log::warn!(instance = context.instance(); "an export was broken off: nobody read it for {idle_timeout:?}");
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

/// Replaces the content of the store by that of an export, in all instances at once.
#[utoipa::path(post, path = "/api/v1alpha/import", tag = "operations",
    request_body(content = Vec<u8>, content_type = "application/octet-stream",
        description = "An export, in either format, compressed or not."),
    responses(
        (status = 200, description = "The store holds what was sent, and nothing else."),
        (status = 400, description = "Not in maintenance, or no whole export; nothing has changed.", body = ErrorBody),
        (status = 409, description = "Not all instances are in maintenance yet; nothing has changed.", body = ErrorBody),
        (status = 503, description = "The store does not answer.", body = ErrorBody)
))]
pub(crate) async fn import<S: Service>(
    request: HttpRequest,
    payload: web::Payload,
    context: Context,
    audit: Audit,
) -> Result<HttpResponse, Error> {
    let operations: Operations<S> = super::of(&request)?;
    let store = context.store()?.clone();
    let state = operations.inner.state.get()?.clone();
    let requested = Requested::read(&store).await?;
    if requested.mode != Mode::Maintenance {
        let message = "an import is accepted in maintenance alone";
        return Err(Error::bad_request(message).with_code("not_in_maintenance"));
    }
    let late = requested.waiting_for();
    if !late.is_empty() {
        let message = format!("not in maintenance yet: {}", late.join(", "));
        let error = Error::new(ErrorKind::Conflict, message);
        return Err(error.with_code("instances_not_in_maintenance"));
    }
    let service = operations.inner.service.clone();
    let (expanding, expanded_state) = (service.clone(), state.clone());
    let options = ImportOptions::new()
        .expansion_by_format(move |format| expanding.import_expansion(&expanded_state, format))
        .conversion_by_format(move |format| service.import_conversion(&state, format));
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let reader = StreamReader::new(Box::pin(pieces(receiver)));
    // It goes on when the client leaves: an import that is dropped in the middle counts as under way.
    let work = async move {
        let imported = store.import(reader, options).await;
        if let Ok(report) = &imported {
            audit.record("import", "store", &format!("{} entries", report.entries));
        }
        imported
    };
    let work = context.runtime().spawn(work);
    let sending = send(payload, sender, context.limits().stream_idle_timeout);
    let (sent, imported) = futures::join!(sending, work);
    outcome(sent, imported.map_err(Error::internal)?)?;
    Ok(empty())
}

/// What a client is told. If its body broke off, that is why nothing was imported.
fn outcome(
    sent: Result<(), Error>,
    imported: Result<ImportReport, datamanager::Error>,
) -> Result<(), Error> {
    let Err(error) = imported else {
        return Ok(());
    };
    sent?;
    Err(match error.kind() {
        // It tells of what was sent.
        datamanager::ErrorKind::Invalid => {
            let message = format!("nothing was imported: {}", error.chain());
            Error::bad_request(message).with_code("invalid_import")
        }
        _ => Error::from(error),
    })
}

/// Hands on a body, with its end if it has one. Stops when nobody takes it any more.
async fn send(
    mut payload: web::Payload,
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
