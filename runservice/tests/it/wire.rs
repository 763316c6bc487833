//! The bytes of requests and answers.

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::executor::{Executor, Script};
use crate::host::{Look, Server};
use crate::new_run::{Create, task};

const GROUP: &str = "/project/p1/branch/master";

async fn send(server: &Server, method: Method, path: &str, body: &str) -> Response {
    let url = format!("{}/api/v1alpha{path}", server.url());
    let request = reqwest::Client::new().request(method, url);
    request.body(body.to_owned()).send().await.unwrap()
}

async fn json_of(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_has_the_shape_of_agola() {
    let server = Server::with(|settings| settings.runs.start_queued_runs = false).await;
    let body = r#"{"NAME":"r1","group":"/project/p1/branch/master","run_config_tasks":{"t1":{"id":"t1","name":"build","depends":{},"runtime":{"type":"pod","arch":"amd64","containers":[{"image":"busybox","volumes":[]}]},"steps":[{"type":"run","name":"hello","command":"echo hello"}]}},"static_environment":{"CI":"true"},"annotations":{"k":"v"}} trailing"#;
    let response = send(&server, Method::POST, "/runs", body).await;
    assert_eq!(response.status(), 201);
    let created = json_of(response).await;
    assert_eq!(created["change_groups_update_tokens"], "");
    let run = &created["run"];
    let id = run["id"].as_str().unwrap();
    let step = json!({"phase": "notstarted", "log_phase": "notstarted", "exit_status": null});
    let mut expected = json!({
        "id": id, "name": "r1", "counter": 1, "group": GROUP, "annotations": {"k": "v"},
        "phase": "queued", "result": "unknown", "enqueue_time": run["enqueue_time"],
        "tasks": {"t1": {"id": "t1", "status": "notstarted", "setup_step": step, "steps": [step]}},
    });
    assert_eq!(*run, expected);
    assert_eq!(
        created["run_config"],
        json!({
            "id": id, "name": "r1", "group": GROUP, "annotations": {"k": "v"}, "static_environment": {"CI": "true"},
            "tasks": {"t1": {
                "id": "t1", "name": "build", "depends": null, "docker_registries_auth": null,
                "runtime": {"type": "pod", "arch": "amd64", "containers": [
                    {"image": "busybox", "privileged": false, "entrypoint": "", "volumes": null}]},
                "steps": [{"type": "run", "name": "hello", "command": "echo hello", "tty": true}],
            }},
        })
    );
    let response = send(&server, Method::GET, &format!("/runs/{id}"), "").await;
    assert_eq!(
        (
            response.status().as_u16(),
            json_of(response).await["run"].clone()
        ),
        (200, expected.clone())
    );
    let group = "%2Fproject%2Fp1";
    for path in [
        format!("/runs/group/{group}"),
        "/runs".to_owned(),
        format!("/runs?group={group}&lastrun&asc"),
    ] {
        let listed = json_of(send(&server, Method::GET, &path, "").await).await;
        assert_eq!(listed["runs"], json!([expected]), "{path}");
        assert!(listed["change_groups_update_tokens"].is_string());
    }
    let one =
        json_of(send(&server, Method::GET, &format!("/runs/group/{group}/1"), "").await).await;
    assert_eq!(one["run"], expected);
    let none = json_of(send(&server, Method::GET, "/runs?limit=0", "").await).await;
    assert_eq!(none["runs"], json!([]));
    let token = json_of(send(&server, Method::GET, "/changegroups?changegroup=a", "").await).await;
    assert!(token.is_string());
    let body = json!({"action_type": "changephase", "phase": "cancelled", "change_groups_update_tokens": token});
    let response = send(
        &server,
        Method::PUT,
        &format!("/runs/{id}/actions"),
        &body.to_string(),
    )
    .await;
    assert_eq!(
        (
            response.status().as_u16(),
            response.bytes().await.unwrap().len()
        ),
        (200, 0)
    );
    server.client().wait_for_end(id).await;
    let run =
        json_of(send(&server, Method::GET, &format!("/runs/{id}"), "").await).await["run"].clone();
    expected["phase"] = json!("cancelled");
    expected["archived"] = json!(true);
    expected["end_time"] = run["end_time"].clone();
    expected["tasks"] = run["tasks"].clone();
    assert_eq!(run, expected);
    assert!(run["end_time"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn executors_are_answered_as_by_agola() {
    let server = Server::new().await;
    let executor = json!({"id": "e1", "listenURL": "http://127.0.0.1:1", "archs": ["amd64"]});
    let response = send(
        &server,
        Method::POST,
        "/executor/any",
        &executor.to_string(),
    )
    .await;
    assert_eq!(
        (
            response.status().as_u16(),
            response.bytes().await.unwrap().len()
        ),
        (200, 0)
    );
    let tasks = send(&server, Method::GET, "/executor/e1/tasks", "").await;
    assert_eq!(json_of(tasks).await, json!([]));
    let run = server.client().add_run(GROUP, [task("a")]).await;
    let a = run.task_id("a");
    let tasks = loop {
        let tasks = json_of(send(&server, Method::GET, "/executor/e1/tasks", "").await).await;
        if tasks != json!([]) {
            break tasks;
        }
    };
    let expected = json!({
        "id": a,
        "spec": {
            "executor_id": "e1", "run_id": run.run.id, "task_name": "a", "arch": "amd64",
            "containers": [{"image": "busybox", "privileged": false, "entrypoint": "", "volumes": null}],
            "privileged": false, "docker_registries_auth": null, "cache_prefix": "p1",
            "steps": [{"type": "run", "name": "hello", "command": "echo hello", "tty": true}],
        },
        "status": {"phase": "notstarted", "setup_step": {}, "steps": [{"phase": "notstarted"}]},
    });
    assert_eq!(tasks, json!([expected]));
    let path = format!("/executor/other/tasks/{a}");
    let one = send(&server, Method::GET, &path, "").await;
    assert_eq!(json_of(one).await, expected);
    // Only the status counts, and only the id in the body.
    let report = json!({"ID": a, "spec": {"executor_id": "x", "run_id": run.run.id, "stop": true}, "status": {
        "phase": "running", "setup_step": {"phase": "running"}, "steps": [{}], "start_time": "2022-02-27T22:13:20Z"}});
    let response = send(
        &server,
        Method::POST,
        "/executor/e1/tasks/any",
        &report.to_string(),
    )
    .await;
    assert_eq!(
        (
            response.status().as_u16(),
            response.bytes().await.unwrap().len()
        ),
        (200, 0)
    );
    let one = json_of(send(&server, Method::GET, &path, "").await).await;
    assert_eq!(one["spec"], expected["spec"]);
    assert_eq!(one["status"]["phase"], "running");
    let run = server
        .client()
        .wait_for(&run.run.id, "a runs", |run| {
            run.task("a").start_time.is_some()
        })
        .await;
    assert_eq!(run.statuses(), "a:running");
    let gone = send(&server, Method::DELETE, "/executor/e1", "").await;
    assert_eq!(
        (gone.status().as_u16(), gone.bytes().await.unwrap().len()),
        (200, 0)
    );
}

/// Field case CI-15: 500 for what is not there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_does_not_fit_is_told_by_the_status() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::with(&client, |_| Script::default()).await;
    let run = client.add_run(GROUP, [task("a")]).await;
    let run = client.wait_for_end(&run.run.id).await;
    let (id, a) = (run.run.id.clone(), run.task_id("a"));
    let approve = r#"{"action_type":"approve"}"#;
    let start = r#"{"action_type":"changephase","phase":"running"}"#;
    let long_key = "k".repeat(201);
    let cases = [
        ("GET", "/runs/none".to_owned(), "", 404),
        ("GET", "/runs/group/%2Fproject%2Fnone/1".to_owned(), "", 404),
        ("GET", "/runs/group/%2Fproject%2Fp1/99".to_owned(), "", 404),
        ("GET", "/runs/group/%2Fproject%2Fp1/x".to_owned(), "", 400),
        ("GET", "/runs/group/%2Fproject%2Fp1/-1".to_owned(), "", 400),
        (
            "GET",
            "/runs/group/%2Fproject%2Fp1?start=x".to_owned(),
            "",
            400,
        ),
        ("GET", "/runs/group/%2Fproject%2Fnone".to_owned(), "", 200),
        ("GET", "/runs?limit=-1".to_owned(), "", 400),
        ("GET", "/runs?limit=x".to_owned(), "", 400),
        ("GET", "/runs?phase=none&result=none".to_owned(), "", 200),
        (
            "GET",
            "/runs?lastrun&start=0000000000000-0000000000000".to_owned(),
            "",
            200,
        ),
        ("POST", "/runs".to_owned(), "", 400),
        ("POST", "/runs".to_owned(), "null", 400),
        ("POST", "/runs".to_owned(), "[]", 400),
        ("POST", "/runs".to_owned(), "{}", 400),
        (
            "POST",
            "/runs".to_owned(),
            r#"{"group":"/project/p1"}"#,
            400,
        ),
        (
            "POST",
            "/runs".to_owned(),
            r#"{"group":"project/p1","run_config_tasks":{}}"#,
            400,
        ),
        (
            "POST",
            "/runs".to_owned(),
            r#"{"group":"/project","run_config_tasks":{}}"#,
            400,
        ),
        ("POST", "/runs".to_owned(), r#"{"run_id":"none"}"#, 400),
        ("PUT", "/runs/none/actions".to_owned(), start, 404),
        ("PUT", format!("/runs/{id}/actions"), start, 400),
        (
            "PUT",
            format!("/runs/{id}/actions"),
            r#"{"action_type":"changephase","phase":"finished"}"#,
            400,
        ),
        (
            "PUT",
            format!("/runs/{id}/actions"),
            r#"{"action_type":"none"}"#,
            400,
        ),
        ("PUT", format!("/runs/{id}/actions"), "{}", 400),
        ("PUT", format!("/runs/{id}/actions"), "no JSON", 400),
        ("PUT", format!("/runs/none/tasks/{a}/actions"), approve, 404),
        (
            "PUT",
            format!("/runs/{id}/tasks/none/actions"),
            approve,
            400,
        ),
        ("PUT", format!("/runs/{id}/tasks/{a}/actions"), approve, 400),
        ("PUT", format!("/runs/{id}/tasks/{a}/actions"), "{}", 400),
        ("GET", "/logs".to_owned(), "", 400),
        ("GET", format!("/logs?runid={id}&taskid={a}"), "", 400),
        (
            "GET",
            format!("/logs?runid={id}&taskid={a}&setup&step=0"),
            "",
            400,
        ),
        (
            "GET",
            format!("/logs?runid={id}&taskid={a}&step=x"),
            "",
            400,
        ),
        (
            "GET",
            format!("/logs?runid={id}&taskid={a}&step=-1"),
            "",
            400,
        ),
        ("GET", format!("/logs?taskid={a}&step=0"), "", 400),
        (
            "GET",
            format!("/logs?runid=none&taskid={a}&step=0"),
            "",
            404,
        ),
        (
            "GET",
            format!("/logs?runid={id}&taskid=none&step=0"),
            "",
            404,
        ),
        (
            "GET",
            format!("/logs?runid={id}&taskid={a}&step=1"),
            "",
            404,
        ),
        (
            "GET",
            format!("/logs?runid={id}&taskid={a}&step=0"),
            "",
            200,
        ),
        (
            "DELETE",
            format!("/logs?runid={id}&taskid={a}&step=7"),
            "",
            404,
        ),
        ("DELETE", format!("/logs?runid={id}&taskid={a}"), "", 400),
        ("POST", "/executor/e".to_owned(), "null", 400),
        ("POST", "/executor/e".to_owned(), "x", 400),
        ("POST", "/executor/e/tasks/t".to_owned(), "null", 400),
        (
            "POST",
            "/executor/e/tasks/t".to_owned(),
            r#"{"id":"t"}"#,
            400,
        ),
        ("GET", "/executor/e/tasks/t".to_owned(), "", 404),
        ("GET", "/executor/none/tasks".to_owned(), "", 200),
        ("GET", "/executor/archives".to_owned(), "", 400),
        (
            "GET",
            format!("/executor/archives?taskid={a}&step=x"),
            "",
            400,
        ),
        (
            "GET",
            format!("/executor/archives?taskid={a}&step=0"),
            "",
            404,
        ),
        ("HEAD", "/executor/caches/none".to_owned(), "", 404),
        ("GET", "/executor/caches/none?prefix".to_owned(), "", 404),
        ("GET", format!("/executor/caches/{long_key}"), "", 400),
        ("HEAD", format!("/executor/caches/{long_key}"), "", 400),
        ("POST", format!("/executor/caches/{long_key}"), "x", 400),
        ("PATCH", "/runs".to_owned(), "", 405),
        ("POST", "/import".to_owned(), "", 400),
        ("DELETE", "/maintenance".to_owned(), "", 400),
    ];
    for (method, path, body, status) in cases {
        let method: Method = method.parse().unwrap();
        let response = send(&server, method.clone(), &path, body).await;
        let found = response.status().as_u16();
        let text = response.text().await.unwrap();
        assert_eq!(found, status, "{method} {path} {body}: {text}");
        if status >= 400 && method != Method::HEAD {
            let error: Value = serde_json::from_str(&text).unwrap();
            assert!(
                error["code"].is_string() && error["message"].is_string(),
                "{text}"
            );
        }
    }
}

/// So that 404 always means that a resource is missing.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_of_the_api_is_a_bad_request() {
    let server = Server::new().await;
    for path in ["/none", "/runs/a/b/c"] {
        let response = send(&server, Method::GET, path, "").await;
        assert_eq!(response.status(), 400, "{path}");
    }
    let url = format!("{}/none", server.url());
    assert_eq!(reqwest::get(url).await.unwrap().status(), 404);
}

/// Every route of the reference is in the description, and nothing else but those of operations.
#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_every_route_and_is_the_one_that_is_checked_in() {
    let server = Server::new().await;
    service::testing::assert_description_is_complete(&server.url(), 20).await;
    let directory = env!("CARGO_MANIFEST_DIR");
    service::testing::assert_description_is_checked_in(&server.url(), directory).await;
}

/// Field case CI-25: a body that is too large or too deep is refused, whatever it holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_body_is_refused() {
    let server =
        Server::with(|settings| settings.server.limits.json_bytes_max = 1_024 * 1_024).await;
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(1_024 * 1_024));
    let deep = format!("{{\"annotations\":{}", "[".repeat(500_000));
    for (body, status) in [(large, 413), (deep, 400)] {
        for (method, path) in [
            (Method::POST, "/runs"),
            (Method::POST, "/executor/e"),
            (Method::POST, "/executor/e/tasks/t"),
            (Method::PUT, "/runs/none/actions"),
        ] {
            let response = send(&server, method, path, &body).await;
            assert_eq!(response.status(), status, "{path}");
        }
    }
    // More tasks than there may be are a setup error at once.
    let tasks: serde_json::Map<String, Value> = (0..3_000)
        .map(|number| (format!("t{number}"), json!({"runtime": {}})))
        .collect();
    let body = json!({"group": GROUP, "run_config_tasks": tasks}).to_string();
    let created = json_of(send(&server, Method::POST, "/runs", &body).await).await;
    assert_eq!(created["run"]["phase"], "setuperror");
    assert!(created["run"]["tasks"].is_null());
}
