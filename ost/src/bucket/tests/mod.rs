//! Everything that an S3 can answer, against a scripted one.

mod scripted;
mod throttling;
mod uploads;

use object_store::client::HttpErrorKind;

use crate::{Create, ErrorKind, ObjectPath};

use scripted::{Answer, in_order, scripted};

async fn create(answers: &[Answer]) -> (Result<Create, ErrorKind>, usize) {
    let (s3, ost) = scripted(in_order(answers));
    let path = ObjectPath::parse("wal/1").unwrap();
    let created = ost
        .create(&path, "mine".into())
        .await
        .map_err(|error| error.kind());
    let requests = s3.requests().len();
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
        let (_, ost) = scripted(in_order(&[Answer::Status(status, "")]));
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
    let (s3, ost) = scripted(in_order(&[Answer::Status(416, "InvalidRange"), OK]));
    assert_eq!(ost.get_range(&path, 0..10).await.unwrap(), "");
    assert_eq!(s3.lines(), ["GET /bucket/base/x", "HEAD /bucket/base/x"]);
}

#[tokio::test(start_paused = true)]
async fn os_01_key_on_the_wire_is_encoded_once() {
    let (s3, ost) = scripted(in_order(&[OK]));
    for key in ["a%20b", "a b", "c#d+e?", "ä/漢"] {
        ost.put(&ObjectPath::parse(key).unwrap(), "".into())
            .await
            .unwrap();
        let request = s3.lines().pop().unwrap();
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

#[tokio::test(start_paused = true)]
async fn os_20_denied_delete_is_told_and_stops_nothing_else() {
    let (s3, ost) = scripted(|request| match request.method.as_str() {
        "DELETE" if request.path.ends_with("/locked") => Answer::Status(403, "AccessDenied"),
        "DELETE" => Answer::Status(204, ""),
        _ => Answer::Status(200, "content"),
    });
    let locked = ObjectPath::parse("locked").unwrap();
    let other = ObjectPath::parse("other").unwrap();
    let error = ost.delete(&locked).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(s3.requests().len(), 1, "a denied delete is tried again");
    ost.delete(&other).await.unwrap();
    ost.put(&locked, "new".into()).await.unwrap();
    assert_eq!(ost.get(&locked).await.unwrap(), "content");
    assert_eq!(
        s3.lines()[..2],
        ["DELETE /bucket/base/locked", "DELETE /bucket/base/other"]
    );
}
