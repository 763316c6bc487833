//! Tasks in containers, where a Docker engine answers. The image is made of a static busybox (Debian: `busybox-static`).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use runservice::api::{Container, RunStep, Runtime, Step, Volume, VolumeTmpfs};

use crate::host::{Look, Server, wait_until};
use crate::new_run::{Create, NewTask, task};
use crate::place::{GROUP, run_step};
use crate::program::Executor;
use crate::whole_run::{log_of, restore_cache, restore_workspace, save_cache, save_workspace};

const IMAGE: &str = "dm-executor-test:2";

fn docker(arguments: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// An executor with the driver for containers, if there is an engine, and the image is there or can be made.
async fn executor(service_url: &str, settings: &[(&str, &str)]) -> Option<Executor> {
    if docker(&["version", "--format", "{{.Server.Version}}"]).is_none() {
        eprintln!("NOT RUN: no Docker engine answers here");
        return None;
    }
    if !has_image() {
        eprintln!("NOT RUN: there is no static busybox to make an image of");
        return None;
    }
    let mut all = vec![("driver.type", "docker"), ("driver.network", "none")];
    all.extend(settings);
    let mut executor = Executor::new(service_url, &all);
    executor
        .rise_with(|mut command| {
            for name in ["DOCKER_HOST", "HOME"] {
                if let Ok(value) = std::env::var(name) {
                    command.env(name, value);
                }
            }
            command
        })
        .await;
    Some(executor)
}

/// Makes the image, once.
fn has_image() -> bool {
    static MADE: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *MADE.get_or_init(|| docker(&["image", "inspect", IMAGE]).is_some() || make_image())
}

fn make_image() -> bool {
    let busybox = Path::new("/usr/bin/busybox");
    let busybox = if busybox.exists() {
        busybox
    } else {
        Path::new("/bin/busybox")
    };
    if !busybox.exists() {
        return false;
    }
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join("bin");
    for directory in ["bin", "etc", "root", "tmp", "home/guest"] {
        std::fs::create_dir_all(root.path().join(directory)).unwrap();
    }
    // Whoever unpacks it owns it.
    let home = root.path().join("home/guest");
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::copy(busybox, bin.join("busybox")).unwrap();
    let users = "root:x:0:0::/root:/bin/sh\nguest:x:1000:1000::/home/guest:/bin/sh\n";
    std::fs::write(root.path().join("etc/passwd"), users).unwrap();
    let list = Command::new(busybox).arg("--list").output().unwrap();
    for applet in String::from_utf8(list.stdout).unwrap().lines() {
        // Busybox itself is there.
        let _ = std::os::unix::fs::symlink("busybox", bin.join(applet));
    }
    let mut import = Command::new("docker")
        .args(["import", "-c", "ENV FROM_IMAGE=yes", "-", IMAGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut archive = tar::Builder::new(import.stdin.take().unwrap());
    archive.follow_symlinks(false);
    archive.append_dir_all(".", root.path()).unwrap();
    drop(archive.into_inner().unwrap());
    import.wait().unwrap().success()
}

fn in_container(name: &str, steps: Vec<Step>) -> NewTask {
    task(name).change(|task| {
        task.runtime = Some(Runtime {
            kind: "pod".to_owned(),
            containers: vec![Container {
                image: IMAGE.to_owned(),
                ..Container::default()
            }],
            ..Runtime::default()
        });
        task.steps = steps;
    })
}

/// Containers of a task, or of all tasks.
fn containers(task: &str) -> Vec<String> {
    let filter = format!("name=executor-{task}");
    let found = docker(&["ps", "-aq", "--filter", &filter]).unwrap();
    found.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_in_containers_go_through_with_all_kinds_of_steps() {
    let server = Server::new().await;
    let client = server.client();
    let Some(executor) = executor(&server.url(), &[]).await else {
        return;
    };
    let first = in_container(
        "first",
        vec![
            run_step("pwd; printf \"$HOME $FROM_IMAGE $TASK $CONTAINER\"; printf 'last line'"),
            run_step("mkdir out; echo result > out/file; ln -s file out/link; chmod 700 out/file; echo lock > lock"),
            save_workspace("out", "sub", &["**"]),
            save_cache("key-{{ sha256sum \"lock\" }}-{{ env \"TASK\" }}", "out"),
        ],
    )
    .change(|task| {
        task.environment.insert("TASK".to_owned(), "task".to_owned());
        let runtime = task.runtime.as_mut().unwrap();
        let container = &mut runtime.containers[0];
        container.environment.insert("CONTAINER".to_owned(), "container".to_owned());
        container.environment.insert("TASK".to_owned(), "container".to_owned());
    });
    let second = in_container(
        "second",
        vec![
            restore_workspace("in"),
            restore_cache(&["none", "key-"], "/var/cache/deep"),
            run_step("id -un; ls -l in/sub | awk 'NR > 1 {print $1, $3, $9, $10, $11}'; cat in/sub/link /var/cache/deep/file"),
            run_step("df /mnt/memory | awk 'NR == 2 {print $2}'; exit 3"),
        ],
    )
    .change(|task| {
        let container = &mut task.runtime.as_mut().unwrap().containers[0];
        container.volumes = vec![Volume {
            path: "/mnt/memory".to_owned(),
            tmpfs: Some(VolumeTmpfs { size: 1024 * 1024 }),
        }];
    });
    let run = client.add_run(GROUP, [first, second.after("first")]).await;
    let run = client.wait_for_end(&run.run.id).await;
    let mut logs = Vec::new();
    for (task, step) in [("first", 0), ("second", 2), ("second", 3)] {
        let log = log_of(&client, &run.run.id, &run.task_id(task), step).await;
        logs.push(String::from_utf8(log).unwrap());
    }
    assert_eq!(
        run.outcome(),
        "finished failed first:success second:failed",
        "{logs:?}"
    );
    assert_eq!(run.task("second").steps[3].exit_status, Some(3));
    assert_eq!(logs[0], "/root/project\n/root yes task containerlast line");
    assert_eq!(
        logs[1],
        "root\n-rwx------ root file  \nlrwxrwxrwx root link -> file\nresult\nresult\n"
    );
    assert_eq!(logs[2], "1024\n");
    for name in ["first", "second"] {
        let id = run.task_id(name);
        wait_until("its containers are removed", async || {
            containers(&id).is_empty()
        })
        .await;
    }
    drop(executor);
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_in_containers_may_have_a_user_and_a_terminal() {
    let server = Server::new().await;
    let client = server.client();
    let Some(_executor) = executor(&server.url(), &[]).await else {
        return;
    };
    let with_terminal = Step::Run(RunStep {
        name: "tty".to_owned(),
        command: "test -t 1 && echo terminal".to_owned(),
        ..RunStep::default()
    });
    let archive_back = save_workspace(".", "", &["**"]);
    let task = in_container(
        "a",
        vec![
            run_step("id -un; pwd; touch own; test ! -t 1"),
            with_terminal,
            archive_back,
            restore_workspace("x"),
        ],
    )
    .change(|task| task.user = "guest".to_owned());
    let run = client.add_run(GROUP, [task]).await;
    let run = client.wait_for_end(&run.run.id).await;
    let log = async |step| {
        let log = log_of(&client, &run.run.id, &run.task_id("a"), step).await;
        String::from_utf8(log).unwrap()
    };
    assert_eq!(log(0).await, "guest\n/home/guest/project\n");
    assert_eq!(log(1).await, "terminal\r\n");
    assert_eq!(run.outcome(), "finished success a:success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_what_goes_on_in_a_container() {
    let server = Server::new().await;
    let client = server.client();
    let Some(mut executor) = executor(&server.url(), &[]).await else {
        return;
    };
    let stubborn = "trap '' TERM; (setsid sleep 301 &); echo runs; sleep 302; sleep 303";
    let run = client
        .add_run(GROUP, [in_container("a", vec![run_step(stubborn)])])
        .await;
    let id = run.task_id("a");
    client
        .wait_for(&run.run.id, "it runs", |run| {
            run.task("a").steps[0].start_time.is_some()
        })
        .await;
    let began = Instant::now();
    client.stop_run(&run.run.id, "").await.unwrap();
    let run = client
        .wait_for(&run.run.id, "it has stopped", |run| {
            run.task("a").end_time.is_some()
        })
        .await;
    eprintln!("stopped in {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(10));
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished stopped a:stopped");
    wait_until("its container is removed", async || {
        containers(&id).is_empty()
    })
    .await;
    // What a step leaves behind does not hold it up, and the container goes when the executor has died and is back.
    let leaves = "(setsid sleep 304 &); sleep 305 & echo left";
    let tasks = [in_container(
        "b",
        vec![run_step(leaves), run_step("sleep 306")],
    )];
    let run = client.add_run(GROUP, tasks).await;
    let id = run.task_id("b");
    client
        .wait_for(&run.run.id, "its second step runs", |run| {
            run.task("b").steps[1].start_time.is_some()
        })
        .await;
    let main = containers(&id);
    assert_eq!(main.len(), 1);
    let processes = docker(&["top", &main[0]]).unwrap();
    assert!(
        !processes.contains("30[45]") && !processes.contains("304"),
        "{processes}"
    );
    executor.die();
    executor
        .rise_with(|mut command| {
            if let Ok(host) = std::env::var("DOCKER_HOST") {
                command.env("DOCKER_HOST", host);
            }
            command
        })
        .await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(run.outcome(), "finished failed b:failed");
    wait_until("its container is removed", async || {
        containers(&id).is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_made_fails_the_task_with_a_reason() {
    let server = Server::new().await;
    let client = server.client();
    let Some(_executor) = executor(&server.url(), &[]).await else {
        return;
    };
    let no_image = in_container("image", vec![run_step("true")]).change(|task| {
        task.runtime.as_mut().unwrap().containers[0].image = "localhost:1/none:1".to_owned();
    });
    let no_files = in_container("files", vec![save_workspace("/nothing/here", "", &["**"])]);
    let leading_out = in_container(
        "link",
        vec![run_step("ln -s /etc out"), save_workspace(".", "", &["**"])],
    );
    let run = client
        .add_run(GROUP, [no_image, no_files, leading_out])
        .await;
    let run = client.wait_for_end(&run.run.id).await;
    assert_eq!(
        run.outcome(),
        "finished failed files:failed image:failed link:failed"
    );
    let log = async |name: &str, step| {
        let log = log_of(&client, &run.run.id, &run.task_id(name), step).await;
        String::from_utf8(log).unwrap()
    };
    assert!(log("files", 0).await.contains("/nothing/here"));
    assert!(log("link", 1).await.contains("lead out"));
}
