//! How tasks are executed: environment, directories, shells, endings, and which executor gets them.

use std::collections::BTreeMap;
use std::time::Duration;

use runservice::api::{RunTaskStatus, Step};

use crate::host::{Look, Server};
use crate::new_run::Create;
use crate::place::{GROUP, Place, run_step};
use crate::program::Executor;
use crate::whole_run::log_of;

#[tokio::test(flavor = "multi_thread")]
async fn a_step_has_its_own_environment_and_none_of_the_executors() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let mut step = run_step("env -0 | sort -z | tr '\\0' '\\n'");
    if let Step::Run(step) = &mut step {
        step.environment = BTreeMap::from([
            ("B".to_owned(), "step $A".to_owned()),
            ("C".to_owned(), "step".to_owned()),
        ]);
    }
    let task = place.task_of("a", vec![step]).change(|task| {
        task.environment.insert("A".to_owned(), "task".to_owned());
        task.environment.insert("B".to_owned(), "task".to_owned());
    });
    let run = client.add_run(GROUP, [task]).await;
    let run = client.wait_for_end(&run.run.id).await;
    let log = log_of(&client, &run.run.id, &run.task_id("a"), 0).await;
    let log = String::from_utf8(log).unwrap();
    let variables: BTreeMap<&str, &str> = log
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    assert_eq!(variables["A"], "task");
    assert_eq!(variables["B"], "step $A");
    assert_eq!(variables["C"], "step");
    assert!(
        variables.contains_key("PATH") && variables.contains_key("HOME"),
        "{log}"
    );
    assert!(!log.contains("SECRET"), "{log}");
    let known = [
        "A",
        "B",
        "C",
        "PLACE",
        "MARK",
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "TMPDIR",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
        "LANG",
        "TERM",
        "CI",
        "DM_EXECUTOR_TASK",
    ];
    for name in variables.keys() {
        assert!(known.contains(name), "{name} comes from somewhere: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_share_a_directory_of_their_task_and_may_begin_elsewhere() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let in_directory = |command: &str, directory: &str| match run_step(command) {
        Step::Run(step) => Step::Run(runservice::api::RunStep {
            working_dir: directory.to_owned(),
            ..step
        }),
        other => other,
    };
    let with_shell = |command: &str, shell: &str| match run_step(command) {
        Step::Run(step) => Step::Run(runservice::api::RunStep {
            shell: shell.to_owned(),
            ..step
        }),
        other => other,
    };
    let task = place.task_of(
        "a",
        vec![
            run_step("test \"$(pwd)\" = \"$(cd ~ && pwd)/project\"; mkdir sub; echo here > sub/file; echo tmp > ${TMPDIR:-/tmp}/x"),
            in_directory("cat file", "sub"),
            in_directory("pwd; ls project", "~"),
            // The shell of tasks ends at the first failure.
            with_shell("false; echo went on", "/bin/sh"),
            with_shell("BEGIN { print \"awk\" }", "/usr/bin/awk -f"),
            with_shell("false; echo went on", ""),
        ],
    );
    let run = client.add_run(GROUP, [task]).await;
    let run = client.wait_for_end(&run.run.id).await;
    let mut logs = Vec::new();
    for step in 0..6 {
        let log = log_of(&client, &run.run.id, &run.task_id("a"), step).await;
        logs.push(String::from_utf8(log).unwrap());
    }
    assert_eq!(logs[1], "here\n");
    assert!(logs[2].ends_with("\nsub\n"), "{:?}", logs[2]);
    assert_eq!(logs[3..], ["went on\n", "awk\n", ""]);
    let statuses: Vec<Option<i32>> = run
        .task("a")
        .steps
        .iter()
        .map(|step| step.exit_status)
        .collect();
    assert_eq!(
        statuses,
        [Some(0), Some(0), Some(0), Some(0), Some(0), Some(1)]
    );
}

/// Whatever a step is, its task ends and says how.
#[tokio::test(flavor = "multi_thread")]
async fn steps_that_cannot_be_executed_fail_with_a_reason_in_their_log() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let step = |change: &dyn Fn(&mut runservice::api::RunStep)| {
        let mut step = run_step("true");
        if let Step::Run(step) = &mut step {
            change(step);
        }
        step
    };
    let cases = [
        (
            "shell",
            step(&|step| step.shell = "/no/such/shell".to_owned()),
            "/no/such/shell",
        ),
        (
            "directory",
            step(&|step| step.working_dir = "/proc/none".to_owned()),
            "/proc/none",
        ),
        (
            "variable",
            step(&|step| drop(step.environment.insert("A=B".to_owned(), String::new()))),
            "A=B",
        ),
        (
            "key",
            crate::whole_run::save_cache("{{ nothing }}", "."),
            "nothing",
        ),
        (
            "contents",
            crate::whole_run::save_workspace("not-there", "", &["**"]),
            "not-there",
        ),
        (
            "destination",
            crate::whole_run::save_workspace(".", "../x", &["**"]),
            "..",
        ),
    ];
    let tasks = cases
        .iter()
        .map(|(name, step, _)| place.task_of(name, vec![step.clone()]));
    let run = client.add_run(GROUP, tasks.collect::<Vec<_>>()).await;
    let run = client.wait_for_end(&run.run.id).await;
    for (name, _, reason) in cases {
        assert_eq!(run.task(name).status, RunTaskStatus::Failed, "{name}");
        let log = log_of(&client, &run.run.id, &run.task_id(name), 0).await;
        let log = String::from_utf8_lossy(&log).into_owned();
        assert!(log.contains(reason), "{name}: {log:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_a_signal_ends_has_failed() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let run = client
        .add_run(GROUP, [place.task("a", &["kill -9 $$"])])
        .await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished failed a:failed");
    let status = run.task("a").steps[0].exit_status;
    assert_ne!(status, Some(0));
}

/// Tasks for containers are none for this driver, nor are those for another processor.
#[tokio::test(flavor = "multi_thread")]
async fn only_tasks_without_containers_and_for_its_processor_come_to_a_host_executor() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let start = "echo started >> $PLACE/starts";
    let pod = place.task("pod", &[start]).change(|task| {
        let runtime = task.runtime.as_mut().unwrap();
        runtime.kind = "pod".to_owned();
        runtime.containers = vec![runservice::api::Container {
            image: "busybox".to_owned(),
            ..Default::default()
        }];
    });
    let other_arch = place.task("arch", &[start]).change(|task| {
        task.runtime.as_mut().unwrap().arch = "arm".to_owned();
    });
    let run = client
        .add_run(GROUP, [pod, other_arch, place.task("host", &[start])])
        .await;
    client
        .wait_for(&run.run.id, "the task for the host has ended", |run| {
            run.task("host").status == RunTaskStatus::Success
        })
        .await;
    // The others are looked at every other second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let seen = client.look(&run.run.id).await;
    assert_eq!(
        seen.statuses(),
        "arch:notstarted host:success pod:notstarted"
    );
    assert_eq!(place.lines("starts").len(), 1);
}

/// Never more at once than the limit says, and all of them in the end.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_tasks_run_at_once_than_the_limit_says() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::with(&server.url(), &[("activeTasksLimit", "2")]).await;
    let place = Place::new();
    let command = "echo + >> $PLACE/changes; sleep 0.2; echo - >> $PLACE/changes";
    let tasks = ["a", "b", "c", "d", "e"].map(|name| place.task(name, &[command]));
    let run = client.add_run(GROUP, tasks).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.run.result.as_str(), "success", "{}", run.outcome());
    let (mut now, mut most) = (0, 0);
    for change in place.lines("changes") {
        now += if change == "+" { 1 } else { -1 };
        most = most.max(now);
    }
    assert_eq!((place.lines("changes").len(), most), (10, 2));
}
