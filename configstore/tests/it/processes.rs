//! The program, as a process of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use configstore::ErrorKind;
use configstore::client::{Client, ListOptions};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::host::{Fill, user_request, wait_until};
use crate::transfer::{agola_export, import, sample};

/// How long a process may take for what it has to do.
const DEADLINE: Duration = Duration::from_secs(30);

struct Process {
    child: Child,
    client: Client,
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

fn command(data_dir: &Path, address: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_configstore"));
    command
        .env_clear()
        .env("DM_CONFIGSTORE__DATA_DIR", data_dir)
        .args(["--set", &format!("configstore.web.listenAddress={address}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Process {
    /// Starts the program; it may not be ready, or be in maintenance.
    async fn start(data_dir: &Path) -> Process {
        let address = free_address();
        let mut command = command(data_dir, &address);
        let child = command.stderr(Stdio::null()).spawn().unwrap();
        let client = Client::builder(format!("http://{address}"))
            .build()
            .unwrap();
        wait_until("the process answers", async || match client.ready().await {
            Ok(()) => true,
            Err(error) => error.code() == "maintenance",
        })
        .await;
        Process { child, client }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    async fn kill(mut self) {
        self.signal(Signal::KILL);
        timeout(DEADLINE, self.child.wait()).await.unwrap().unwrap();
    }

    async fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = timeout(DEADLINE, self.child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}");
    }
}

/// Field case OP-13: a second start on one port hung, or said nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_in_use_ends_the_program_and_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut child = command(directory.path(), &address).spawn().unwrap();
    let status = timeout(DEADLINE, child.wait()).await.unwrap().unwrap();
    let mut message = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut message)
        .await
        .unwrap();
    assert!(!status.success());
    assert!(
        message.contains(&address) && message.contains("configstore.web.listenAddress"),
        "{message}"
    );
}

/// Field case OP-06: a stop cut writes off, or hung with open connections.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_answers_what_is_running_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let process = Process::start(directory.path()).await;
    // Connections that are kept without a request.
    let mut idle = Vec::new();
    for _ in 0..20 {
        let client = reqwest::Client::new();
        let url = format!("http://{}/healthz", address_of(&process.client));
        assert!(client.get(url).send().await.unwrap().status().is_success());
        idle.push(client);
    }
    let answered = Arc::new(AtomicUsize::new(0));
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (client, answered) = (process.client.clone(), answered.clone());
        writers.spawn(async move {
            let mut made = Vec::new();
            loop {
                let name = format!("user{number}x{}", made.len());
                match client.create_user(&user_request(&name)).await {
                    Ok(user) => {
                        made.push(user.id);
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(error) => return (made, name, error),
                }
            }
        });
    }
    wait_until("users are made", async || {
        answered.load(Ordering::SeqCst) >= 40
    })
    .await;
    let started = tokio::time::Instant::now();
    process.stop().await;
    assert!(started.elapsed() < Duration::from_secs(12));
    let mut acknowledged = 0;
    let mut made = std::collections::BTreeSet::new();
    let mut last = Vec::new();
    for (ids, name, error) in writers.join_all().await {
        assert!(
            matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown),
            "{error}"
        );
        acknowledged += ids.len();
        made.extend(ids);
        last.push(name);
    }
    let process = Process::start(directory.path()).await;
    let users = process.client.users(&ListOptions::all()).await.unwrap();
    // What was carried out was answered: a request without an answer had not been taken in.
    for user in &users {
        assert!(
            !last.contains(&user.name),
            "{} was made and not answered",
            user.name
        );
    }
    assert_eq!(
        users.iter().filter(|user| made.contains(&user.id)).count(),
        acknowledged
    );
    process.stop().await;
}

fn address_of(client: &Client) -> String {
    let text = format!("{client:?}");
    let rest = text.split("http://").nth(1).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// Users beside a sample of everything else.
fn dump(users: usize) -> Vec<u8> {
    let mut objects: Vec<(&str, Value)> = sample();
    for number in 0..users {
        let id = format!("00000000-0000-4000-9000-{number:012}");
        objects.push((
            "user",
            json!({"id": id, "name": format!("imported{number:06}")}),
        ));
    }
    agola_export(&objects)
}

/// Field case IE-02, and what an operator relies on: an import is whole or has not been.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_during_an_import_leaves_the_old_state_or_the_new_one() {
    const USERS: usize = 3_000;
    let rounds = std::env::var("DM_SOAK_KILLS").map_or(5, |rounds| rounds.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let data_dir: PathBuf = directory.path().join("data");
    let process = Process::start(&data_dir).await;
    process.client.add_user("old").await;
    process.client.enable_maintenance().await.unwrap();
    process.kill().await;
    let export = dump(USERS);
    // How long one takes that is let alone, in a store of its own.
    let other = directory.path().join("other");
    let process = Process::start(&other).await;
    process.client.enable_maintenance().await.unwrap();
    let started = tokio::time::Instant::now();
    import(&process.client, export.clone()).await.unwrap();
    let whole = started.elapsed();
    process.stop().await;

    let mut seen = [0, 0];
    for round in 0..rounds {
        let process = Process::start(&data_dir).await;
        let client = process.client.clone();
        let bytes = export.clone();
        let importing = tokio::spawn(async move { import(&client, bytes).await });
        let part = f64::from(round * 2 + 1) / f64::from(rounds * 2);
        tokio::time::sleep(whole.mul_f64(part * 1.2)).await;
        process.kill().await;
        let told = importing.await.unwrap();

        let process = Process::start(&data_dir).await;
        let client = &process.client;
        client.disable_maintenance().await.unwrap();
        wait_until("it is ready", async || client.ready().await.is_ok()).await;
        let names = client.user_names().await;
        let is_new = names.len() > 1;
        match is_new {
            true => {
                assert_eq!(names.len(), USERS + 1);
                client
                    .project("org/org01/projectgroup01/project01")
                    .await
                    .unwrap();
                // Back to the old state.
                client.enable_maintenance().await.unwrap();
                let old = agola_export(&[("user", json!({"id": "1", "name": "old"}))]);
                import(client, old).await.unwrap();
            }
            false => {
                assert_eq!(names, ["old"]);
                assert!(
                    told.is_err(),
                    "an import that was acknowledged is not there"
                );
                client.enable_maintenance().await.unwrap();
            }
        }
        seen[usize::from(is_new)] += 1;
        process.stop().await;
    }
    assert!(seen[0] > 0, "no import was cut: {seen:?}");
}
