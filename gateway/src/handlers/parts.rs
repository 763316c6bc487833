//! Parts of requests and replies.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use futures::future::LocalBoxFuture;
use runservice::client::LogStep;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service::{Audit, Context, Json, Opened};

pub(super) use service::{Parameters, Segment};

use crate::Error;
use crate::actions::{Gateway, LogSelection, Page, RunOwner, ValueOwner};
use crate::auth::Caller;
use crate::error::unauthorized;

/// The answer of an action, as a reply.
pub(super) type Reply = Result<HttpResponse, Error>;

/// Who asks, on routes that need it.
pub(super) struct Forced {
    pub(super) caller: Caller,
    context: Context,
}

impl Forced {
    /// Notes a change that has been made. None of the parts may be a secret.
    pub(super) fn record(&self, action: &str, kind: &str, id: &str) {
        Audit::new(self.context.clone(), self.caller.shown()).record(action, kind, id);
    }
}

impl FromRequest for Forced {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Forced, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { forced(&request).await })
    }
}

async fn forced(request: &HttpRequest) -> Result<Forced, Error> {
    let context = Context::extract(request).into_inner()?;
    let caller = authenticate(request).await?;
    let caller = caller
        .ok_or_else(|| unauthorized("a token is needed: Authorization: token … or bearer …"))?;
    Ok(Forced { caller, context })
}

async fn authenticate(request: &HttpRequest) -> Result<Option<Caller>, Error> {
    let Opened(gateway) = Opened::<Gateway>::extract(request).into_inner()?;
    let address = request.peer_addr().map(|address| address.ip());
    let authenticator = gateway.authenticator();
    authenticator
        .authenticate(request.headers(), request.query_string(), address)
        .await
}

/// Who asks, on routes that serve everybody. A token that is none is refused there, too.
pub(super) struct Optional(pub(super) Option<Caller>);

impl FromRequest for Optional {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Optional, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { authenticate(&request).await.map(Optional) })
    }
}

/// Who asks and what is sent, which is looked at only then.
pub(super) struct Sent<T> {
    pub(super) who: Forced,
    pub(super) body: T,
}

impl<T: DeserializeOwned + 'static> FromRequest for Sent<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Sent<T>, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let who = forced(&request).await?;
            let Json(body) = Json::from_request(&request, &mut payload).await?;
            Ok(Sent { who, body })
        })
    }
}

/// The first two segments of a path, as what has runs.
pub(super) struct RunsOf(pub(super) RunOwner);

impl FromRequest for RunsOf {
    type Error = Error;
    type Future = Ready<Result<RunsOf, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(owner(request, payload).map(|(kind, reference)| {
            RunsOf(match kind.as_str() {
                "users" => RunOwner::User(reference),
                _ => RunOwner::Project(reference),
            })
        }))
    }
}

/// The first two segments of a path, as what has secrets and variables.
pub(super) struct ValuesOf(pub(super) ValueOwner);

impl FromRequest for ValuesOf {
    type Error = Error;
    type Future = Ready<Result<ValuesOf, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(owner(request, payload).map(|(kind, reference)| {
            ValuesOf(match kind.as_str() {
                "projectgroups" => ValueOwner::ProjectGroup(reference),
                _ => ValueOwner::Project(reference),
            })
        }))
    }
}

fn owner(request: &HttpRequest, payload: &mut Payload) -> Result<(String, String), Error> {
    let Segment(kind) = Segment::<0>::from_request(request, payload).into_inner()?;
    let Segment(reference) = Segment::<1>::from_request(request, payload).into_inner()?;
    Ok((kind, reference))
}

/// The fourth segment of a path, as the number of a run.
pub(super) struct RunNumber(pub(super) u64);

impl FromRequest for RunNumber {
    type Error = Error;
    type Future = Ready<Result<RunNumber, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let segment = Segment::<3>::from_request(request, payload).into_inner();
        ready(segment.and_then(|Segment(text)| {
            let number = text.parse().map(RunNumber);
            number.map_err(|_| Error::bad_request(format!("{text:?} is no number of a run")))
        }))
    }
}

/// `start`, `limit` and `asc`.
pub(super) fn page(parameters: &Parameters) -> Result<Page, Error> {
    Ok(Page {
        start: parameters.value("start").to_owned(),
        limit: parameters.number("limit")?,
        ascending: parameters.flag("asc"),
    })
}

/// `setup` or `step`.
pub(super) fn log_selection(
    number: u64,
    task: String,
    parameters: &Parameters,
) -> Result<LogSelection, Error> {
    let step = parameters.number("step")?;
    let step = match (parameters.flag("setup"), step) {
        (true, None) => LogStep::Setup,
        // Greater than the number of steps of any task.
        (false, Some(step)) => LogStep::Step(u32::try_from(step).unwrap_or(u32::MAX)),
        _ => return Err(Error::bad_request("either setup or step has to be given")),
    };
    Ok(LogSelection { number, task, step })
}

/// Something that was found or changed.
pub(super) fn ok(value: &impl Serialize) -> HttpResponse {
    service::json::reply(StatusCode::OK, value)
}

/// Something that is new, and what most changes answer.
pub(super) fn created(value: &impl Serialize) -> HttpResponse {
    service::json::reply(StatusCode::CREATED, value)
}

/// The answer to a deletion.
pub(super) fn gone() -> HttpResponse {
    HttpResponse::NoContent()
        .content_type("application/json")
        .finish()
}

/// The answer to what has nothing to say.
pub(super) fn done() -> HttpResponse {
    HttpResponse::Ok().finish()
}
