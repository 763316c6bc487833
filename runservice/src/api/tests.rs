use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

/// Reads a value and writes it again.
fn again<T: Serialize + DeserializeOwned>(value: &Value) -> Value {
    let read: T = serde_json::from_value(value.clone()).unwrap();
    serde_json::to_value(read).unwrap()
}

fn stays<T: Serialize + DeserializeOwned>(value: &Value) {
    assert_eq!(again::<T>(value), *value);
}

fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

#[test]
fn a_fresh_task_and_a_stored_executor_task_have_the_shapes_of_agola() {
    let task = RunTask {
        id: "t".to_owned(),
        steps: vec![RunTaskStep::default()],
        ..Default::default()
    };
    let step = r#"{"phase":"notstarted","log_phase":"notstarted","exit_status":null}"#;
    assert_eq!(
        text(&task),
        format!(r#"{{"id":"t","status":"notstarted","setup_step":{step},"steps":[{step}]}}"#)
    );
    let executor_task = ExecutorTask {
        id: "t".to_owned(),
        spec: ExecutorTaskSpec {
            executor_id: "e".to_owned(),
            run_id: "r".to_owned(),
            ..Default::default()
        },
        status: ExecutorTaskStatus {
            steps: vec![ExecutorTaskStepStatus {
                phase: Some(ExecutorTaskPhase::NotStarted),
                ..Default::default()
            }],
            ..Default::default()
        },
    };
    assert_eq!(
        text(&executor_task),
        r#"{"id":"t","spec":{"executor_id":"e","run_id":"r"},"status":{"phase":"notstarted","setup_step":{},"steps":[{"phase":"notstarted"}]}}"#
    );
    stays::<ExecutorTask>(&serde_json::to_value(&executor_task).unwrap());
}

#[test]
fn a_full_run_stays_what_it_is() {
    stays::<RunResponse>(&json!({
        "run": {
            "id": "0000001h1nts0-0000000000001",
            "name": "r1",
            "counter": 7,
            "group": "/project/p1/branch/master",
            "annotations": {"k": "v"},
            "phase": "running",
            "result": "failed",
            "stop": true,
            "tasks": {"t1": {
                "id": "t1",
                "status": "success",
                "annotations": {"approvers": "[\"u1\"]"},
                "skip": true,
                "waiting_approval": true,
                "approved": true,
                "setup_step": {
                    "phase": "success", "log_phase": "finished", "exit_status": null,
                    "start_time": "2022-02-27T22:13:20.5Z", "end_time": "2022-02-27T22:13:21+01:00",
                },
                "steps": [{"phase": "failed", "log_phase": "notstarted", "exit_status": -1}],
                "workspace_archives": [0, 3],
                "workspace_archives_phase": ["finished", "notstarted"],
                "start_time": "2022-02-27T22:13:20Z",
                "end_time": "2022-02-27T22:13:22Z",
            }},
            "enqueue_time": "2022-02-27T22:13:20Z",
            "start_time": "2022-02-27T22:13:20Z",
            "end_time": "2022-02-27T22:13:23Z",
            "archived": true,
        },
        "run_config": {
            "id": "0000001h1nts0-0000000000001",
            "name": "r1",
            "group": "/project/p1/branch/master",
            "setup_errors": ["e"],
            "annotations": {"k": "v"},
            "static_environment": {"CI": "true"},
            "environment": {"A": "B"},
            "tasks": {"t1": {
                "level": 1,
                "id": "t1",
                "name": "build",
                "depends": {"t0": {"task_id": "t0", "conditions": ["on_success", "on_failure", "on_skipped"]}},
                "runtime": {
                    "type": "pod",
                    "arch": "amd64",
                    "containers": [{
                        "image": "busybox", "environment": {"C": "D"}, "user": "root", "privileged": true, "entrypoint": "sh",
                        "volumes": [{"path": "/mnt", "tmpfs": {"size": 1024}}, {"path": "/x", "tmpfs": null}],
                    }],
                },
                "environment": {"E": "F"},
                "working_dir": "/w", "shell": "/bin/sh -e", "user": "u",
                "steps": [
                    {"type": "run", "name": "hello", "command": "echo hello", "environment": {"G": "H"},
                     "working_dir": "/v", "shell": "bash", "tty": false},
                    {"type": "save_to_workspace", "name": "n", "contents": [{"source_dir": "a", "dest_dir": "b", "paths": ["*"]}]},
                    {"type": "restore_workspace", "dest_dir": "."},
                    {"type": "save_cache", "key": "k", "contents": [{"source_dir": "a"}]},
                    {"type": "restore_cache", "keys": ["k1", "k2"], "dest_dir": "/"},
                    {"type": "unheard_of", "name": "x"},
                ],
                "ignore_failure": true, "needs_approval": true, "skip": true,
                "docker_registries_auth": {"index.docker.io": {"type": "basic", "username": "u", "password": "p", "auth": ""}},
            }},
            "cache_group": "c",
        },
        "change_groups_update_tokens": "dG9rZW4=",
    }));
}

#[test]
fn what_is_empty_is_left_out_or_null_as_in_agola() {
    let empty_task = json!({"depends": null, "docker_registries_auth": null});
    assert_eq!(again::<RunConfigTask>(&json!({})), empty_task);
    stays::<RunConfigTask>(&empty_task);
    stays::<Run>(&json!({"phase": "queued", "result": "unknown"}));
    stays::<RunConfig>(&json!({}));
    stays::<RunResponse>(
        &json!({"run": null, "run_config": null, "change_groups_update_tokens": ""}),
    );
    stays::<GetRunsResponse>(&json!({"runs": [], "change_groups_update_tokens": ""}));
    stays::<Container>(&json!({"privileged": false, "entrypoint": "", "volumes": null}));
    stays::<Executor>(&json!({"last_status_update_time": "0001-01-01T00:00:00Z"}));
    stays::<RunTaskActionsRequest>(
        &json!({"action_type": "approve", "change_groups_update_tokens": ""}),
    );
    assert_eq!(
        again::<Run>(&json!({"phase": "", "result": null, "tasks": null, "annotations": null})),
        json!({"phase": "queued", "result": "unknown"})
    );
}

#[test]
fn a_step_says_what_it_is_and_has_a_terminal_unless_told_otherwise() {
    let step: Step = serde_json::from_value(json!({"type": "run", "command": "true"})).unwrap();
    let Step::Run(run) = &step else {
        panic!("{step:?}")
    };
    assert!(run.tty);
    assert_eq!(text(&step), r#"{"type":"run","command":"true","tty":true}"#);
    for unknown in [json!(null), json!({}), json!({"type": "Run"})] {
        let step: Step = serde_json::from_value(unknown).unwrap();
        assert!(matches!(step, Step::Unknown(_)), "{step:?}");
    }
    assert!(serde_json::from_value::<Step>(json!("run")).is_err());
}

#[test]
fn an_executor_task_that_is_sent_has_its_data_flat_in_the_spec() {
    let sent = json!({
        "id": "t1",
        "spec": {
            "executor_id": "e1", "run_id": "r1", "stop": true,
            "task_name": "build", "arch": "amd64", "containers": [{"image": "i", "privileged": false, "entrypoint": "", "volumes": null}],
            "environment": {"A": "B"}, "working_dir": "/w", "shell": "sh", "user": "u", "privileged": false,
            "workspace_operations": [{"task_id": "t0"}, {"task_id": "t0", "step": 2}],
            "docker_registries_auth": null, "cache_prefix": "p1",
            "steps": [{"type": "run", "command": "true", "tty": true}],
        },
        "status": {
            "phase": "failed", "fail_error": "gone", "setup_step": {"phase": "success"},
            "steps": [{"phase": "failed", "exit_status": 0, "start_time": "2022-02-27T22:13:20Z", "end_time": "2022-02-27T22:13:20Z"}],
            "start_time": "2022-02-27T22:13:20Z", "end_time": "2022-02-27T22:13:20Z",
        },
    });
    stays::<ExecutorTask>(&sent);
    let small = json!({"privileged": false, "docker_registries_auth": null});
    stays::<ExecutorTaskSpec>(&small);
    let spec: ExecutorTaskSpec = serde_json::from_value(small).unwrap();
    assert!(spec.data.is_some());
}

#[test]
fn an_executor_and_an_event_have_the_keys_of_agola() {
    stays::<Executor>(&json!({
        "id": "e1", "listenURL": "http://10.0.0.1:4001", "archs": ["amd64", "riscv64"], "labels": {"a": "b"},
        "allow_privileged_containers": true, "active_tasks_limit": 2, "active_tasks": 1, "dynamic": true,
        "executor_group": "g", "siblings_executors": ["e1", "e2"], "last_status_update_time": "2022-02-27T22:13:20Z",
    }));
    let event = RunEvent {
        sequence: "s".to_owned(),
        run_id: "r".to_owned(),
        phase: RunPhase::Running,
        result: RunResult::Unknown,
    };
    let written = r#"{"Sequence":"s","RunID":"r","Phase":"running","Result":"unknown"}"#;
    assert_eq!(text(&event), written);
    assert_eq!(serde_json::from_str::<RunEvent>(written).unwrap(), event);
}

#[test]
fn requests_are_read_as_agola_sends_them() {
    let request: RunCreateRequest = serde_json::from_value(json!({
        "name": "r1", "group": "/project/p1/branch/master",
        "run_config_tasks": {"t1": {"id": "t1", "name": "build", "depends": {},
            "runtime": {"type": "pod", "arch": "amd64", "containers": [{"image": "busybox", "volumes": []}]},
            "steps": [{"type": "run", "name": "hello", "command": "echo hello"}]}},
        "static_environment": {"CI": "true"}, "annotations": {"k": "v"}, "setup_errors": null, "reset_tasks": null,
    }))
    .unwrap();
    assert_eq!(request.run_config_tasks.unwrap()["t1"].steps.len(), 1);
    let tasks = |value| {
        let request: RunCreateRequest = serde_json::from_value(value).unwrap();
        request.run_config_tasks.map(|tasks| tasks.len())
    };
    assert_eq!(tasks(json!({"run_config_tasks": {}})), Some(0));
    assert_eq!(tasks(json!({"run_config_tasks": null})), None);
    assert_eq!(tasks(json!({})), None);
    for key in ["changeup_update_tokens", "change_groups_update_tokens"] {
        let request: RunCreateRequest = serde_json::from_value(json!({key: "x"})).unwrap();
        assert_eq!(request.change_groups_update_tokens, "x");
        let written = serde_json::to_value(request).unwrap();
        assert_eq!(written["changeup_update_tokens"], "x");
    }
    assert!(
        serde_json::from_value::<RunActionsRequest>(json!({"action_type": "restart"})).is_err()
    );
}

#[test]
fn what_has_ended_is_told_from_what_has_not() {
    let finished: Vec<&str> = [
        RunPhase::SetupError,
        RunPhase::Queued,
        RunPhase::Cancelled,
        RunPhase::Running,
        RunPhase::Finished,
    ]
    .into_iter()
    .filter(|phase| phase.is_finished())
    .map(RunPhase::as_str)
    .collect();
    assert_eq!(finished, ["setuperror", "cancelled", "finished"]);
    assert!(!RunTaskStatus::Running.is_finished() && RunTaskStatus::Skipped.is_finished());
    assert!(
        !ExecutorTaskPhase::NotStarted.is_finished() && ExecutorTaskPhase::Stopped.is_finished()
    );
    assert!(!RunResult::Unknown.is_set() && RunResult::Stopped.is_set());
}
