//! Running the gateway.

use std::future::Future;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::LOCATION;
use actix_web::middleware::{Condition, Next, from_fn};
use actix_web::web::{self, ServiceConfig};
use percent_encoding::percent_decode_str;
use service::config::invalid;
use service::{Context, Service, client};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::actions::Gateway;
use crate::auth::{AdminToken, Authenticator};
use crate::config::{NAME, Settings};
use crate::cors::Origins;
use crate::definitions::Definitions;
use crate::{Error, handlers};

/// The path below which the API is.
const API: &str = "/api/v1alpha";
/// How long the services may take to tell whether they are ready.
const READY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long what they have told holds, so that whoever asks often causes no work.
const READINESS_AGE_MAX: Duration = Duration::from_millis(500);

/// The routes, and which pages may call them.
struct Routes {
    gateway: Gateway,
    origins: Origins,
    /// When both services have told last that they are ready.
    ready: Arc<Mutex<Option<Instant>>>,
}

impl Service for Routes {
    type State = Gateway;

    fn name(&self) -> &'static str {
        NAME
    }

    async fn start_without_store(&self, _context: &Context) -> Result<Gateway, Error> {
        Ok(self.gateway.clone())
    }

    /// All of them are below.
    fn routes(&self, _routes: &mut ServiceConfig) {}

    fn whole_routes(&self, routes: &mut ServiceConfig) {
        let cors = Condition::new(self.origins != Origins::Off, self.origins.middleware());
        let api = web::scope(API)
            .configure(handlers::routes)
            .default_service(web::to(nothing_here))
            .wrap(from_fn(redirect_to_clean_path))
            // Around all else, so that every answer has what browsers want to see.
            .wrap(cors);
        routes.configure(handlers::other_routes).service(api);
    }

    async fn ready(&self, gateway: &Gateway) -> Result<(), Error> {
        let mut ready = self.ready.lock().await;
        if ready.is_some_and(|at| at.elapsed() < READINESS_AGE_MAX) {
            return Ok(());
        }
        let looked = tokio::time::timeout(READY_TIMEOUT, gateway.ready()).await;
        looked.map_err(|_| Error::unavailable("the services do not answer in time"))??;
        *ready = Some(Instant::now());
        Ok(())
    }
}

async fn nothing_here() -> Result<HttpResponse, Error> {
    Err(Error::not_found("there is nothing at this path"))
}

/// A path that is not clean once it is decoded, with `//`, `/./` or `/../` in it, is answered with where the clean one is.
async fn redirect_to_clean_path<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    match clean(request.uri().path()) {
        None => Ok(next.call(request).await?.map_into_left_body()),
        Some(path) => {
            let location = match request.query_string() {
                "" => path,
                query => format!("{path}?{query}"),
            };
            let mut response = HttpResponse::MovedPermanently();
            let response = response.insert_header((LOCATION, location)).finish();
            Ok(request.into_response(response).map_into_right_body())
        }
    }
}

/// Where a path leads that is not clean.
fn clean(path: &str) -> Option<String> {
    let decoded = percent_decode_str(path).decode_utf8().ok()?;
    let is_bad = |segment: &str| matches!(segment, "" | "." | "..");
    // The segment behind a slash at the end is empty, and that slash stays.
    let inner = decoded.strip_suffix('/').unwrap_or(&decoded);
    let mut segments = inner.split('/');
    segments.next();
    if !segments.clone().any(is_bad) {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in segments {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let escape = |segment: &&str| crate::actions::escape(segment);
    let kept: Vec<String> = kept.iter().map(escape).collect();
    let end = if decoded.ends_with('/') && !kept.is_empty() {
        "/"
    } else {
        ""
    };
    Some(format!("/{}{end}", kept.join("/")))
}

/// Runs the gateway on `listener` until `shutdown` is done, and stops it well: running requests get their answers, and
/// streams end.
///
/// # Errors
/// What in the settings cannot be used, named.
pub async fn run(
    listener: TcpListener,
    settings: &Settings,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    settings.validate()?;
    let origins = Origins::of(&settings.web.allowed_origins)?;
    if origins == Origins::Any {
        log::warn!(
            "gateway.web.allowedOrigins is \"*\": every page may call the API with a token that it has"
        );
    }
    let configstore: configstore::client::Client = build(
        settings,
        &settings.configstore_url,
        "gateway.configstoreURL",
    )?;
    let runservice: runservice::client::Client =
        build(settings, &settings.runservice_url, "gateway.runserviceURL")?;
    let admin_token = AdminToken::load(settings)?;
    let authenticator = Authenticator::new(settings, admin_token, configstore.clone())?;
    let definitions = Definitions::new(&settings.run_definitions);
    let gateway = Gateway::new(authenticator, configstore, runservice, definitions);
    let routes = Routes {
        gateway,
        origins,
        ready: Arc::default(),
    };
    service::run(listener, routes, settings.options(), shutdown).await
}

/// A client of a service behind the gateway.
fn build<C: From<client::Client>>(settings: &Settings, url: &str, key: &str) -> Result<C, Error> {
    let mut builder = client::Builder::<C>::new(url).timeout(settings.services_timeout);
    if let Some(token) = read(&settings.services_token_file, "gateway.servicesTokenFile")? {
        builder = builder.bearer_token(token.trim());
    }
    if let Some(pem) = read(&settings.services_ca_file, "gateway.servicesCAFile")? {
        builder = builder.certificate_authority(pem);
    }
    builder
        .build()
        .map_err(|cause| invalid(key, url, &cause.to_string()))
}

fn read(path: &Path, key: &str) -> Result<Option<String>, Error> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path);
    text.map(Some).map_err(|cause| {
        let shown = path.display().to_string();
        invalid(key, &shown, &format!("the file cannot be read: {cause}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_clean_leads_to_the_clean_one() {
        for (path, clean_path) in [
            (
                "/api/v1alpha/projects/a%2F%2Fb",
                "/api/v1alpha/projects/a/b",
            ),
            ("/api/v1alpha//version", "/api/v1alpha/version"),
            ("/api/v1alpha/./users/", "/api/v1alpha/users/"),
            (
                "/api/v1alpha/projects/a%2F..%2Fb",
                "/api/v1alpha/projects/b",
            ),
            ("/api/v1alpha/../../../x%3Fy", "/x%3Fy"),
            ("//", "/"),
        ] {
            assert_eq!(clean(path).as_deref(), Some(clean_path), "{path}");
        }
        for path in [
            "/",
            "/api/v1alpha/projects/user%2Fa%2Fb",
            "/api/v1alpha/users/",
            "/api/v1alpha/projects/a..b",
            "/api/v1alpha/projects/%zz",
        ] {
            assert_eq!(clean(path), None, "{path}");
        }
    }
}
