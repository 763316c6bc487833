//! The base of clients, against servers that do as they are told.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use service::client::{Client, Path};
use service::{Error, ErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Gives one answer after the other, each on a connection of its own, and keeps the heads of the requests.
struct Scripted {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    async fn start(answers: Vec<String>) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                let mut piece = [0; 4096];
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    let length = stream.read(&mut piece).await.unwrap();
                    request.extend_from_slice(&piece[..length]);
                }
                let request = String::from_utf8_lossy(&request).to_lowercase();
                kept.lock().unwrap().push(request);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Scripted { address, requests }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn client(&self) -> Client {
        let builder = Client::builder(self.url()).bearer_token("0123456789abcdef");
        builder.timeout(Duration::from_secs(20)).build().unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
}

/// Field case AP-09: the token went on to another host with a redirect.
#[tokio::test]
async fn the_token_is_not_shown_to_the_host_that_a_redirect_leads_to() {
    let other = Scripted::start(vec![answer("200 OK", "", "1")]).await;
    let elsewhere = format!("location: {}/there\r\n", other.url());
    let here = "location: /here\r\n";
    let first = Scripted::start(vec![
        answer("307 Temporary Redirect", here, ""),
        answer("302 Found", &elsewhere, ""),
    ])
    .await;
    assert_eq!(
        first.client().get::<u64>(&Path::of(["x"])).await.unwrap(),
        1
    );
    let requests = first.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert!(
            request.contains("authorization: bearer 0123456789abcdef"),
            "{request}"
        );
    }
    let request = &other.requests()[0];
    assert!(request.starts_with("get /there "), "{request}");
    assert!(!request.contains("authorization"), "{request}");
}

#[tokio::test]
async fn only_what_changes_nothing_is_sent_again() {
    let busy = || {
        answer(
            "503 Service Unavailable",
            "",
            "{\"code\":\"unavailable\",\"message\":\"busy\"}",
        )
    };
    let server = Scripted::start(vec![busy(), busy(), answer("200 OK", "", "7"), busy()]).await;
    let client = server.client();
    assert_eq!(client.get::<u64>(&Path::of(["x"])).await.unwrap(), 7);
    let error = client
        .post::<_, u64>(&Path::of(["x"]), &1)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Unavailable, "busy")
    );
    assert_eq!(server.requests().len(), 4);
    // Maintenance lasts, so it is not waited for.
    let maintenance = answer(
        "503 Service Unavailable",
        "",
        "{\"code\":\"maintenance\",\"message\":\"m\"}",
    );
    let server = Scripted::start(vec![maintenance]).await;
    let error = server
        .client()
        .get::<u64>(&Path::of(["x"]))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "maintenance");
}

#[tokio::test]
async fn the_newest_position_that_came_is_asked_for_from_then_on() {
    let at = |position: &str| format!("x-dm-position: {position}\r\n");
    let server = Scripted::start(vec![
        answer("200 OK", &at("1/7"), "0"),
        answer(
            "404 Not Found",
            &at("2/9"),
            "{\"code\":\"\",\"message\":\"\"}",
        ),
        answer("200 OK", &at("1/8"), "0"),
        answer("200 OK", "", "0"),
    ])
    .await;
    let client = server.client();
    client.get::<u64>(&Path::of(["x"])).await.unwrap();
    let error = client.get::<u64>(&Path::of(["x"])).await.unwrap_err();
    // As agola's own servers tell it.
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::NotFound, "not_found")
    );
    assert!(!error.to_string().is_empty());
    client.get::<u64>(&Path::of(["x"])).await.unwrap();
    client
        .forgetful()
        .get::<u64>(&Path::of(["x"]))
        .await
        .unwrap();
    let asked: Vec<Option<String>> = server
        .requests()
        .iter()
        .map(|request| {
            let line = request
                .lines()
                .find_map(|line| line.strip_prefix("x-dm-min-position: "));
            line.map(str::to_owned)
        })
        .collect();
    let position = |text: &str| Some(text.to_owned());
    assert_eq!(asked, [None, position("1/7"), position("2/9"), None]);
}

#[tokio::test]
async fn what_does_not_answer_or_answers_something_else_is_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = Client::builder(format!("http://{}", closed.local_addr().unwrap()));
    drop(closed);
    let error = nobody
        .build()
        .unwrap()
        .post::<_, ()>(&Path::of(["x"]), &1)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");

    // It was sent, and what became of it is not known.
    let server = Scripted::start(vec![String::new()]).await;
    let error = server
        .client()
        .post::<_, ()>(&Path::of(["x"]), &1)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown, "{error:?}");

    let html = answer("502 Bad Gateway", "", "<html>");
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_owned();
    let other = answer("200 OK", "", "\"text\"");
    let server = Scripted::start(vec![html, other, cut]).await;
    let client = server.client();
    let error = client
        .post::<_, ()>(&Path::of(["x"]), &1)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let error = client
        .post::<_, u64>(&Path::of(["x"]), &1)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Internal, "unexpected_answer")
    );
    let pieces: Vec<Result<_, Error>> = client
        .download(&Path::of(["x"]))
        .await
        .unwrap()
        .collect()
        .await;
    assert!(pieces.last().unwrap().is_err(), "{pieces:?}");
}

#[test]
fn a_client_that_cannot_work_is_not_made() {
    for url in ["", "127.0.0.1:80", "ftp://x", "http://", "http://x?y=z"] {
        assert!(Client::builder(url).build().is_err(), "{url:?}");
    }
    assert!(
        Client::builder("http://x")
            .bearer_token("a\nb")
            .build()
            .is_err()
    );
    assert!(
        Client::builder("http://x")
            .certificate_authority("no PEM")
            .build()
            .is_err()
    );
    let shown = format!(
        "{:?}",
        Client::builder("http://x").bearer_token("0123456789")
    );
    assert!(!shown.contains("0123"), "{shown}");
}

#[test]
fn the_client_needs_neither_actix_web_nor_datamanager() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "-p",
            "service",
            "--no-default-features",
            "--features",
            "client",
        ])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8_lossy(&tree.stdout).into_owned();
    assert!(tree.contains("reqwest v"), "{tree}");
    for heavy in ["actix", "datamanager v", "ost v", "object_store v"] {
        assert!(!tree.contains(heavy), "{heavy} in {tree}");
    }
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn when_an_instance_cannot_be_reached_the_next_one_is_asked_and_kept() {
    let other = Scripted::start(vec![
        answer("200 OK", "", ""),
        answer("200 OK", "", "1"),
        answer("200 OK", "", "2"),
    ])
    .await;
    let urls = format!("{}, {}/", nobody(), other.url());
    let client = Client::builder(urls).build().unwrap();
    // A change, too: nobody can have carried it out.
    let path = Path::of(["a b"]).query("x", "1");
    client.put::<_, ()>(&path, &1).await.unwrap();
    assert_eq!(client.get::<u64>(&path).await.unwrap(), 1);
    assert_eq!(client.get::<u64>(&path).await.unwrap(), 2);
    let requests = other.requests();
    assert!(
        requests[0].starts_with("put /api/v1alpha/a%20b?x=1 "),
        "{requests:?}"
    );
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn reads_go_to_the_next_instance_when_one_is_not_ready() {
    let unready = answer(
        "503 Service Unavailable",
        "",
        r#"{"code":"","message":"m"}"#,
    );
    let first = Scripted::start(vec![unready]).await;
    let other = Scripted::start(vec![answer("200 OK", "", "1")]).await;
    let urls = format!("{},{}", first.url(), other.url());
    let client = Client::builder(urls).build().unwrap();
    assert_eq!(client.get::<u64>(&Path::of(["x"])).await.unwrap(), 1);
    assert_eq!((first.requests().len(), other.requests().len()), (1, 1));
}

#[tokio::test]
async fn an_instance_that_can_be_reached_nowhere_is_unavailable() {
    let urls = format!("{},{}", nobody(), nobody());
    let client = Client::builder(urls).build().unwrap();
    let path = Path::of(["x"]);
    let error = client.put::<_, ()>(&path, &1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    for urls in ["", "http://127.0.0.1:1,", "http://127.0.0.1:1,ftp://x"] {
        let error = Client::builder(urls).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadRequest, "{urls}");
    }
}
