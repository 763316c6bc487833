//! Caches and workspaces: what is kept, what is found, and what goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::stream;
use runservice::api::RunTaskStatus;

use crate::host::{Look, Server};
use crate::new_run::Create;
use crate::place::{GROUP, Place, run_step};
use crate::program::Executor;
use crate::proxy::{Fate, Proxy};
use crate::whole_run::{log_of, restore_cache, restore_workspace, save_cache, save_workspace};

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_is_saved_once_and_found_by_the_beginning_of_its_key() {
    let server = Server::new().await;
    let client = server.client();
    let uploads = Arc::new(AtomicUsize::new(0));
    let counted = uploads.clone();
    let proxy = Proxy::start(&server.url(), move |method, path, _| {
        let is_upload = method == "POST" && path.contains("/caches/");
        counted.fetch_add(usize::from(is_upload), Ordering::Relaxed);
        Fate::Pass
    });
    let _executor = Executor::start(proxy.url()).await;
    let place = Place::new();
    for round in 0..2 {
        let save = place.task_of(
            "save",
            vec![
                run_step(&format!("mkdir c; echo {round} > c/file; echo lock > lock")),
                save_cache("a/b {{ md5sum \"lock\" }}-{{ env \"PLACE\" }}", "c"),
            ],
        );
        let run = client.add_run(GROUP, [save]).await;
        let run = client.wait_for_end(&run.run.id).await;
        assert_eq!(run.outcome(), "finished success save:success");
        assert_eq!(
            uploads.load(Ordering::Relaxed),
            1,
            "what is there is not sent again"
        );
    }
    // The first one stays. The key begins with the project, and each project has its own.
    for (group, keys, expected) in [
        (GROUP, &["a/b "][..], "0\n"),
        (GROUP, &["b", "a/b {{ md5sum \"lock\" }}"], "0\n"),
        (GROUP, &["b", "c"], "none\n"),
        ("/project/p2/branch/master", &["a/b "], "none\n"),
    ] {
        let restore = place.task_of(
            "restore",
            vec![
                run_step("echo lock > lock"),
                restore_cache(keys, "~/there"),
                run_step("cat ~/there/file 2>/dev/null || echo none"),
            ],
        );
        let run = client.add_run(group, [restore]).await;
        let run = client.wait_for_end(&run.run.id).await;
        assert_eq!(
            run.outcome(),
            "finished success restore:success",
            "{keys:?}"
        );
        let log = log_of(&client, &run.run.id, &run.task_id("restore"), 2).await;
        assert_eq!(
            String::from_utf8(log).unwrap(),
            expected,
            "{group} {keys:?}"
        );
    }
}

/// The archive comes from somebody else who has sent it to the service.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_archive_fails_the_step_and_writes_nothing_outside() {
    let server = Server::new().await;
    let client = server.client();
    let _executor = Executor::start(&server.url()).await;
    let place = Place::new();
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    let name = b"../../../../../../../../../tmp/dm-test-hostile";
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
    header.set_size(1);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append(&header, &b"x"[..]).unwrap();
    let archive = Bytes::from(archive.into_inner().unwrap());
    let content = stream::iter([Ok::<_, std::io::Error>(archive)]);
    assert!(client.put_cache("p1-hostile", content).await.unwrap());
    let restore = place.task_of("a", vec![restore_cache(&["hostile"], ".")]);
    let run = client.add_run(GROUP, [restore]).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished failed a:failed");
    assert!(!std::path::Path::new("/tmp/dm-test-hostile").exists());
    let log = log_of(&client, &run.run.id, &run.task_id("a"), 0).await;
    let log = String::from_utf8_lossy(&log).into_owned();
    assert!(log.contains("a name with .."), "{log:?}");
}

/// Field case CI-16, seen from the executor: half of an archive is not taken for a whole one, and a transfer that broke off may
/// be tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_comes_only_in_half_is_not_taken_for_a_whole_one() {
    let server = Server::new().await;
    let client = server.client();
    let proxy = Proxy::start(&server.url(), |_, path, _| {
        match path.contains("/executor/archives") {
            true => Fate::CutAnswer,
            false => Fate::Pass,
        }
    });
    let _executor = Executor::start(proxy.url()).await;
    let place = Place::new();
    let make = "mkdir out; for i in 1 2 3 4 5 6 7 8; do head -c 50000 /dev/urandom > out/$i; done";
    let save = place.task_of(
        "save",
        vec![run_step(make), save_workspace("out", "", &["**"])],
    );
    let restore = place.task_of(
        "restore",
        vec![restore_workspace("in"), run_step("touch $PLACE/went-on")],
    );
    let run = client.add_run(GROUP, [save, restore.after("save")]).await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished failed restore:failed save:success");
    assert!(!place.has("went-on"));
}

/// A service that does not answer does not keep a task for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_waits_for_the_service_can_be_stopped() {
    let server = Server::new().await;
    let client = server.client();
    let proxy = Proxy::start(&server.url(), |_, path, _| {
        match path.contains("/caches/") {
            true => Fate::Hang,
            false => Fate::Pass,
        }
    });
    let _executor = Executor::start(proxy.url()).await;
    let place = Place::new();
    let steps = vec![
        run_step("touch $PLACE/runs"),
        restore_cache(&["x"], "."),
        run_step("touch $PLACE/never"),
    ];
    let run = client.add_run(GROUP, [place.task_of("a", steps)]).await;
    let id = run.run.id.clone();
    client
        .wait_for(&id, "it restores", |run| {
            run.task("a").steps[1].start_time.is_some()
        })
        .await;
    let began = std::time::Instant::now();
    client.stop_run(&id, "").await.unwrap();
    let run = client.wait_for_end(&id).await;
    assert_eq!(
        run.task("a").status,
        RunTaskStatus::Stopped,
        "{}",
        run.outcome()
    );
    assert!(began.elapsed() < std::time::Duration::from_secs(10));
    assert!(!place.has("never"));
}
