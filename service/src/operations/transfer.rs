//! The whole content of the store, out and in.

use actix_web::{HttpRequest, HttpResponse, web};
use datamanager::{ExportFormat, ExportOptions, ImportOptions, ImportReport};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use tokio_util::io::StreamReader;

use super::Operations;
use super::maintenance::{Requested, empty};
use crate::api::{ErrorBody, Mode};
use crate::{Audit, Context, Error, ErrorKind, Service, relay};

/// The query of an export.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
pub(crate) struct ExportQuery {
    /// `agola`, which is the default, or `native`.
    format: Option<String>,
    /// Whether it is compressed with zstd; it need not have a value.
    zstd: Option<String>,
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
    let content_type = match query.zstd {
        Some(_) => "application/zstd",
        None => "application/octet-stream",
    };
    Ok(HttpResponse::Ok()
        .content_type(content_type)
        .streaming(relay::outgoing(export, &context, "an export")))
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
    let (body, sending) = relay::incoming(payload, context.limits().stream_idle_timeout);
    let reader = StreamReader::new(Box::pin(body));
    // It goes on when the client leaves: an import that is dropped in the middle counts as under way.
    let work = async move {
        let imported = store.import(reader, options).await;
        if let Ok(report) = &imported {
            audit.record("import", "store", &format!("{} entries", report.entries));
        }
        imported
    };
    let work = context.runtime().spawn(work);
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
