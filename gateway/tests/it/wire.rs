//! What goes over the wire: paths, bodies, failures and streams.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use gateway_client::api::{DefinitionFormat, RunPhase, StepPhase, Visibility};
use gateway_client::{ErrorKind, LogStep, RunsOf};
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::executor::Executor;
use crate::host::{Fill, User, World, assert_kind, one_run, run_request, wait_until};

async fn ask(world: &World, method: &str, path: &str, body: &str) -> Response {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let request = client
        .build()
        .unwrap()
        .request(method.parse::<Method>().unwrap(), world.url(path));
    let request = request
        .header("Authorization", "token admintoken")
        .body(body.to_owned());
    request.send().await.unwrap()
}

/// Section 13.5 of the reference, field cases AP-12, AP-15 and CI-15.
#[tokio::test(flavor = "multi_thread")]
async fn failures_have_a_status_a_code_and_a_message() {
    let world = World::new().await;
    let user = world.user("user01").await;
    user.client
        .add_project("", "project01", Visibility::Public)
        .await;
    let big = format!("{{\"username\": \"{}\"}}", "x".repeat(2 * 1024 * 1024));
    let project = "/projects/user%2Fuser01%2Fproject01";
    for (method, path, body, status) in [
        ("GET", "/nothing".to_owned(), "", 404),
        ("GET", "/users/".to_owned(), "", 404),
        ("GET", "/projects/user/user01/project01".to_owned(), "", 404),
        ("POST", "/version".to_owned(), "", 405),
        ("HEAD", "/version".to_owned(), "", 405),
        ("GET", format!("{project}/runs/x"), "", 400),
        ("GET", format!("{project}/runs/-1"), "", 400),
        (
            "GET",
            format!("{project}/runs/18446744073709551616"),
            "",
            400,
        ),
        ("GET", format!("{project}/runs/1"), "", 404),
        ("GET", format!("{project}/runs/1/tasks/none"), "", 404),
        (
            "GET",
            format!("{project}/runs/1/tasks/none/logs?step=0"),
            "",
            404,
        ),
        ("GET", format!("{project}/runs/1/tasks/none/logs"), "", 400),
        (
            "GET",
            format!("{project}/runs/1/tasks/none/logs?step=0&setup"),
            "",
            400,
        ),
        (
            "GET",
            format!("{project}/runs/1/tasks/none/logs?step=x"),
            "",
            400,
        ),
        (
            "DELETE",
            format!("{project}/runs/1/tasks/none/logs?setup"),
            "",
            404,
        ),
        ("GET", "/projects/none/runs/1".to_owned(), "", 404),
        ("GET", "/users/nobody/runs/1".to_owned(), "", 404),
        ("GET", "/badges/none".to_owned(), "", 404),
        ("GET", format!("{project}/runs?limit=-1"), "", 400),
        ("GET", format!("{project}/runs?phase=none"), "", 400),
        ("GET", "/users?limit=x".to_owned(), "", 400),
        ("POST", "/users".to_owned(), "", 400),
        ("POST", "/users".to_owned(), "{", 400),
        ("POST", "/users".to_owned(), "[]", 400),
        ("POST", "/users".to_owned(), "null", 400),
        ("POST", "/users".to_owned(), "{\"username\": 1}", 400),
        ("POST", "/auth/login".to_owned(), "null", 400),
        ("POST", "/users".to_owned(), big.as_str(), 413),
        ("PUT", "/maintenance/other".to_owned(), "", 404),
        (
            "GET",
            "/export/configstore?format=other".to_owned(),
            "",
            400,
        ),
    ] {
        let response = ask(&world, method, &path, body).await;
        assert_eq!(
            response.status(),
            status,
            "{method} {path} {}",
            body.get(..20.min(body.len())).unwrap()
        );
        if method == "HEAD" {
            continue;
        }
        let kind = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let text = response.text().await.unwrap();
        let failure: Value =
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("{path}: {text}"));
        assert!(kind.starts_with("application/json"), "{path}: {kind}");
        assert!(
            failure["code"].is_string() && failure["message"].is_string(),
            "{path}: {text}"
        );
        assert!(!failure["message"].as_str().unwrap().is_empty(), "{path}");
    }
    let response = ask(&world, "GET", "/projects/a%2F%2Fb?x=y", "").await;
    assert_eq!(response.status(), 301);
    assert_eq!(
        response.headers()["location"],
        "/api/v1alpha/projects/a/b?x=y"
    );
    // Trailing bytes, unknown keys and the case of keys do not matter.
    let response = ask(
        &world,
        "POST",
        "/users",
        "{\"UserName\": \"user02\", \"x\": 1} rest",
    )
    .await;
    assert_eq!(response.status(), 201);
}

/// Field case AP-15: a service that is away was taken for something that is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_is_not_taken_for_a_thing_that_is() {
    let world = World::with(|settings| settings.services_timeout = Duration::from_secs(2)).await;
    let user = world.user("user01").await;
    user.client
        .add_project("", "project01", Visibility::Private)
        .await;
    let gateway::testing::World {
        gateway,
        configstore,
        ..
    } = world.servers;
    configstore.stop().await.unwrap();
    let client = gateway_client::Client::builder(gateway.url())
        .token(&user.token)
        .attempts_max(1)
        .build()
        .unwrap();
    let error = assert_kind(
        client.project("user/user01/project01").await,
        ErrorKind::Unavailable,
    );
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    assert_kind(client.current_user().await, ErrorKind::Unavailable);
    client.version().await.unwrap();
}

/// A run of a project, the id of its task, and who owns it.
async fn running(world: &World) -> (User, String) {
    let user = world.user("user01").await;
    user.client
        .add_project("", "project01", Visibility::Private)
        .await;
    let request = run_request(DefinitionFormat::Yaml, &one_run("run01"));
    user.client
        .project_create_run("user/user01/project01", &request)
        .await
        .unwrap();
    let run = user.client.run(PROJECT, 1).await.unwrap();
    let task = run.tasks.into_keys().next().unwrap();
    wait_until("the first step runs", async || {
        let task = user.client.run_task(PROJECT, 1, &task).await.unwrap();
        task.steps[0].phase == StepPhase::Running
    })
    .await;
    (user, task)
}

const PROJECT: RunsOf<'static> = RunsOf::Project("user/user01/project01");

/// Field cases AP-14 and CI-13: the server side went on after a follower had left a silent step, and a follower of one got no
/// headers.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_a_silent_step_gets_its_headers_and_leaves_nothing_behind() {
    let world = World::new().await;
    let executor = Executor::silent(&world).await;
    let (user, task) = running(&world).await;
    let began = Instant::now();
    let mut followers = Vec::new();
    for _ in 0..20 {
        followers.push(
            user.client
                .follow_log(PROJECT, 1, &task, LogStep::Step(0))
                .await
                .unwrap(),
        );
    }
    // Not only once something comes; the machine may be busy.
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    wait_until("all follow", async || executor.followers() == 20).await;
    drop(followers);
    wait_until("nobody follows", async || executor.followers() == 0).await;
}

/// What a follower does not read is not read for it: memory stays bounded however much is written. Another one reads 8 MiB, or as
/// many as `DM_SOAK_LOG_MIB` says.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_does_not_read_holds_up_nobody_but_the_writer() {
    let world = World::new().await;
    let executor = Executor::endless(&world).await;
    let (user, task) = running(&world).await;
    let follower = user
        .client
        .follow_log(PROJECT, 1, &task, LogStep::Step(0))
        .await
        .unwrap();
    wait_until("what is sent stands still", async || {
        let before = executor.bytes_sent();
        tokio::time::sleep(Duration::from_millis(300)).await;
        before > 0 && executor.bytes_sent() == before
    })
    .await;
    // What sockets of four programs hold.
    assert!(
        executor.bytes_sent() < 64 * 1024 * 1024,
        "{}",
        executor.bytes_sent()
    );
    assert_eq!(
        user.client.run(PROJECT, 1).await.unwrap().phase,
        RunPhase::Running
    );
    // One that reads gets what it asks for.
    let mut reader = user
        .client
        .follow_log(PROJECT, 1, &task, LogStep::Step(0))
        .await
        .unwrap();
    let given = std::env::var("DM_SOAK_LOG_MIB").ok();
    let mebibytes: usize = given.map_or(8, |count| count.parse().unwrap());
    let mut read = 0;
    while read < mebibytes * 1024 * 1024 {
        let bytes = reader.try_next().await.unwrap().unwrap();
        assert!(bytes.iter().all(|byte| *byte == b'x'));
        read += bytes.len();
    }
    drop((reader, follower));
    wait_until("nobody follows", async || executor.followers() == 0).await;
}

/// Field case IE-05: an export that broke midway looked like a success.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_breaks_midway_breaks_for_the_client_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let broken = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let count = stream.read(&mut head).await.unwrap();
            let answer = match String::from_utf8_lossy(&head[..count]).contains("/export") {
                false => "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
                true => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
            };
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let world = World::with(|settings| settings.configstore_url = url).await;
    let export = world.admin().export("configstore", "agola").await.unwrap();
    let result: Result<Vec<bytes::Bytes>, _> = export.try_collect().await;
    assert_kind(result, ErrorKind::Unavailable);
    broken.abort();
}
