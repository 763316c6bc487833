//! `dm serve` without a file: everything in one process, in an empty directory.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use gateway_client::api::{
    DefinitionFormat, ProjectCreateRunRequest, RunDefinition, RunResponse, RunTaskStatus,
};
use gateway_client::{Client, ErrorKind, LogStep, RunsOf};
use rustix::process::Signal;

use crate::end_to_end::{Weather, do_it_all, find_again};
use crate::served::Served;

const HELLO: &str = "user/demo/hello";
const DEADLINE: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_user_gets_from_nothing_to_the_log_of_a_run_and_finds_it_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut served = Served::ready(directory.path());
    let admin_token = served.admin_token();
    let made = do_it_all(&served.url(), &admin_token, Weather::Calm, |_| {}).await;
    assert_eq!(served.stop(), Some(0), "{}", served.stderr());

    let mut served = Served::ready(directory.path());
    assert_eq!(served.admin_token(), admin_token);
    find_again(&served.url(), &made).await;
    served.kill();

    let mut served = Served::ready(directory.path());
    find_again(&served.url(), &made).await;
}

#[tokio::test]
async fn it_says_where_it_is_and_how_to_sign_in_and_shows_no_token() {
    let directory = tempfile::tempdir().unwrap();
    let mut served = Served::ready(directory.path());
    let (admin, demo) = (served.admin_token(), served.token("data/demo-token"));
    let stdout = served.stdout();
    for part in ["./data/admin-token", "user/demo/hello", "nothing isolates"] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    assert!(stdout.ends_with("    cat ./data/demo-token\n"), "{stdout}");
    let services = served.token("data/services-token");
    for token in [&admin, &demo, &services] {
        assert_eq!(token.len(), 40);
        assert!(!stdout.contains(token.as_str()));
    }
    for name in ["admin-token", "demo-token", "services-token"] {
        assert_eq!(mode(&served.file("data").join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&served.file("data")), 0o700);
    let user = served.client(&demo).current_user().await.unwrap();
    assert_eq!(user.username, "demo");
    served.stop();

    let mut served = Served::start(directory.path(), &["--json", "--listen", "127.0.0.1:0"]);
    let printed = served.line("{");
    let printed: serde_json::Value = serde_json::from_str(&format!("{{{printed}")).unwrap();
    assert_eq!(printed["admin_token_file"], "./data/admin-token");
    assert_eq!(printed["user_token_file"], "./data/demo-token");
    let url = printed["url"].as_str().unwrap();
    let demo = Client::builder(url).token(&demo).build().unwrap();
    assert_eq!(demo.project(HELLO).await.unwrap().name, "hello");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The sample has a task that ends at once, and three beside each other that take some seconds.
#[tokio::test]
async fn the_sample_project_has_a_run_that_can_be_watched() {
    let directory = tempfile::tempdir().unwrap();
    let mut served = Served::ready(directory.path());
    let token = served.token("data/demo-token");
    let demo = served.client(&token);
    let request = ProjectCreateRunRequest {
        branch: "main".to_owned(),
        ..Default::default()
    };
    let created = demo.project_create_run(HELLO, &request).await.unwrap();
    assert!(created.runs[0].setup_errors.is_empty(), "{created:?}");
    let number = created.runs[0].number;
    let run = wait_for_run(&demo, number, "three tasks run at once", |run| {
        let tasks = run.tasks.values();
        tasks
            .filter(|task| task.status == RunTaskStatus::Running)
            .count()
            == 3
    })
    .await;
    assert_eq!(task(&run, "greet").status, RunTaskStatus::Success);
    let counting = &task(&run, "count up").id;
    let of = RunsOf::Project(HELLO);
    wait_for(async || {
        demo.log(of, number, counting, LogStep::Step(0))
            .await
            .is_ok()
    })
    .await;
    let mut log = demo
        .follow_log(of, number, counting, LogStep::Step(0))
        .await
        .unwrap();
    let mut text = String::new();
    let mut pieces = 0;
    while !text.contains("up: 3\n") {
        text.push_str(&String::from_utf8_lossy(
            &log.try_next().await.unwrap().unwrap(),
        ));
        pieces += 1;
    }
    assert!(pieces > 1, "the lines came all at once");
    demo.stop_run(of, number).await.unwrap();
}

/// Each step of the first start is done once, wherever an earlier one was cut off.
#[tokio::test]
async fn a_first_start_that_was_killed_is_finished_by_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    for appears in [
        "services-token",
        "runservice/rundata",
        "admin-token",
        "demo-token",
    ] {
        let mut served = Served::start(directory.path(), &["--listen", "127.0.0.1:0"]);
        wait_for(async || data.join(appears).exists()).await;
        served.kill();
    }
    let mut served = Served::ready(directory.path());
    let token = served.token("data/demo-token");
    let demo = served.client(&token);
    assert_eq!(demo.project(HELLO).await.unwrap().name, "hello");
    served.kill();

    // The token was made, and its value was lost before it was kept.
    std::fs::remove_file(data.join("demo-token")).unwrap();
    std::fs::remove_file(data.join("first-start-done")).unwrap();
    let mut served = Served::ready(directory.path());
    let second = served.token("data/demo-token");
    let error = served.client(&token).current_user().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let demo = served.client(&second);
    assert_eq!(demo.project(HELLO).await.unwrap().name, "hello");

    // What is deleted on purpose stays so.
    demo.delete_project(HELLO).await.unwrap();
    served.stop();
    let mut served = Served::ready(directory.path());
    let error = served.client(&second).project(HELLO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// Field case OP-06: a stop hung with a log that is followed.
#[tokio::test]
async fn a_stop_ends_streams_and_tasks_and_is_done_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--listen", "127.0.0.1:0"];
    let mut served = Served::start_with(directory.path(), &arguments, &[("RUST_LOG", "info")]);
    served.url();
    let token = served.token("data/demo-token");
    let demo = served.client(&token);
    let content = "runs: [{name: long, tasks: [{name: sleep, runtime: {type: host}, steps: [
        {run: {name: sleep, command: 'echo begins; exec sleep 7654'}}]}]}]";
    let request = ProjectCreateRunRequest {
        branch: "main".to_owned(),
        config: Some(RunDefinition {
            format: Some(DefinitionFormat::Yaml),
            content: content.to_owned(),
        }),
        ..Default::default()
    };
    let created = demo.project_create_run(HELLO, &request).await.unwrap();
    let number = created.runs[0].number;
    let of = RunsOf::Project(HELLO);
    let run = demo.run(of, number).await.unwrap();
    let sleep = &task(&run, "sleep").id;
    wait_for(async || {
        let log = demo.log(of, number, sleep, LogStep::Step(0)).await;
        match log {
            Ok(mut log) => matches!(log.try_next().await, Ok(Some(_))),
            Err(_) => false,
        }
    })
    .await;
    let mut followed = demo
        .follow_log(of, number, sleep, LogStep::Step(0))
        .await
        .unwrap();
    assert_eq!(
        &followed.try_next().await.unwrap().unwrap()[..],
        b"begins\n"
    );
    let begin = Instant::now();
    assert_eq!(served.stop(), Some(0), "{}", served.stderr());
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "{:?}",
        begin.elapsed()
    );
    // It ends, well or cut off.
    while let Ok(Some(_)) = followed.try_next().await {}
    let stderr = served.stderr();
    let stopped = stderr.lines().filter(|line| line.contains("] stopped "));
    let stopped: Vec<&str> = stopped
        .filter_map(|line| line.split_once("instance="))
        .map(|(_, instance)| instance.split('-').next().unwrap())
        .collect();
    assert_eq!(
        stopped,
        ["gateway", "executor", "runservice", "configstore"]
    );

    let mut served = Served::ready(directory.path());
    let demo = served.client(&token);
    wait_for_run(&demo, number, "the task has failed", |run| {
        task(run, "sleep").status == RunTaskStatus::Failed
    })
    .await;
}

#[test]
fn a_second_signal_or_none_at_all_leaves_the_directory_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let mut served = Served::ready(directory.path());
    served.signal(Signal::INT);
    served.signal(Signal::INT);
    // The second may come too late.
    assert!(matches!(served.wait(), Some(0 | 1)));
    let mut served = Served::ready(directory.path());
    assert_eq!(served.stop(), Some(0));
}

/// Field case OP-13: a port in use led to a hang or to silence.
#[test]
fn a_port_in_use_ends_it_at_once_with_the_address() {
    let directory = tempfile::tempdir().unwrap();
    let user = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = user.local_addr().unwrap().to_string();
    let begin = Instant::now();
    let served = Served::start(directory.path(), &["--listen", &address]);
    served.fails_with(1, &["gateway.web.listenAddress", &address, "in use"]);
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );

    let mut served = Served::ready(directory.path());
    let again = Served::start(directory.path(), &["--listen", "127.0.0.1:0"]);
    again.fails_with(1, &["another dm serve uses the data directory \"./data\""]);
    assert_eq!(served.stop(), Some(0));
}

/// Field case OP-14: a data directory that is missing or cannot be written.
#[test]
fn a_data_directory_is_made_or_named_if_it_cannot_be() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("a b/ü/[data] 1%");
    let listen = ["--listen", "127.0.0.1:0"];
    let with = |data: &str| [&["--data", data][..], &listen].concat().join("\n");
    let start = |arguments: &str| {
        let arguments: Vec<&str> = arguments.split('\n').collect();
        Served::start(directory.path(), &arguments)
    };
    let mut served = start(&with(deep.to_str().unwrap()));
    served.url();
    assert_eq!(served.stop(), Some(0), "{}", served.stderr());
    assert!(deep.join("demo-token").is_file());

    std::fs::write(directory.path().join("file"), "").unwrap();
    for data in ["file", "file/below", "/proc/nothing/here"] {
        start(&with(data)).fails_with(1, &["the data directory", data]);
    }
    for service in ["configstore", "runservice", "executor"] {
        let set = format!("--set\n{service}.dataDir=file/below\n--listen\n127.0.0.1:0");
        let key = format!("{service}.dataDir");
        start(&set).fails_with(1, &[&key, "file/below"]);
    }
}

async fn wait_for(is_done: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_done().await {
        assert!(
            Instant::now() < deadline,
            "what is waited for does not come"
        );
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

async fn wait_for_run(
    client: &Client,
    number: u64,
    what: &str,
    is_so: impl Fn(&RunResponse) -> bool,
) -> RunResponse {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let run = client.run(RunsOf::Project(HELLO), number).await.unwrap();
        if is_so(&run) {
            return run;
        }
        assert!(Instant::now() < deadline, "not yet so that {what}: {run:?}");
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

fn task<'a>(run: &'a RunResponse, name: &str) -> &'a gateway_client::api::RunTaskSummaryResponse {
    let mut tasks = run.tasks.values();
    tasks.find(|task| task.name == name).unwrap()
}
