//! Services that want to be left alone, and clocks that are wrong.

use std::time::{Duration, SystemTime};

use futures::TryStreamExt;
use object_store::ClientOptions;
use object_store::client::{HttpConnector, HttpErrorKind, HttpRequest, HttpRequestBody};
use tokio::time::Instant;

use super::scripted::{Answer, Scripted, in_order, scripted};
use crate::bucket::watching::Watching;
use crate::{Create, Error, ErrorKind, ObjectPath, Ost};

const SLOW_DOWN: Answer = Answer::Status(503, "SlowDown");

/// A request must end within this, whatever the service does.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// What a caller can ask for.
const OPERATIONS: [&str; 7] = ["get", "head", "put", "create", "delete", "list", "level"];

async fn operate(ost: &Ost, operation: &str) -> Result<(), Error> {
    let path = ObjectPath::parse("x").unwrap();
    match operation {
        "get" => ost.get(&path).await.map(drop),
        "head" => ost.head(&path).await.map(drop),
        "put" => ost.put(&path, "1".into()).await,
        "create" => ost.create(&path, "1".into()).await.map(drop),
        "delete" => ost.delete(&path).await,
        "list" => ost.list("", None).try_collect::<Vec<_>>().await.map(drop),
        _ => ost.list_level("").await.map(drop),
    }
}

const EMPTY_LIST: &str = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";

fn done(query: &str) -> Answer {
    let is_list = query.contains("list-type");
    Answer::Status(200, if is_list { EMPTY_LIST } else { "1" })
}

#[tokio::test(start_paused = true)]
async fn os_19_request_outlasts_20_seconds_of_throttling_with_few_requests() {
    for operation in OPERATIONS {
        let began = Instant::now();
        let (s3, ost) = scripted(move |request| {
            if began.elapsed() < Duration::from_secs(20) {
                return SLOW_DOWN;
            }
            done(&request.query)
        });
        operate(&ost, operation).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(30), "{operation}");
        assert!(s3.requests().len() <= 23, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn os_19_request_throttled_for_ever_ends_and_the_next_one_works() {
    for status in [429, 503] {
        for operation in OPERATIONS {
            let end = Instant::now() + 2 * ENDS_WITHIN;
            let (s3, ost) = scripted(move |request| {
                if Instant::now() < end {
                    return Answer::Status(status, "SlowDown");
                }
                done(&request.query)
            });
            let began = Instant::now();
            let error = operate(&ost, operation).await.unwrap_err();
            // Behind a gateway's 503 the object may have been created.
            let expected = match (operation, status) {
                ("create", 503) => ErrorKind::Unknown,
                _ => ErrorKind::Unavailable,
            };
            assert_eq!(error.kind(), expected, "{operation} after {status}");
            assert!(began.elapsed() < ENDS_WITHIN, "{operation} after {status}");
            let requests = s3.requests();
            assert!(requests.len() <= 23, "{operation} after {status}");
            // The first waits are short; then there are only a few in a while.
            let late = requests
                .iter()
                .filter(|request| request.at - began > Duration::from_secs(60));
            assert!(late.count() <= 15, "{operation} after {status}");
            tokio::time::sleep_until(end).await;
            operate(&ost, operation).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn os_19_clients_do_not_come_back_together() {
    let mut runs = Vec::new();
    for _ in 0..3 {
        let (s3, ost) = scripted(in_order(&[SLOW_DOWN]));
        let began = Instant::now();
        operate(&ost, "get").await.unwrap_err();
        let times: Vec<Duration> = s3.requests().iter().map(|it| it.at - began).collect();
        runs.push(times);
    }
    assert!(runs[0] != runs[1] && runs[1] != runs[2], "{runs:?}");
}

#[tokio::test(start_paused = true)]
async fn os_19_wait_that_the_service_asks_for_is_kept_up_to_a_limit() {
    for (status, wait, least, most) in [
        (429, "7", 7, 8),
        (503, "7", 7, 8),
        (503, "86400", 10, 11),
        (503, "Tue, 01 Jan 2030 00:00:00 GMT", 0, 1),
    ] {
        let script = in_order(&[Answer::RetryAfter(status, wait), Answer::Status(200, "1")]);
        let (s3, ost) = scripted(script);
        operate(&ost, "get").await.unwrap();
        let requests = s3.requests();
        let waited = requests[1].at - requests[0].at;
        let range = Duration::from_secs(least)..Duration::from_secs(most);
        assert!(range.contains(&waited), "{waited:?} after {status} {wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn os_18_request_that_is_repeated_after_an_error_is_signed_anew() {
    let (s3, ost) = scripted(in_order(&[SLOW_DOWN]));
    operate(&ost, "get").await.unwrap_err();
    let first = s3.requests().last().unwrap().clone();
    // Signatures have the time in seconds of the real clock.
    let second = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        since.as_secs()
    };
    let now = second(SystemTime::now());
    while second(SystemTime::now()) == now {
        std::thread::yield_now();
    }
    operate(&ost, "get").await.unwrap_err();
    let last = s3.requests().last().unwrap().clone();
    assert!(first.signed_at < last.signed_at, "{first:?} {last:?}");
    assert_ne!(first.authorization, last.authorization);
}

/// A process was stopped between two attempts. The second one carried a signature of 16 minutes before, and the
/// service called this a wrong clock.
#[tokio::test]
async fn os_18_signature_that_has_become_old_is_not_sent() {
    let s3 = Scripted::new(|_| Answer::Status(200, ""));
    let connector = Watching::new(s3.clone(), true);
    let client = connector.connect(&ClientOptions::new()).unwrap();
    let mut request = HttpRequest::new(HttpRequestBody::empty());
    request
        .headers_mut()
        .insert("x-amz-date", "20200101T000000Z".parse().unwrap());
    let error = client.execute(request).await.unwrap_err();
    // `object_store` does not try this kind again with the same signature.
    assert_eq!(error.kind(), HttpErrorKind::Unknown);
    assert!(s3.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn os_18_wrong_clock_is_told_as_such_and_not_tried_again() {
    let skewed = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
    for operation in ["get", "put", "create", "delete", "list", "level"] {
        let (s3, ost) = scripted(in_order(&[Answer::Status(403, skewed)]));
        let error = operate(&ost, operation).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{operation}");
        assert!(error.to_string().contains("clock"), "{operation}: {error}");
        assert_eq!(s3.requests().len(), 1, "{operation}");
    }
    let (_, ost) = scripted(in_order(&[Answer::Status(403, "AccessDenied")]));
    let error = operate(&ost, "get").await.unwrap_err();
    assert!(!error.to_string().contains("clock"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn create_after_slow_errors_is_not_sent_for_minutes() {
    let broken = Answer::Broken(HttpErrorKind::Interrupted);
    let path = ObjectPath::parse("x").unwrap();
    let mut answers = vec![Answer::Status(500, "InternalError"); 21];
    answers.push(broken);
    let (_, ost) = scripted(in_order(&answers));
    let began = Instant::now();
    let error = ost.create(&path, "1".into()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert!(began.elapsed() < ENDS_WITHIN, "{:?}", began.elapsed());
    let (_, ost) = scripted(in_order(&[broken, Answer::Status(200, "")]));
    let created = ost.create(&path, "1".into()).await.unwrap();
    assert_eq!(created, Create::Created);
}
