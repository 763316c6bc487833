//! An S3 that answers as a script says, without a network.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::{ClientOptions, Result};
use tokio::time::Instant;

use crate::backend::{Backend, BackendKind};
use crate::bucket::s3_builder;
use crate::bucket::watching::Watching;
use crate::ost::UploadLimits;
use crate::ost_url::Provider;
use crate::path::BasePath;
use crate::{Ost, OstOptions};

/// One answer: a status with a body, or a connection that broke.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Status(u16, &'static str),
    /// A status that asks for a wait, as the service writes it.
    RetryAfter(u16, &'static str),
    Broken(HttpErrorKind),
}

/// What was asked, and when by tokio's clock.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) signed_at: String,
    pub(super) authorization: String,
    pub(super) body_bytes: usize,
    pub(super) at: Instant,
}

impl Request {
    fn new(request: &HttpRequest) -> Request {
        let header = |name| {
            let value = request.headers().get(name);
            value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
        };
        Request {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            signed_at: header("x-amz-date"),
            authorization: header("authorization"),
            body_bytes: request.body().content_length(),
            at: Instant::now(),
        }
    }
}

type Script = dyn FnMut(&Request) -> Answer + Send;

/// Asks the script for each answer, and notes the requests.
#[derive(Clone)]
pub(super) struct Scripted {
    script: Arc<Mutex<Script>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Scripted {
    pub(super) fn new(script: impl FnMut(&Request) -> Answer + Send + 'static) -> Scripted {
        Scripted {
            script: Arc::new(Mutex::new(script)),
            requests: Arc::default(),
        }
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The requests as methods and paths.
    pub(super) fn lines(&self) -> Vec<String> {
        let requests = self.requests();
        let lines = requests
            .iter()
            .map(|request| format!("{} {}", request.method, request.path));
        lines.collect()
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Scripted")
    }
}

impl HttpConnector for Scripted {
    fn connect(&self, _options: &ClientOptions) -> Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Scripted {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = Request::new(&request);
        self.requests.lock().unwrap().push(request.clone());
        let answer = (self.script.lock().unwrap())(&request);
        match answer {
            Answer::Broken(kind) => Err(HttpError::new(kind, std::io::Error::other("scripted"))),
            Answer::Status(status, body) => Ok(response(status, body.to_owned())),
            Answer::RetryAfter(status, wait) => {
                let mut response = response(status, "SlowDown".to_owned());
                let headers = response.headers_mut();
                headers.insert("retry-after", wait.parse().unwrap());
                Ok(response)
            }
        }
    }
}

fn response(status: u16, body: String) -> HttpResponse {
    let length = body.len().to_string().parse().unwrap();
    let mut response = HttpResponse::new(HttpResponseBody::from(body));
    *response.status_mut() = status.try_into().unwrap();
    let headers = response.headers_mut();
    headers.insert("etag", "\"1\"".parse().unwrap());
    headers.insert("content-length", length);
    headers.insert(
        "last-modified",
        "Tue, 01 Jan 2030 00:00:00 GMT".parse().unwrap(),
    );
    response
}

/// Gives the answers in order, and the last one for ever.
pub(super) fn in_order(answers: &[Answer]) -> impl FnMut(&Request) -> Answer + Send + 'static {
    let mut answers = answers.to_vec();
    move |_| {
        if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0]
        }
    }
}

pub(super) fn scripted(script: impl FnMut(&Request) -> Answer + Send + 'static) -> (Scripted, Ost) {
    scripted_with(UploadLimits::default(), script)
}

pub(super) fn scripted_with(
    limits: UploadLimits,
    script: impl FnMut(&Request) -> Answer + Send + 'static,
) -> (Scripted, Ost) {
    let s3 = Scripted::new(script);
    let options = OstOptions {
        region: Some("eu".to_owned()),
        ..OstOptions::default()
    };
    let builder = s3_builder("bucket", &options)
        .with_access_key_id("key")
        .with_secret_access_key("secret")
        .with_http_connector(Watching::new(s3.clone(), true));
    let backend = Backend {
        store: Arc::new(builder.build().unwrap()),
        kind: BackendKind::Bucket(Provider::S3),
    };
    let base_path = BasePath::parse("base").unwrap();
    let location = "s3://bucket/base".to_owned();
    (
        s3,
        Ost::from_parts(backend, base_path, location, None, limits),
    )
}
