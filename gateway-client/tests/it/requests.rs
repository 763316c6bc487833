//! What is sent, what is sent again, and what is not.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use gateway_client::api::{CreateUserRequest, SecretRequest};
use gateway_client::{Client, ErrorKind, LogStep, Paging, RunsOf, ValuesOf};

use crate::server::{Answer, Server};

const USER: &str = r#"{"id":"1","username":"ann"}"#;

fn client(server: &Server) -> Client {
    let builder = Client::builder(&server.url).token("secrettoken");
    builder.timeout(Duration::from_secs(20)).build().unwrap()
}

#[tokio::test]
async fn requests_are_escaped_and_carry_the_token() {
    let server = Server::answering(vec![
        Answer::json("200 OK", "[]"),
        Answer::json("201 Created", "{}"),
        Answer::json("204 No Content", ""),
    ])
    .await;
    let client = client(&server);
    let paging = Paging {
        start: "a&b".to_owned(),
        limit: Some(5),
        ascending: true,
    };
    assert_eq!(client.users(&paging).await.unwrap(), []);
    let secret = SecretRequest {
        name: "s1".to_owned(),
        ..Default::default()
    };
    client
        .create_secret(ValuesOf::Project("org/o1/p1"), &secret)
        .await
        .unwrap();
    client.delete_user("a/b").await.unwrap();
    let requests = server.requests();
    let lines: Vec<&str> = requests
        .iter()
        .map(|request| request.lines().next().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "GET /api/v1alpha/users?start=a%26b&limit=5&asc= HTTP/1.1",
            "POST /api/v1alpha/projects/org%2Fo1%2Fp1/secrets HTTP/1.1",
            "DELETE /api/v1alpha/users/a%2Fb HTTP/1.1",
        ]
    );
    assert!(
        requests
            .iter()
            .all(|request| request.contains("authorization: token secrettoken\r\n"))
    );
    assert!(
        requests[1].ends_with(r#"{"name":"s1","data":{}}"#),
        "{}",
        requests[1]
    );
    // One without a token says nothing about who it is.
    let server = Server::answering(vec![Answer::json("200 OK", "{}")]).await;
    let anonymous = Client::builder(format!("{}/", server.url)).build().unwrap();
    anonymous.version().await.unwrap();
    assert!(!server.requests()[0].contains("authorization"));
}

#[tokio::test]
async fn what_changes_nothing_is_sent_again() {
    let server = Server::answering(vec![
        Answer::Close,
        Answer::json(
            "503 Service Unavailable",
            r#"{"code":"","message":"later"}"#,
        ),
        Answer::json("200 OK", USER),
    ])
    .await;
    let user = client(&server).current_user().await.unwrap();
    assert_eq!(
        (user.username.as_str(), server.requests().len()),
        ("ann", 3)
    );
    // Not for ever.
    let server = Server::answering(vec![]).await;
    let error = client(&server).current_user().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unknown, None));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn what_changes_something_and_what_lasts_is_sent_once() {
    let server = Server::answering(vec![Answer::Close]).await;
    let request = CreateUserRequest {
        username: "ann".to_owned(),
    };
    let error = client(&server).create_user(&request).await.unwrap_err();
    assert_eq!(
        (error.kind(), server.requests().len()),
        (ErrorKind::Unknown, 1)
    );
    for (status, body, kind, code, message) in [
        (
            "404 Not Found",
            r#"{"code":"","message":"no such user"}"#,
            ErrorKind::NotFound,
            "",
            "no such user",
        ),
        (
            "503 Service Unavailable",
            r#"{"code":"maintenance","message":"m"}"#,
            ErrorKind::Unavailable,
            "maintenance",
            "m",
        ),
        (
            "400 Bad Request",
            r#"{"code":"already_exists","message":"m"}"#,
            ErrorKind::Invalid,
            "already_exists",
            "m",
        ),
        (
            "403 Forbidden",
            r#"{"code":"","message":""}"#,
            ErrorKind::Forbidden,
            "",
            "the gateway answered 403 Forbidden",
        ),
        (
            "401 Unauthorized",
            "\n",
            ErrorKind::Unauthorized,
            "",
            "the gateway answered 401 Unauthorized",
        ),
        (
            "501 Not Implemented",
            "{}",
            ErrorKind::Unsupported,
            "",
            "the gateway answered 501 Not Implemented",
        ),
        (
            "429 Too Many Requests",
            "",
            ErrorKind::TooManyRequests,
            "",
            "the gateway answered 429 Too Many Requests",
        ),
        (
            "500 Internal Server Error",
            "x",
            ErrorKind::Internal,
            "",
            "the gateway answered 500 Internal Server Error",
        ),
    ] {
        let server = Server::answering(vec![Answer::json(status, body)]).await;
        let error = client(&server).current_user().await.unwrap_err();
        let found = (error.kind(), error.code(), error.to_string());
        assert_eq!(found, (kind, code, message.to_owned()), "{status}");
        assert_eq!(server.requests().len(), 1, "{status}");
    }
    let server = Server::answering(vec![Answer::json("200 OK", "[1]")]).await;
    let error = client(&server).current_user().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

/// Field case AP-09: a client sent the token on to another host when it was redirected.
#[tokio::test]
async fn nothing_is_sent_to_another_host() {
    let other = Server::answering(vec![Answer::json("200 OK", USER)]).await;
    let server =
        Server::answering(vec![Answer::to(&format!("{}/api/v1alpha/user", other.url))]).await;
    let error = client(&server).current_user().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!((server.requests().len(), other.requests().len()), (1, 0));
    // Within the gateway it is followed, with the token, but not for ever.
    let server = Server::answering(vec![
        Answer::to("/api/v1alpha/users/ann"),
        Answer::json("200 OK", USER),
    ])
    .await;
    client(&server).current_user().await.unwrap();
    assert!(server.requests()[1].contains("authorization: token secrettoken\r\n"));
    let turns = (0..10).map(|_| Answer::to("/api/v1alpha/user")).collect();
    let server = Server::answering(turns).await;
    assert!(client(&server).current_user().await.is_err());
    assert!(server.requests().len() <= 7);
}

#[tokio::test]
async fn every_call_has_a_deadline() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    let began = Instant::now();
    for stalled in ["", head] {
        let server = Server::answering(vec![Answer::Stall(stalled.to_owned())]).await;
        let client = Client::builder(&server.url);
        let client = client.timeout(Duration::from_millis(300)).build().unwrap();
        let error = client.current_user().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unknown);
        if stalled.is_empty() {
            let server = Server::answering(vec![Answer::Stall(String::new())]).await;
            let client = Client::builder(&server.url);
            let client = client.timeout(Duration::from_millis(300)).build().unwrap();
            let followed = client
                .follow_log(RunsOf::User("ann"), 1, "t", LogStep::Setup)
                .await;
            assert_eq!(
                followed.err().map(|error| error.kind()),
                Some(ErrorKind::Unknown)
            );
        }
    }
    assert!(began.elapsed() < Duration::from_secs(15));
    let nobody = Client::builder("http://127.0.0.1:1").build().unwrap();
    assert_eq!(
        nobody.version().await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
}

#[tokio::test]
async fn a_log_that_is_cut_off_ends_with_an_error() {
    let whole = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let cut =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    let server = Server::answering(vec![
        Answer::Text(whole.to_owned()),
        Answer::Text(cut.to_owned()),
    ])
    .await;
    let client = client(&server);
    let owner = RunsOf::Project("user/ann/p1");
    let log = client
        .follow_log(owner, 3, "task01", LogStep::Step(2))
        .await
        .unwrap();
    let pieces: Vec<bytes::Bytes> = log.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"abc");
    let log = client
        .log(owner, 3, "task01", LogStep::Setup)
        .await
        .unwrap();
    let server_requests = server.requests();
    // It closes the connection when its next request is awaited.
    drop(server);
    let error = log.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(server_requests[0].starts_with(
        "GET /api/v1alpha/projects/user%2Fann%2Fp1/runs/3/tasks/task01/logs?step=2&follow= "
    ));
    assert!(server_requests[1].contains("/logs?setup= "));
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_before_anything_is_sent() {
    for url in ["", "ftp://x", "localhost:8000", "http://x?y=z"] {
        let error = Client::builder(url).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
    }
    let builder = Client::builder("http://x").token("a\nb");
    assert!(!format!("{builder:?}").contains("a\\nb"));
    assert!(builder.build().is_err());
    assert!(
        Client::builder("https://x")
            .certificate_authority("no PEM")
            .build()
            .is_err()
    );
    let server = Server::answering(vec![]).await;
    let error = client(&server).user("..").await.unwrap_err();
    assert_eq!(
        (error.kind(), server.requests().len()),
        (ErrorKind::NotFound, 0)
    );
}
