//! The base of typed clients: requests to one service, with what every one of them needs.
//!
//! Where several instances have one store, a client may be told of all of them: it stays with one, and goes to the next
//! when that one cannot be reached. A client sees its own writes on every instance: it remembers the newest position that
//! a reply carried, and asks for it with each request. It shows its token to the service alone, not to hosts that a
//! redirect leads to.
//!
//! ```no_run
//! # async fn example() -> Result<(), service::Error> {
//! use service::client::{Client, Path};
//!
//! let client = Client::builder("http://127.0.0.1:4002").bearer_token("0123456789abcdef").build()?;
//! let user: serde_json::Value = client.get(&Path::of(["users", "ann"])).await?;
//! client.put::<_, ()>(&Path::of(["users", "ann"]), &user).await?;
//! # Ok(())
//! # }
//! ```

mod operations;
mod path;
mod streams;

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::{CALLER, ErrorBody};
use crate::position::{MIN_POSITION, POSITION, Position};
use crate::{Error, ErrorKind};

pub use path::Path;

const API: &str = "/api/v1alpha";
/// How often a request that changes nothing is sent, at most.
const ATTEMPTS_MAX: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long a connection without a request is kept; less than servers keep it.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const REDIRECTS_MAX: usize = 5;
/// After how long without a byte a peer is asked whether it is still there. Streams that may be silent rest on it.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Bytes of an answer that is read whole, at most.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The same for the answer to a failure.
const FAILURE_BYTES_MAX: usize = 64 * 1024;

/// Options of a [`Client`], or of a typed client `C` that is made from one.
#[derive(Clone)]
pub struct Builder<C = Client> {
    base_urls: String,
    bearer_token: Option<String>,
    certificates: Vec<Vec<u8>>,
    connect_timeout: Duration,
    timeout: Duration,
    makes: PhantomData<fn() -> C>,
}

/// Without the token.
impl<C> fmt::Debug for Builder<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Builder")
            .field("base_urls", &self.base_urls)
            .finish_non_exhaustive()
    }
}

impl<C: From<Client>> Builder<C> {
    /// Options for the service at `base_urls`, as `https://host:port`, with commas between several instances of it;
    /// `/api/v1alpha` is added.
    pub fn new(base_urls: impl Into<String>) -> Builder<C> {
        Builder {
            base_urls: base_urls.into(),
            bearer_token: None,
            certificates: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
            makes: PhantomData,
        }
    }

    /// Shows this token with every request.
    pub fn bearer_token(mut self, token: impl Into<String>) -> Builder<C> {
        self.bearer_token = Some(token.into());
        self
    }

    /// Trusts this certificate (PEM) beside those that the system trusts.
    pub fn certificate_authority(mut self, pem: impl Into<Vec<u8>>) -> Builder<C> {
        self.certificates.push(pem.into());
        self
    }

    /// How long a connection may take to be made. Default 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Builder<C> {
        self.connect_timeout = timeout;
        self
    }

    /// How long one attempt may take from its begin to the end of the answer, and how long the next piece of a stream may
    /// take. Default 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Builder<C> {
        self.timeout = timeout;
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// `BadRequest`: a URL, token or certificate that cannot be used.
    pub fn build(self) -> Result<C, Error> {
        let base_urls = self.base_urls.split(',').map(base_url);
        let base_urls: Vec<String> = base_urls.collect::<Result<_, Error>>()?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(token) = &self.bearer_token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value.map_err(|_| {
                Error::bad_request("the bearer token has characters that no header can have")
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let http = self.http()?;
        let cannot_be_made =
            |cause| Error::bad_request("the client cannot be made").with_source(cause);
        let patient = http().tcp_keepalive(KEEPALIVE).build();
        let http = http().read_timeout(self.timeout).build();
        Ok(C::from(Client {
            inner: Arc::new(Inner {
                http: http.map_err(cannot_be_made)?,
                patient: patient.map_err(cannot_be_made)?,
                base_urls,
                used: AtomicUsize::new(0),
                headers,
                timeout: self.timeout,
                position: Mutex::new(None),
            }),
            caller: None,
        }))
    }

    /// Makes builders of connections.
    fn http(&self) -> Result<impl Fn() -> reqwest::ClientBuilder, Error> {
        let mut trusted = Vec::new();
        for pem in &self.certificates {
            let unreadable = "a certificate that is to be trusted cannot be read";
            let certificates = Certificate::from_pem_bundle(pem)
                .map_err(|cause| Error::bad_request(unreadable).with_source(cause))?;
            if certificates.is_empty() {
                return Err(Error::bad_request(unreadable));
            }
            trusted.extend(certificates);
        }
        let connect_timeout = self.connect_timeout;
        Ok(move || {
            let http = reqwest::Client::builder()
                .connect_timeout(connect_timeout)
                // Before the server closes it: a request that meets a closed connection may or may not have been done.
                .pool_idle_timeout(POOL_IDLE_TIMEOUT)
                // It takes the token away when another host or port comes.
                .redirect(reqwest::redirect::Policy::limited(REDIRECTS_MAX))
                .referer(false);
            let trusted = trusted.iter().cloned();
            trusted.fold(http, reqwest::ClientBuilder::add_root_certificate)
        })
    }
}

/// Requests to one service. Cheap to clone; clones share connections and the position.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    /// For whom it asks.
    caller: Option<HeaderValue>,
}

struct Inner {
    http: reqwest::Client,
    /// For streams in which nothing may come for as long as it likes.
    patient: reqwest::Client,
    base_urls: Vec<String>,
    /// The place of the one that requests go to now.
    used: AtomicUsize,
    headers: HeaderMap,
    timeout: Duration,
    /// The newest that a reply has carried.
    position: Mutex<Option<Position>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("base_urls", &self.inner.base_urls)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Options for the service at `base_urls`, as `https://host:port`, with commas between several instances of it;
    /// `/api/v1alpha` is added.
    pub fn builder(base_urls: impl Into<String>) -> Builder {
        Builder::new(base_urls)
    }

    /// A client with the same options that has seen nothing yet.
    pub fn forgetful(&self) -> Client {
        Client {
            inner: Arc::new(Inner {
                http: self.inner.http.clone(),
                patient: self.inner.patient.clone(),
                base_urls: self.inner.base_urls.clone(),
                used: AtomicUsize::new(self.inner.used.load(Ordering::Relaxed)),
                headers: self.inner.headers.clone(),
                timeout: self.inner.timeout,
                position: Mutex::new(None),
            }),
            caller: self.caller.clone(),
        }
    }

    /// A client that says for whom it asks, which the service notes in its log of changes. Shares connections and the
    /// position with this one. What no header can hold is left out.
    pub fn on_behalf_of(&self, caller: &str) -> Client {
        let shown = caller.bytes().filter(|byte| (b' '..=b'~').contains(byte));
        let shown: Vec<u8> = shown.collect();
        Client {
            inner: self.inner.clone(),
            caller: HeaderValue::from_bytes(&shown).ok(),
        }
    }

    /// The newest position that a reply has carried.
    pub fn position(&self) -> Option<Position> {
        let position = self.inner.position.lock();
        *position.unwrap_or_else(PoisonError::into_inner)
    }

    /// Has requests answered from a state that is at least as new as `position`, which another client may have seen.
    pub fn remember(&self, position: Position) {
        let known = self.inner.position.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        *known = (*known).max(Some(position));
    }

    /// Gets a value. Sent again if the service does not answer or is unavailable for a moment.
    ///
    /// # Errors
    /// What the service answers; `Unavailable` if it does not.
    pub async fn get<T: DeserializeOwned>(&self, path: &Path) -> Result<T, Error> {
        decode(self.look(Method::GET, path).await?).await
    }

    /// Whether something is there, which HEAD tells. Sent again as [`Client::get`] is.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn exists(&self, path: &Path) -> Result<bool, Error> {
        match self.look(Method::HEAD, path).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sends a request that changes nothing, several times if need be.
    async fn look(&self, method: Method, path: &Path) -> Result<Response, Error> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            match self.send(method.clone(), path, None).await {
                Err(error) if may_pass(&error) && attempt < ATTEMPTS_MAX => {
                    self.inner.leave(self.inner.base_url());
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Sends a value with POST. `()` is an answer without a body, `serde::de::IgnoredAny` one that is not looked at.
    ///
    /// # Errors
    /// What the service answers; `Unavailable` if it was not reached, `Unknown` if its answer was not.
    pub async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &Path,
        body: &B,
    ) -> Result<T, Error> {
        self.send_value(Method::POST, path, body).await
    }

    /// Sends a value with PUT.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn put<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &Path,
        body: &B,
    ) -> Result<T, Error> {
        self.send_value(Method::PUT, path, body).await
    }

    /// Sends PUT without a body.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn put_empty(&self, path: &Path) -> Result<(), Error> {
        decode(self.send(Method::PUT, path, None).await?).await
    }

    /// Deletes.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn delete(&self, path: &Path) -> Result<(), Error> {
        decode(self.send(Method::DELETE, path, None).await?).await
    }

    async fn send_value<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &Path,
        body: &B,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body).map_err(Error::internal)?;
        decode(self.send(method, path, Some(body.into())).await?).await
    }

    async fn send(
        &self,
        method: Method,
        path: &Path,
        body: Option<Bytes>,
    ) -> Result<Response, Error> {
        let mut request = self.request(method, path)?.timeout(self.inner.timeout);
        if let Some(body) = body {
            let json = HeaderValue::from_static("application/json");
            request = request.header(CONTENT_TYPE, json).body(body);
        }
        self.answer(request).await
    }

    fn request(&self, method: Method, path: &Path) -> Result<reqwest::RequestBuilder, Error> {
        self.request_by(&self.inner.http, method, path)
    }

    fn request_by(
        &self,
        http: &reqwest::Client,
        method: Method,
        path: &Path,
    ) -> Result<reqwest::RequestBuilder, Error> {
        let url = format!("{}{API}{}", self.inner.base_url(), path.checked()?);
        let mut headers = self.inner.headers.clone();
        if let Some(position) = self.position() {
            let value = HeaderValue::from_str(&position.to_string());
            headers.insert(MIN_POSITION, value.map_err(Error::internal)?);
        }
        if let Some(caller) = &self.caller {
            headers.insert(CALLER, caller.clone());
        }
        Ok(http.request(method, url).headers(headers))
    }

    /// The answer to a request, if it is a good one. Its position is remembered in any case.
    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Response, Error> {
        let response = self.inner.send(request).await?;
        let position = response.headers().get(POSITION);
        let position = position.and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(position) = position {
            self.remember(position);
        }
        let status = response.status();
        match status.is_success() || status == StatusCode::NOT_MODIFIED {
            true => Ok(response),
            false => Err(refused(response).await),
        }
    }
}

impl Inner {
    /// The instance that requests go to now.
    fn base_url(&self) -> &str {
        let used = self.used.load(Ordering::Relaxed) % self.base_urls.len();
        &self.base_urls[used]
    }

    /// Has requests go to the next instance, if they go to this one.
    fn leave(&self, base_url: &str) {
        let place = self.base_urls.iter().position(|known| known == base_url);
        let Some(place) = place else { return };
        let next = (place + 1) % self.base_urls.len();
        // Otherwise somebody else has seen it first.
        let order = Ordering::Relaxed;
        let _ = self.used.compare_exchange(place, next, order, order);
    }

    /// Sends a request, and to the other instances in turn while none can be reached: one that was not reached has done
    /// nothing. A body that is a stream goes to one alone.
    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, Error> {
        let (http, request) = request.build_split();
        let mut request = request.map_err(Error::internal)?;
        let mut others = self.base_urls.len() - 1;
        loop {
            let again = request.try_clone();
            let cause = match http.execute(request).await {
                Err(cause) if cause.is_connect() && others > 0 => cause,
                result => return result.map_err(unanswered),
            };
            others -= 1;
            request = again
                .and_then(|request| self.to_next(request))
                .ok_or_else(|| unanswered(cause))?;
        }
    }

    /// The same request to the next instance; this one could not be reached.
    fn to_next(&self, mut request: reqwest::Request) -> Option<reqwest::Request> {
        let url = request.url().as_str();
        let (used, path) = self.base_urls.iter().find_map(|used| {
            let path = url.strip_prefix(used.as_str())?;
            path.starts_with('/').then_some((used, path))
        })?;
        self.leave(used);
        let url = format!("{}{path}", self.base_url());
        *request.url_mut() = reqwest::Url::parse(&url).ok()?;
        Some(request)
    }
}

/// One URL as it was given, without the slash at its end.
fn base_url(given: &str) -> Result<String, Error> {
    let given = given.trim();
    let parsed = reqwest::Url::parse(given).ok();
    let usable =
        parsed.filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none());
    let url = usable.ok_or_else(|| {
        Error::bad_request(format!(
            "{given:?} is no http:// or https:// URL of a service"
        ))
    })?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether a failure may be over in a moment. Maintenance lasts.
fn may_pass(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Unavailable => error.code() != "maintenance",
        // The request has changed nothing, so it does not matter whether it was carried out.
        ErrorKind::Unknown => true,
        _ => false,
    }
}

/// What it means that no answer came.
fn unanswered(cause: reqwest::Error) -> Error {
    // The URL is in the text of the cause, and may have things in it that do not belong into logs.
    let cause = cause.without_url();
    if cause.is_connect() {
        return Error::unavailable("the service cannot be reached").with_source(cause);
    }
    let message = "the service did not answer; what was asked for may or may not have been done";
    Error::new(ErrorKind::Unknown, message).with_source(cause)
}

/// The failure that an answer tells of.
async fn refused(response: Response) -> Error {
    let status = response.status();
    let kind = ErrorKind::of_status(status.as_u16());
    let body = read(response, FAILURE_BYTES_MAX).await.unwrap_or_default();
    let body: Option<ErrorBody> = serde_json::from_slice(&body).ok();
    let (code, message) = body.map_or_else(Default::default, |body| (body.code, body.message));
    let message = match message.is_empty() {
        true => format!("the service answered {status}"),
        false => message,
    };
    match code.is_empty() {
        true => Error::new(kind, message),
        false => Error::new(kind, message).with_code(code),
    }
}

async fn decode<T: DeserializeOwned>(response: Response) -> Result<T, Error> {
    let status = response.status();
    let body = read(response, ANSWER_BYTES_MAX).await?;
    let body: &[u8] = match body.is_empty() || status == StatusCode::NO_CONTENT {
        true => b"null",
        false => &body,
    };
    serde_json::from_slice(body)
        .map_err(|cause| Error::internal(cause).with_code("unexpected_answer"))
}

async fn read(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(unanswered)? {
        if body.len() + piece.len() > bytes_max {
            let message = format!("the answer has more than {bytes_max} bytes");
            return Err(Error::internal(message).with_code("unexpected_answer"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}
