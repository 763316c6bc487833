//! A whole run, from end to end: processes of the service and the executor, and commands that really run.

use std::collections::BTreeMap;

use runservice::api::{
    DependCondition, RestoreCacheStep, RestoreWorkspaceStep, RunTaskStatus, SaveCacheStep,
    SaveContent, SaveToWorkspaceStep, Step,
};
use runservice::client::{Client, LogStep, TaskLog};

use crate::host::{Look, whole};
use crate::new_run::{Create, NewTask};
use crate::place::{GROUP, Place, run_step};
use crate::program::Executor;
use crate::service_process::RunService;

/// The stored log of a step.
pub(crate) async fn log_of(client: &Client, run: &str, task: &str, step: u32) -> Vec<u8> {
    let log = TaskLog {
        run,
        task,
        step: LogStep::Step(step),
    };
    whole(client.log(&log).await.unwrap()).await
}

fn content(source_dir: &str, dest_dir: &str, paths: &[&str]) -> SaveContent {
    SaveContent {
        source_dir: source_dir.to_owned(),
        dest_dir: dest_dir.to_owned(),
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    }
}

pub(crate) fn save_workspace(source_dir: &str, dest_dir: &str, paths: &[&str]) -> Step {
    Step::SaveToWorkspace(SaveToWorkspaceStep {
        name: String::new(),
        contents: vec![content(source_dir, dest_dir, paths)],
    })
}

pub(crate) fn restore_workspace(dest_dir: &str) -> Step {
    Step::RestoreWorkspace(RestoreWorkspaceStep {
        name: String::new(),
        dest_dir: dest_dir.to_owned(),
    })
}

pub(crate) fn save_cache(key: &str, source_dir: &str) -> Step {
    Step::SaveCache(SaveCacheStep {
        name: String::new(),
        key: key.to_owned(),
        contents: vec![content(source_dir, "", &["**"])],
    })
}

pub(crate) fn restore_cache(keys: &[&str], dest_dir: &str) -> Step {
    Step::RestoreCache(RestoreCacheStep {
        name: String::new(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        dest_dir: dest_dir.to_owned(),
    })
}

/// `build` hands its files on; `test` and `pack` follow it; `test` fails, and `mend` is there for that; `publish` waits for both
/// sides, and for an approval.
fn five_tasks(place: &Place) -> [NewTask; 5] {
    let build = place.task_of(
        "build",
        vec![
            restore_cache(&["deps-{{ arch }}-", "deps-"], "deps"),
            run_step("ls deps 2>/dev/null || echo no deps; mkdir -p deps out; echo one > deps/one"),
            save_cache("deps-{{ arch }}-1", "deps"),
            run_step("printf 'built\nlast line' | tee out/result; ln -s result out/link; chmod 700 out/result"),
            save_workspace("out", "from-build", &["**"]),
        ],
    );
    let test = place.task_of(
        "test",
        vec![
            restore_workspace(""),
            run_step("cat from-build/link; echo to stderr >&2; exit 3"),
            run_step("touch $PLACE/never"),
        ],
    );
    let pack = place.task_of(
        "pack",
        vec![
            restore_workspace("~/in"),
            run_step("test -x ~/in/from-build/result && mv ~/in/from-build/result packed"),
            save_workspace(".", "/from-pack/", &["pack*"]),
        ],
    );
    let mend = place.task("mend", &["echo mending"]);
    let publish = place.task_of(
        "publish",
        vec![
            restore_workspace("all"),
            run_step("find all | LC_ALL=C sort; cat all/from-pack/packed"),
            restore_cache(&["nothing", "deps-"], "cached"),
            run_step("cat cached/one"),
        ],
    );
    [
        build,
        test.after("build"),
        pack.after("build"),
        mend.on("test", &[DependCondition::OnFailure]),
        publish.after("pack").after("mend").needs_approval(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_five_tasks_with_all_kinds_of_steps_goes_through() {
    let service = RunService::start().await;
    let client = service.client();
    let executor = Executor::start(&service.url()).await;
    let files_before = executor.files();
    let place = Place::new();
    for (round, deps) in ["no deps\n", "one\n"].into_iter().enumerate() {
        let run = client.add_run(GROUP, five_tasks(&place)).await;
        let id = run.run.id.clone();
        let run = client
            .wait_for(&id, "publish waits", |run| {
                run.task("publish").waiting_approval
            })
            .await;
        assert_eq!(run.task("publish").status, RunTaskStatus::NotStarted);
        client
            .approve_task(&id, &run.task_id("publish"), "")
            .await
            .unwrap();
        let run = client.wait_for_end(&id).await;
        assert_eq!(
            run.outcome(),
            "finished failed build:success mend:success pack:success publish:success test:failed",
            "round {round}"
        );
        let all = "all\nall/from-build\nall/from-build/link\nall/from-build/result\nall/from-pack\n\
                   all/from-pack/packed\nbuilt\nlast line";
        let expected: BTreeMap<(&str, u32), &str> = BTreeMap::from([
            (("build", 1), deps),
            (("build", 3), "built\nlast line"),
            (("test", 1), "built\nlast lineto stderr\n"),
            (("pack", 1), ""),
            (("mend", 0), "mending\n"),
            (("publish", 1), all),
            (("publish", 3), "one\n"),
        ]);
        for ((task, step), expected) in expected {
            let log = log_of(&client, &id, &run.task_id(task), step).await;
            assert_eq!(String::from_utf8(log).unwrap(), expected, "{task} {step}");
        }
        let test = run.task("test");
        assert_eq!(test.steps[1].exit_status, Some(3));
        assert!(test.steps[2].start_time.is_none() && test.end_time.is_some());
        assert!(
            !place.has("never"),
            "a step was executed behind one that has failed"
        );
    }
    executor.assert_tidied_to(&files_before).await;
    assert_eq!(place.processes(), Vec::<u32>::new());
}
