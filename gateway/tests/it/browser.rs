//! Pages in a real browser that call the API of another origin.
//!
//! A page is served by the test, calls the gateway, and sends the test what it could see. The browser is Debian's Chromium, or
//! what `DM_CHROMIUM` names.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::host::World;

const DEADLINE: Duration = Duration::from_secs(60);

/// What the pages do: each request, and what is seen of its answer.
const SCRIPT: &str = r#"
const token = {Authorization: 'token admintoken'};
const json = {...token, 'Content-Type': 'application/json'};
const requests = {
    simple: ['/version', {}],
    withToken: ['/users', {headers: token}],
    created: ['/users', {method: 'POST', headers: json, body: '{"username": "made-by-a-page"}'}],
    deleted: ['/users/made-by-a-page', {method: 'DELETE', headers: token}],
    unauthorized: ['/user', {}],
    missing: ['/users/nobody', {headers: token}],
    badRequest: ['/users', {method: 'POST', headers: json, body: '{'}],
    put: ['/orgs/none/members/none', {method: 'PUT', headers: json, body: '{"role": "owner"}'}],
};
const seen = {};
for (const [name, [path, options]] of Object.entries(requests)) {
    try {
        const response = await fetch(API + path, options);
        const text = await response.text();
        seen[name] = response.status;
        if (name == 'missing') seen.message = JSON.parse(text).message != '';
    } catch (error) {
        seen[name] = error.name;
    }
}
await fetch('/seen', {method: 'POST', body: JSON.stringify(seen)});
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_an_allowed_origin_works_and_one_of_another_sees_nothing() {
    let allowed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", allowed.local_addr().unwrap());
    let world = World::with(|settings| settings.web.allowed_origins = vec![origin]).await;
    let Some(seen) = look(&world, allowed).await else {
        return eprintln!("NOT RUN: there is no Chromium");
    };
    assert_eq!(
        seen,
        json!({
            "simple": 200, "withToken": 200, "created": 201, "deleted": 204, "unauthorized": 401, "missing": 404,
            "message": true, "badRequest": 400, "put": 404,
        })
    );
    let seen = look(&world, other).await.unwrap();
    let refused = seen
        .as_object()
        .unwrap()
        .values()
        .all(|seen| seen == "TypeError");
    assert!(refused && seen.as_object().unwrap().len() == 8, "{seen}");
    // Its preflights kept it from changing anything.
    assert!(
        world
            .admin()
            .users(&gateway_client::Paging::default())
            .await
            .unwrap()
            .is_empty()
    );
}

/// What a page sees whose server listens on `listener`; nothing if there is no browser.
async fn look(world: &World, listener: TcpListener) -> Option<Value> {
    let profile = tempfile::tempdir().unwrap();
    let page = format!("http://{}/", listener.local_addr().unwrap());
    let mut browser = start(profile.path(), &page)?;
    let page = format!(
        "<!doctype html><script type=\"module\">const API = {:?};\n{SCRIPT}</script>",
        world.url("")
    );
    let seen = tokio::time::timeout(DEADLINE, serve(listener, &page)).await;
    browser.kill().await.unwrap();
    Some(seen.expect("the page has told in time what it sees"))
}

/// It ends when it is dropped.
fn start(profile: &Path, page: &str) -> Option<Child> {
    let program = std::env::var("DM_CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    let started = Command::new(program)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args([
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-sync",
        ])
        // It does not end by itself without one.
        .arg("--remote-debugging-port=0")
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    match started {
        Ok(browser) => Some(browser),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "there is no Chromium"
            );
            None
        }
        Err(error) => panic!("cannot start the browser: {error}"),
    }
}

/// Serves the page, and returns what it has sent back.
async fn serve(listener: TcpListener, page: &str) -> Value {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let Some((head, body)) = read(&mut stream).await else {
            continue;
        };
        let is_page = head.starts_with("GET / ");
        let (status, content) = match is_page {
            true => ("200 OK", page),
            false => ("204 No Content", ""),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{content}",
            content.len()
        );
        // The browser may open connections that it does not use.
        let _ = stream.write_all(answer.as_bytes()).await;
        if head.starts_with("POST /seen ") {
            return serde_json::from_str(&body).unwrap();
        }
    }
}

/// The head and the body of a request; nothing if none comes soon.
async fn read(stream: &mut TcpStream) -> Option<(String, String)> {
    let whole = async {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")
                        .map(|length| length.parse().unwrap())
                });
                if body.len() >= length.unwrap_or(0) {
                    return Some((head.to_owned(), body.to_owned()));
                }
            }
            let mut piece = [0; 4096];
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return None,
                Ok(count) => bytes.extend_from_slice(&piece[..count]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(2), whole)
        .await
        .ok()
        .flatten()
}
