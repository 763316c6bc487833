//! Creates against a scripted S3.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::{ClientOptions, Result};

use super::attempts::Watching;
use super::s3_builder;
use crate::backend::{Backend, BackendKind};
use crate::ost::UploadLimits;
use crate::path::BasePath;
use crate::{Create, ErrorKind, ObjectPath, Ost, OstOptions};

/// One answer: a status with a body, or a connection that broke.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Status(u16, &'static str),
    Broken(HttpErrorKind),
}

/// Gives its answers in order, and the last one for ever.
#[derive(Clone, Debug)]
struct Scripted {
    answers: Arc<Mutex<Vec<Answer>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl HttpConnector for Scripted {
    fn connect(&self, _options: &ClientOptions) -> Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Scripted {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let line = format!("{} {}", request.method(), request.uri().path());
        self.requests.lock().unwrap().push(line);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 {
            answers.remove(0)
        } else {
            answers[0]
        };
        match answer {
            Answer::Broken(kind) => Err(HttpError::new(kind, std::io::Error::other("scripted"))),
            Answer::Status(status, body) => {
                let mut response = HttpResponse::new(HttpResponseBody::from(body.to_owned()));
                *response.status_mut() = status.try_into().unwrap();
                let length = body.len().to_string().parse().unwrap();
                let headers = response.headers_mut();
                headers.insert("etag", "\"1\"".parse().unwrap());
                headers.insert("content-length", length);
                headers.insert(
                    "last-modified",
                    "Tue, 01 Jan 2030 00:00:00 GMT".parse().unwrap(),
                );
                Ok(response)
            }
        }
    }
}

fn scripted(answers: &[Answer]) -> (Scripted, Ost) {
    let s3 = Scripted {
        answers: Arc::new(Mutex::new(answers.to_vec())),
        requests: Arc::default(),
    };
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
        kind: BackendKind::Bucket,
    };
    let base_path = BasePath::parse("base").unwrap();
    let location = "s3://bucket/base".to_owned();
    (
        s3,
        Ost::from_parts(backend, base_path, location, None, UploadLimits::default()),
    )
}

async fn create(answers: &[Answer]) -> (Result<Create, ErrorKind>, usize) {
    let (s3, ost) = scripted(answers);
    let path = ObjectPath::parse("wal/1").unwrap();
    let created = ost
        .create(&path, "mine".into())
        .await
        .map_err(|error| error.kind());
    let requests = s3.requests.lock().unwrap().len();
    (created, requests)
}

const OK: Answer = Answer::Status(200, "");
const EXISTS: Answer = Answer::Status(412, "PreconditionFailed");
const CONFLICT: Answer = Answer::Status(409, "ConditionalRequestConflict");
const ERROR: Answer = Answer::Status(500, "InternalError");
const SLOW: Answer = Answer::Status(429, "SlowDown");
const BROKEN: Answer = Answer::Broken(HttpErrorKind::Interrupted);
const UNREACHED: Answer = Answer::Broken(HttpErrorKind::Connect);

#[tokio::test(start_paused = true)]
async fn os_07_conflict_is_tried_again_and_precondition_means_exists() {
    assert_eq!(
        create(&[CONFLICT, CONFLICT, OK]).await,
        (Ok(Create::Created), 3)
    );
    assert_eq!(create(&[CONFLICT, EXISTS]).await, (Ok(Create::Exists), 2));
    assert_eq!(create(&[EXISTS]).await, (Ok(Create::Exists), 1));
}

#[tokio::test(start_paused = true)]
async fn create_that_meets_its_own_earlier_attempt_is_created() {
    let mine = Answer::Status(200, "mine");
    let other = Answer::Status(200, "other");
    for unclear in [
        ERROR,
        BROKEN,
        Answer::Broken(HttpErrorKind::Timeout),
        Answer::Status(503, ""),
    ] {
        assert_eq!(
            create(&[unclear, EXISTS, mine]).await,
            (Ok(Create::Created), 3),
            "{unclear:?}"
        );
        assert_eq!(
            create(&[unclear, EXISTS, other]).await,
            (Ok(Create::Exists), 3),
            "{unclear:?}"
        );
        assert_eq!(
            create(&[unclear, OK]).await,
            (Ok(Create::Created), 2),
            "{unclear:?}"
        );
        let gone = Answer::Status(404, "");
        assert_eq!(
            create(&[unclear, EXISTS, gone]).await,
            (Err(ErrorKind::Unknown), 3),
            "{unclear:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn create_that_may_have_been_done_is_unknown_and_one_that_was_not_is_unavailable() {
    assert_eq!(create(&[BROKEN]).await.0, Err(ErrorKind::Unknown));
    assert_eq!(create(&[ERROR]).await.0, Err(ErrorKind::Unknown));
    assert_eq!(
        create(&[BROKEN, Answer::Status(403, "")]).await,
        (Err(ErrorKind::Unknown), 2)
    );
    assert_eq!(create(&[UNREACHED]).await.0, Err(ErrorKind::Unavailable));
    assert_eq!(create(&[SLOW]).await.0, Err(ErrorKind::Unavailable));
    assert_eq!(create(&[CONFLICT]).await.0, Err(ErrorKind::Unavailable));
    assert_eq!(
        create(&[Answer::Status(403, "")]).await,
        (Err(ErrorKind::Denied), 1)
    );
}

#[tokio::test(start_paused = true)]
async fn answers_get_the_kind_that_tells_what_to_do() {
    let path = ObjectPath::parse("x").unwrap();
    for (status, read, write) in [
        (400, ErrorKind::Invalid, ErrorKind::Invalid),
        (401, ErrorKind::Denied, ErrorKind::Denied),
        (403, ErrorKind::Denied, ErrorKind::Denied),
        // A bucket that is not there is nothing to take as absent.
        (404, ErrorKind::NotFound, ErrorKind::Invalid),
        (429, ErrorKind::Unavailable, ErrorKind::Unavailable),
        (503, ErrorKind::Unavailable, ErrorKind::Unavailable),
    ] {
        let (_, ost) = scripted(&[Answer::Status(status, "")]);
        assert_eq!(ost.get(&path).await.unwrap_err().kind(), read, "{status}");
        assert_eq!(
            ost.put(&path, "".into()).await.unwrap_err().kind(),
            write,
            "{status}"
        );
        assert_eq!(
            ost.list_level("").await.unwrap_err().kind(),
            write,
            "{status}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn os_17_range_of_an_empty_object_is_empty() {
    let path = ObjectPath::parse("x").unwrap();
    let (s3, ost) = scripted(&[Answer::Status(416, "InvalidRange"), OK]);
    assert_eq!(ost.get_range(&path, 0..10).await.unwrap(), "");
    let requests = s3.requests.lock().unwrap().clone();
    assert_eq!(requests, ["GET /bucket/base/x", "HEAD /bucket/base/x"]);
}

#[tokio::test(start_paused = true)]
async fn os_01_key_on_the_wire_is_encoded_once() {
    let (s3, ost) = scripted(&[OK]);
    for key in ["a%20b", "a b", "c#d+e?", "ä/漢"] {
        ost.put(&ObjectPath::parse(key).unwrap(), "".into())
            .await
            .unwrap();
        let request = s3.requests.lock().unwrap().pop().unwrap();
        let wire = request
            .strip_prefix("PUT /bucket/base/")
            .unwrap()
            .replace('+', "%2B");
        let query = format!("={wire}");
        let (_, decoded) = url::form_urlencoded::parse(query.as_bytes())
            .next()
            .unwrap();
        assert_eq!(decoded, key, "{wire}");
    }
}
