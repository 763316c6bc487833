//! What is done with each request, whatever it asks for.

use std::path::PathBuf;

use service::ErrorKind;
use service::client::Path;
use service::position::Position;
use service::testing::TestServer;

use crate::notes::{Note, Notes, options, shared_options};
use crate::raw::{ask, send};

const TOKEN: &str = "0123456789abcdef";

fn token_file(directory: &std::path::Path) -> PathBuf {
    let path = directory.join("token");
    std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
    path
}

fn note(id: &str, text: &str) -> Note {
    Note {
        id: id.to_owned(),
        text: text.to_owned(),
    }
}

#[tokio::test]
async fn every_failure_has_a_body_with_code_and_message_also_the_frameworks_own() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::ready(Notes, options(directory.path())).await;
    let address = server.address();
    for (method, path, status, code) in [
        ("GET", "/api/v1alpha/notes/missing", 404, "not_found"),
        ("GET", "/api/v1alpha/unknown", 404, "not_found"),
        ("GET", "/unknown", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("PATCH", "/api/v1alpha/notes/x", 405, "method_not_allowed"),
        ("WORD", "/healthz", 405, "method_not_allowed"),
        ("GET", "/api/v1alpha/number/many", 400, "bad_request"),
        ("PUT", "/api/v1alpha/notes/x", 400, "bad_request"),
        (
            "GET",
            "/api/v1alpha/counter?consistency=newest",
            400,
            "bad_request",
        ),
        ("GET", "/api/v1alpha/export?format=tar", 400, "bad_request"),
    ] {
        let answer = ask(address, method, path, "").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{method} {path}"
        );
    }
    for body in ["null", "{", "[]", "{\"text\":1}"] {
        let answer = send(address, "PUT", "/api/v1alpha/notes/x", body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "bad_request"),
            "{body}"
        );
    }
    // The store's limits are the client's to keep.
    let long = format!("/api/v1alpha/notes/{}", "x".repeat(1025));
    let answer = send(address, "PUT", &long, "{}").await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "invalid"));
    server.stop().await.unwrap();
}

#[tokio::test]
async fn bodies_are_read_as_go_reads_them_whatever_their_type_is_called() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::ready(Notes, options(directory.path())).await;
    let body = "{\"TEXT\":\"a<b\",\"id\":null,\"more\":1} and more";
    let answer = send(server.address(), "PUT", "/api/v1alpha/notes/x", body).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let answer = ask(server.address(), "GET", "/api/v1alpha/notes/x", "").await;
    assert_eq!(answer.body, "{\"id\":\"x\",\"text\":\"a\\u003cb\"}");
    server.stop().await.unwrap();
}

/// Field case AP-11: names with a slash failed on some routes, or were decoded twice.
#[tokio::test]
async fn names_of_all_characters_arrive_as_they_were_sent() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::ready(Notes, options(directory.path())).await;
    let client = server.client();
    let mut names: Vec<String> = (' '..='~')
        .map(|character| format!("a{character}b"))
        .collect();
    let others = [
        "org/group/project",
        "org%2Fgroup",
        "%25",
        "%",
        "a+b c",
        "ä/ö",
        "名前",
        "🦀",
        "a//b",
        "a/../b",
        "...",
        "/",
        " ",
    ];
    names.extend(others.map(str::to_owned));
    for name in &names {
        let path = Path::of(["notes", name.as_str()]);
        client.put::<_, ()>(&path, &note("", name)).await.unwrap();
    }
    for name in &names {
        let found: Note = client
            .get(&Path::of(["notes", name.as_str()]))
            .await
            .unwrap();
        assert_eq!(found, note(name, name));
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn fifty_increments_at_once_are_all_counted_and_none_fails() {
    let directory = tempfile::tempdir().unwrap();
    let servers = [
        TestServer::ready(Notes, shared_options(directory.path())).await,
        TestServer::ready(Notes, shared_options(directory.path())).await,
    ];
    let increments = (0..50).map(|number| {
        let client = servers[number % 2].client();
        async move {
            client
                .post::<_, u64>(&Path::of(["counter"]), &())
                .await
                .unwrap()
        }
    });
    let mut values = futures::future::join_all(increments).await;
    values.sort_unstable();
    assert_eq!(values, (1..=50).collect::<Vec<u64>>());
    for server in servers {
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_client_sees_its_own_writes_on_every_instance() {
    let directory = tempfile::tempdir().unwrap();
    let one = TestServer::ready(Notes, shared_options(directory.path())).await;
    let two = TestServer::ready(Notes, shared_options(directory.path())).await;
    let writer = one.client();
    let reader = two.client();
    for number in 0..20 {
        let path = Path::of(["notes", "same"]);
        let text = number.to_string();
        writer.put::<_, ()>(&path, &note("", &text)).await.unwrap();
        reader.remember(writer.position().unwrap());
        let found: Note = reader.get(&path).await.unwrap();
        assert_eq!(found.text, text);
    }
    // Without the position, the newest state can be asked for.
    writer
        .put::<_, ()>(&Path::of(["notes", "same"]), &note("", "last"))
        .await
        .unwrap();
    let latest = Path::of(["notes", "same"]).query("consistency", "latest");
    let found: Note = two.client().get(&latest).await.unwrap();
    assert_eq!(found.text, "last");
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}

#[tokio::test]
async fn a_position_that_does_not_come_is_waited_for_five_seconds() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::ready(Notes, options(directory.path())).await;
    let began = std::time::Instant::now();
    let headers = "x-dm-min-position: 1/1000000\r\n";
    let answer = ask(server.address(), "GET", "/api/v1alpha/counter", headers).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "behind"));
    assert!(
        began.elapsed().as_secs_f32() >= 4.9,
        "{:?}",
        began.elapsed()
    );
    let answer = ask(
        server.address(),
        "GET",
        "/api/v1alpha/counter",
        "x-dm-min-position: x\r\n",
    )
    .await;
    assert_eq!(answer.status, 400);
    let head = answer.head.to_lowercase();
    let position = head
        .lines()
        .find_map(|line| line.strip_prefix("x-dm-position: "));
    assert!(position.unwrap().parse::<Position>().is_ok(), "{head}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn with_a_token_only_those_who_show_it_are_let_in_and_probes_need_none() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path());
    options.bearer_token_file = Some(token_file(directory.path()));
    let server = TestServer::ready(Notes, options).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(ask(server.address(), "GET", path, "").await.status, 200);
    }
    let wrong = format!("authorization: Bearer {TOKEN}x\r\n");
    let parameter = format!("/api/v1alpha/counter?access_token={TOKEN}");
    for (path, headers) in [
        ("/api/v1alpha/counter", ""),
        ("/api/v1alpha/counter", wrong.as_str()),
        ("/api/v1alpha/maintenance", ""),
        ("/api/v1alpha/export", ""),
        ("/api/v1alpha/openapi.json", ""),
        ("/metrics", ""),
        ("/unknown", ""),
        ("//healthz", ""),
        ("/healthz/", ""),
        (parameter.as_str(), ""),
    ] {
        let answer = ask(server.address(), "GET", path, headers).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (401, "unauthorized"),
            "{path}"
        );
    }
    let client = server.client_builder().bearer_token(TOKEN).build().unwrap();
    assert_eq!(client.get::<u64>(&Path::of(["counter"])).await.unwrap(), 0);
    let error = server
        .client()
        .get::<u64>(&Path::of(["counter"]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    server.stop().await.unwrap();
}

/// Field case AP-06: services that only other services call gave grants to browsers.
#[tokio::test]
async fn browsers_are_granted_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path());
    options.web.allowed_origins = vec!["https://app.example.com".to_owned()];
    let server = TestServer::ready(Notes, options).await;
    let origin = "origin: https://app.example.com\r\n";
    let preflight = "origin: https://app.example.com\r\naccess-control-request-method: PUT\r\n";
    for (method, headers) in [("GET", origin), ("OPTIONS", preflight)] {
        for path in [
            "/api/v1alpha/counter",
            "/api/v1alpha/notes/x",
            "/healthz",
            "/unknown",
        ] {
            let answer = ask(server.address(), method, path, headers).await;
            let head = answer.head.to_lowercase();
            assert!(!head.contains("access-control"), "{method} {path}: {head}");
        }
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn figures_and_description_tell_of_all_routes_and_of_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::ready(Notes, options(directory.path())).await;
    let client = server.client();
    client
        .put::<_, ()>(&Path::of(["notes", "some-name"]), &note("", "x"))
        .await
        .unwrap();
    ask(server.address(), "WORD", "/api/v1alpha/notes/x", "").await;
    let metrics = ask(server.address(), "GET", "/metrics", "").await;
    for line in [
        "dm_http_requests_total{method=\"PUT\",route=\"/api/v1alpha/notes/{id}\",status=\"204\"} 1",
        "dm_http_requests_total{method=\"other\",route=\"/api/v1alpha/notes/{id}\",status=\"405\"} 1",
        "dm_store{figure=\"epoch\"} 1",
        "dm_instance_info{instance=\"notes-",
    ] {
        assert!(metrics.body.contains(line), "{line} in {}", metrics.body);
    }
    assert!(!metrics.body.contains("some-name"));
    let description: serde_json::Value = client.get(&Path::of(["openapi.json"])).await.unwrap();
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1alpha/maintenance",
        "/api/v1alpha/export",
        "/api/v1alpha/import",
        "/api/v1alpha/instances",
    ] {
        assert!(
            description["paths"][path].is_object(),
            "{path} in {description}"
        );
    }
    server.stop().await.unwrap();
}
