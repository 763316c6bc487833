//! Requests to executors.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Response, StatusCode, Url, redirect};
use service::config::invalid;
use tokio::sync::Semaphore;

use crate::Error;
use crate::RunSettings;
use crate::api::ExecutorTask;
use crate::objects::Part;

/// How long a connection to an executor may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an executor may take to take a task in.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an executor may take to begin an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the next piece of a log or an archive may take, but for one that is followed.
const PIECE_TIMEOUT: Duration = Duration::from_secs(60);
/// Peers that are gone are noticed after a few of these.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Tasks that are pushed at once. Beyond it executors find theirs when they ask next.
const PUSHES_MAX: usize = 256;

/// Asks executors, which are found by the URLs that they have told.
#[derive(Clone)]
pub(crate) struct ExecutorClient {
    client: Client,
    /// For logs that are followed: silence is what they mostly have.
    following: Client,
    pushes: Arc<Semaphore>,
}

/// Why an executor has not given what it was asked for.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// It has no such thing.
    NotFound,
    /// It will not give it, however often it is asked.
    Refused(StatusCode),
    /// It may give it later.
    Unavailable(String),
}

impl fmt::Display for FetchError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FetchError::NotFound => formatter.write_str("the executor does not have it"),
            FetchError::Refused(status) => write!(formatter, "the executor answers {status}"),
            FetchError::Unavailable(cause) => formatter.write_str(cause),
        }
    }
}

impl ExecutorClient {
    /// # Errors
    /// A file that the settings name, and that cannot be used.
    pub(crate) fn new(settings: &RunSettings) -> Result<ExecutorClient, Error> {
        let headers = token(&settings.executor_token_file)?;
        let authorities = authorities(&settings.executor_ca_file)?;
        let builder = || {
            let builder = Client::builder();
            let authorities = authorities.iter().cloned();
            authorities
                .fold(builder, reqwest::ClientBuilder::add_root_certificate)
                .default_headers(headers.clone())
                .connect_timeout(CONNECT_TIMEOUT)
                .tcp_keepalive(KEEP_ALIVE)
                .redirect(redirect::Policy::none())
                .referer(false)
        };
        let client = builder().read_timeout(PIECE_TIMEOUT).build();
        Ok(ExecutorClient {
            client: client.map_err(Error::internal)?,
            following: builder().build().map_err(Error::internal)?,
            pushes: Arc::new(Semaphore::new(PUSHES_MAX)),
        })
    }

    /// Hands a task to an executor in the background. If that fails, the executor finds it when it asks next.
    pub(crate) fn push(&self, instance: &str, listen_url: &str, task: ExecutorTask) {
        let Ok(permit) = self.pushes.clone().try_acquire_owned() else {
            return;
        };
        let (client, instance) = (self.client.clone(), instance.to_owned());
        let listen_url = listen_url.to_owned();
        tokio::spawn(async move {
            let pushed = push(&client, &listen_url, &task).await;
            if let Err(cause) = pushed {
                let (id, executor) = (&task.id, &task.spec.executor_id);
                log::debug!(instance = instance; "task {id:?} was not taken by executor {executor:?}: {cause}");
            }
            drop(permit);
        });
    }

    /// Begins to read a log or an archive of a task.
    pub(crate) async fn fetch(
        &self,
        listen_url: &str,
        task_id: &str,
        part: Part,
        follow: bool,
    ) -> Result<Response, FetchError> {
        let (path, mut query) = part.query();
        query.push(("taskid", task_id.to_owned()));
        if follow {
            query.push(("follow", String::new()));
        }
        let url = url(listen_url, path, &query)?;
        let client = if follow {
            &self.following
        } else {
            &self.client
        };
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, client.get(url).send()).await;
        let answer = answer
            .map_err(|_| FetchError::Unavailable("the executor does not answer".to_owned()))?
            .map_err(|cause| unavailable(&cause))?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::NOT_FOUND => Err(FetchError::NotFound),
            status @ (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) => Err(
                FetchError::Unavailable(format!("the executor answers {status}")),
            ),
            status if status.is_client_error() => Err(FetchError::Refused(status)),
            status => Err(FetchError::Unavailable(format!(
                "the executor answers {status}"
            ))),
        }
    }
}

/// The header with the token of this file, if one is named.
fn token(path: &Path) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    if path.as_os_str().is_empty() {
        return Ok(headers);
    }
    let key = "runservice.executorTokenFile";
    let text = read(key, path)?;
    let value = HeaderValue::from_str(&format!("Bearer {}", text.trim()));
    let mut value = value.map_err(|_| {
        let accepted = "the file has characters that no header can have";
        invalid(key, &path.display().to_string(), accepted)
    })?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(headers)
}

/// The certificates of this file, if one is named.
fn authorities(path: &Path) -> Result<Vec<Certificate>, Error> {
    if path.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let key = "runservice.executorCAFile";
    let pem = read(key, path)?;
    let found = Certificate::from_pem_bundle(pem.as_bytes());
    found.map_err(|cause| {
        let accepted = format!("certificates in PEM are expected: {cause}");
        invalid(key, &path.display().to_string(), &accepted)
    })
}

fn read(key: &str, path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|cause| {
        let shown = path.display().to_string();
        invalid(key, &shown, &format!("the file cannot be read: {cause}"))
    })
}

async fn push(client: &Client, listen_url: &str, task: &ExecutorTask) -> Result<(), FetchError> {
    let url = url(listen_url, "executor", &[])?;
    let body =
        serde_json::to_vec(task).map_err(|cause| FetchError::Unavailable(cause.to_string()))?;
    let request = client.post(url).timeout(PUSH_TIMEOUT).body(body);
    let request = request.header(CONTENT_TYPE, "application/json");
    let answer = request.send().await.map_err(|cause| unavailable(&cause))?;
    match answer.status() {
        StatusCode::OK => Ok(()),
        status => Err(FetchError::Refused(status)),
    }
}

fn url(listen_url: &str, path: &str, query: &[(&str, String)]) -> Result<Url, FetchError> {
    let base = listen_url.trim_end_matches('/');
    let unusable = || FetchError::Unavailable("the executor's URL cannot be used".to_owned());
    let mut url: Url = format!("{base}/api/v1alpha/{path}")
        .parse()
        .map_err(|_| unusable())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(unusable());
    }
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    Ok(url)
}

fn unavailable(cause: &reqwest::Error) -> FetchError {
    use std::error::Error as _;
    let mut text = "the executor does not answer".to_owned();
    let mut source = cause.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    FetchError::Unavailable(text)
}
