//! Requests with deadlines and repetitions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};

use crate::path::Path;
use crate::{Builder, Error, ErrorKind};

const API: &str = "/api/v1alpha";
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long a stream that is sent may take.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(3_600);
/// Bytes of an answer that is read whole, at most.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The same for the answer to a failure.
const FAILURE_BYTES_MAX: usize = 64 * 1024;
/// The code of a failure that lasts.
const MAINTENANCE: &str = "maintenance";

/// Requests to one gateway. Cheap to clone; clones share connections.
///
/// Every call has a deadline. Those that change nothing are sent again if the gateway does not answer or is unavailable for a
/// moment. Those that change something are sent once: after [`ErrorKind::Unknown`] it has to be looked up whether they were
/// done. The token is sent to the gateway alone, not to hosts that a redirection leads to.
///
/// # Errors
/// All functions give the kinds that [`ErrorKind`] explains.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    /// For streams in which nothing may come for as long as it likes.
    pub(crate) patient: reqwest::Client,
    pub(crate) base_url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
    pub(crate) attempts_max: u32,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("base_url", &self.inner.base_url)
            .finish_non_exhaustive()
    }
}

/// The body of a failure.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure {
    code: String,
    message: String,
}

impl Client {
    /// Options for the gateway at `base_url`, as `https://host:port`; `/api/v1alpha` is added.
    pub fn builder(base_url: impl Into<String>) -> Builder {
        Builder::new(base_url.into())
    }

    pub(crate) fn new(inner: Inner) -> Client {
        Client {
            inner: Arc::new(inner),
        }
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &Path) -> Result<T, Error> {
        let bytes = self.read(path).await?;
        decode(&bytes)
    }

    /// The body of an answer, which is asked for several times if need be.
    pub(crate) async fn read(&self, path: &Path) -> Result<Bytes, Error> {
        let deadline = self.deadline();
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let request = self.request(&self.inner.http, Method::GET, path)?;
            match whole(request, deadline).await {
                Err(error) if may_pass(&error) && attempt < self.inner.attempts_max => {
                    if Instant::now() + pause >= deadline {
                        return Err(error);
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    pub(crate) async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &Path,
        body: &B,
    ) -> Result<T, Error> {
        self.change(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &Path,
        body: &B,
    ) -> Result<T, Error> {
        self.change(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn put_empty<T: DeserializeOwned>(&self, path: &Path) -> Result<T, Error> {
        self.change(Method::PUT, path, None::<&()>).await
    }

    pub(crate) async fn delete(&self, path: &Path) -> Result<(), Error> {
        self.change(Method::DELETE, path, None::<&()>).await
    }

    /// Sends a request that may change something, once.
    async fn change<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &Path,
        body: Option<&B>,
    ) -> Result<T, Error> {
        let mut request = self.request(&self.inner.http, method, path)?;
        if let Some(body) = body {
            let body = serde_json::to_vec(body).map_err(|cause| {
                Error::new(ErrorKind::Internal, "cannot write the request").with_source(cause)
            })?;
            let json = HeaderValue::from_static("application/json");
            request = request.header(CONTENT_TYPE, json).body(body);
        }
        let answer = whole(request, self.deadline()).await?;
        decode(&answer)
    }

    /// A body that goes on for as long as something may come.
    pub(crate) async fn stream(&self, path: &Path, is_patient: bool) -> Result<Response, Error> {
        let http = match is_patient {
            true => &self.inner.patient,
            false => &self.inner.http,
        };
        let request = self.request(http, Method::GET, path)?;
        match timeout_at(self.deadline(), good(request)).await {
            Ok(response) => response,
            Err(_) => Err(unanswered_in_time()),
        }
    }

    /// Sends a stream with POST, which may take long.
    pub(crate) async fn upload(&self, path: &Path, body: reqwest::Body) -> Result<(), Error> {
        let bytes = HeaderValue::from_static("application/octet-stream");
        let request = self.request(&self.inner.patient, Method::POST, path)?;
        let request = request.header(CONTENT_TYPE, bytes).body(body);
        whole(request, Instant::now() + UPLOAD_TIMEOUT).await?;
        Ok(())
    }

    fn request(
        &self,
        http: &reqwest::Client,
        method: Method,
        path: &Path,
    ) -> Result<RequestBuilder, Error> {
        let url = format!("{}{API}{}", self.inner.base_url, path.checked()?);
        Ok(http
            .request(method, url)
            .headers(self.inner.headers.clone()))
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.inner.timeout
    }
}

/// Whether a failure may be over in a moment. Maintenance lasts.
fn may_pass(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Unavailable => error.code() != MAINTENANCE,
        // The request has changed nothing, so it does not matter whether it was carried out.
        ErrorKind::Unknown => true,
        _ => false,
    }
}

/// The whole body of a good answer.
async fn whole(request: RequestBuilder, deadline: Instant) -> Result<Bytes, Error> {
    let answer = async { limited(good(request).await?, ANSWER_BYTES_MAX).await };
    match timeout_at(deadline, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(unanswered_in_time()),
    }
}

/// An answer that is a good one.
async fn good(request: RequestBuilder) -> Result<Response, Error> {
    let response = request.send().await.map_err(unanswered)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = limited(response, FAILURE_BYTES_MAX)
        .await
        .unwrap_or_default();
    let failure: Failure = serde_json::from_slice(&body).unwrap_or_default();
    let message = match failure.message.is_empty() {
        true => format!("the gateway answered {status}"),
        false => failure.message,
    };
    Err(Error::answered(status.as_u16(), failure.code, message))
}

async fn limited(mut response: Response, bytes_max: usize) -> Result<Bytes, Error> {
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(Bytes::new());
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(unanswered)? {
        if body.len() + piece.len() > bytes_max {
            let message = format!("the answer has more than {bytes_max} bytes");
            return Err(Error::new(ErrorKind::Internal, message));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let body: &[u8] = if body.is_empty() { b"null" } else { body };
    serde_json::from_slice(body).map_err(|cause| {
        let message = "the gateway answered what is not expected";
        Error::new(ErrorKind::Internal, message).with_source(cause)
    })
}

/// What it means that no answer came.
fn unanswered(cause: reqwest::Error) -> Error {
    // The URL is in the text of the cause, and may have things in it that do not belong into logs.
    let cause = cause.without_url();
    let (kind, message) = if cause.is_redirect() {
        (
            ErrorKind::Invalid,
            "the gateway leads to where the request does not follow",
        )
    } else if cause.is_connect() {
        (ErrorKind::Unavailable, "the gateway cannot be reached")
    } else {
        let message =
            "the gateway did not answer; what was asked for may or may not have been done";
        (ErrorKind::Unknown, message)
    };
    Error::new(kind, message).with_source(cause)
}

fn unanswered_in_time() -> Error {
    let message =
        "the gateway did not answer in time; what was asked for may or may not have been done";
    Error::new(ErrorKind::Unknown, message)
}
