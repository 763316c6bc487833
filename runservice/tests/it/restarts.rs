//! Runs that do again what earlier ones have done.

use runservice::api::{RunCreateRequest, RunPhase, RunTaskStatus};
use service::testing::wait_until;

use crate::executor::{Ending, Executor, Script};
use crate::host::{Look, Server, assert_refused};
use crate::new_run::{Create, request, task};

const GROUP: &str = "/project/p1/branch/master";

/// Field case CI-19, for runs that have ended: they are archived when they are restarted.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_restarted_from_the_start_or_from_what_has_failed() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |name| match name {
        "b" => Script::failed(),
        _ => Script::default(),
    })
    .await;
    let mut new = request(
        GROUP,
        [
            task("a").saves(),
            task("b").after("a"),
            task("c").after("b"),
            task("d").restores(),
        ],
    );
    new.static_environment = [("CI".to_owned(), "true".to_owned())].into();
    new.environment = [("OLD".to_owned(), "1".to_owned())].into();
    new.annotations = [("k".to_owned(), "v".to_owned())].into();
    new.cache_group = "caches".to_owned();
    let first = client.create_run(&new).await.unwrap().run.unwrap();
    let first = client.wait_for_end(&first.id).await;
    assert_eq!(
        first.outcome(),
        "finished failed a:success b:failed c:skipped d:success"
    );
    let second = client.restart(&first.run.id, false).await.unwrap();
    assert_eq!(second.run.counter, 2);
    assert_eq!(second.run.name, first.run.name);
    assert_eq!(second.run.group, first.run.group);
    assert_eq!(second.run.annotations, first.run.annotations);
    assert_eq!(
        second.config.static_environment,
        first.config.static_environment
    );
    assert_eq!(second.config.environment, first.config.environment);
    assert_eq!(second.config.cache_group, first.config.cache_group);
    assert!(second.run.id > first.run.id);
    for (name, is_kept) in [("a", true), ("b", false), ("c", false), ("d", true)] {
        let (old, new) = (first.task_id(name), second.task_id(name));
        assert_eq!(old == new, is_kept, "{name}");
    }
    let depends = &second.config.tasks[&second.task_id("c")].depends;
    assert_eq!(depends.keys().collect::<Vec<_>>(), [&second.task_id("b")]);
    assert_eq!(depends[&second.task_id("b")].task_id, second.task_id("b"));
    let second = client.wait_for_end(&second.run.id).await;
    assert_eq!(
        second.outcome(),
        "finished failed a:success b:failed c:skipped d:success"
    );
    let mut again = RunCreateRequest {
        run_id: second.run.id.clone(),
        from_start: true,
        ..Default::default()
    };
    again.environment = [("NEW".to_owned(), "1".to_owned())].into();
    again.group = "/project/other/branch/x".to_owned();
    let third = client.create_run(&again).await.unwrap();
    let (third, config) = (third.run.unwrap(), third.run_config.unwrap());
    assert_eq!((third.counter, third.group.as_str()), (3, GROUP));
    assert_eq!(config.environment, again.environment);
    assert!(
        config
            .tasks
            .keys()
            .all(|id| !second.run.tasks.contains_key(id))
    );
    client.wait_for_end(&third.id).await;
    let mut started = executor.started();
    started.sort();
    assert_eq!(started, ["a", "a", "b", "b", "b", "d", "d"]);
    let mut ids = executor.started_ids();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 7);
}

/// Field case CI-19, for the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_refused_where_it_has_nothing_to_do() {
    let server = Server::new().await;
    let client = server.client();
    let executor = Executor::with(&client, |name| match name {
        "held" => Script::held(),
        _ => Script::default(),
    })
    .await;
    let running = client.add_run(GROUP, [task("held")]).await;
    wait_until("it runs", async || executor.is_running("held")).await;
    let queued = client.add_run(GROUP, [task("queued")]).await;
    let cancelled = client.add_run(GROUP, [task("cancelled")]).await;
    client.cancel_run(&cancelled.run.id, "").await.unwrap();
    let mut faulty = request(GROUP, [task("faulty")]);
    faulty.setup_errors = vec!["no such file".to_owned()];
    let faulty = client.create_run(&faulty).await.unwrap().run.unwrap();
    assert_eq!(faulty.phase, RunPhase::SetupError);
    for from_start in [false, true] {
        for id in [&running.run.id, &queued.run.id, &faulty.id, "none"] {
            assert_refused(client.restart(id, from_start).await);
        }
        let again = client.restart(&cancelled.run.id, from_start).await.unwrap();
        assert!(again.is_in(RunPhase::Queued));
        client.cancel_run(&again.run.id, "").await.unwrap();
    }
    executor.release("held", Ending::Success);
    let succeeded = client.wait_for_end(&running.run.id).await;
    assert_refused(client.restart(&succeeded.run.id, false).await);
    let again = client.restart(&succeeded.run.id, true).await.unwrap();
    assert_eq!(again.task("held").status, RunTaskStatus::NotStarted);
    let run = client.look(&faulty.id).await;
    assert_eq!(run.config.setup_errors, ["no such file"]);
    assert!(run.run.tasks.is_empty());
}

/// Field cases CI-20 and CI-25: what can never run is a setup error at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_run_is_a_setup_error() {
    let server = Server::new().await;
    let client = server.client();
    let unknown_step = serde_json::from_value(serde_json::json!({"type": "fly"})).unwrap();
    for (tasks, expected) in [
        (vec![task("a").after("a")], "depends on itself"),
        (
            vec![task("a").after("b"), task("b").after("a")],
            "depends on itself",
        ),
        (vec![task("a").after("missing")], "which is not there"),
        (
            vec![
                task("a"),
                task("b").after("a"),
                task("c").after("a").after("b"),
            ],
            "both depend on",
        ),
        (
            vec![task("a").change(|task| task.runtime = None)],
            "no runtime",
        ),
        (
            vec![task("a").change(|task| task.steps.push(unknown_step))],
            "\"fly\"",
        ),
    ] {
        let run = client.add_run(GROUP, tasks).await;
        assert!(run.is_in(RunPhase::SetupError), "{expected}");
        let errors = run.config.setup_errors.join("; ");
        assert!(errors.contains(expected), "{errors}");
        let run = client.wait_for_end(&run.run.id).await;
        assert_eq!(run.run.result.as_str(), "unknown");
    }
    // One whose parent is skipped ends by its conditions.
    let _executor = Executor::with(&client, |_| Script::default()).await;
    let tasks = [task("a").skip(), task("b").after("a"), task("c")];
    let run = client.add_run(GROUP, tasks).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(
        run.outcome(),
        "finished success a:skipped b:skipped c:success"
    );
    let run = client.add_run(GROUP, []).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished success ");
    let tasks = [task("a").may_fail(), task("b").after("a")];
    let run = client.add_run(GROUP, tasks).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished success a:success b:success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_does_not_count_leaves_the_run_a_success() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::with(&client, |name| match name {
        "a" => Script::failed(),
        _ => Script::default(),
    })
    .await;
    let run = client
        .add_run(GROUP, [task("a").may_fail(), task("b").after("a")])
        .await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished success a:failed b:skipped");
}
