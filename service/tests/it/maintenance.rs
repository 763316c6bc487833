//! Maintenance of several instances.

use std::sync::mpsc;

use base64::Engine;
use datamanager::{DataManager, LogKind};
use service::api::Mode;
use service::client::{Client, Path};
use service::testing::{TestServer, wait_until};
use service::{Error, ErrorKind};

use crate::notes::{Note, Notes, shared_options};
use crate::raw::{ask, send};
use crate::transfer::{export, import, put};

async fn three_servers(directory: &std::path::Path) -> [TestServer; 3] {
    // One after the other, so that one of them makes the store.
    [
        TestServer::ready(Notes, shared_options(directory)).await,
        TestServer::ready(Notes, shared_options(directory)).await,
        TestServer::ready(Notes, shared_options(directory)).await,
    ]
}

async fn wait_until_in(client: &Client, mode: Mode) {
    wait_until("all instances are in the mode", async || {
        let status = client.maintenance().await.unwrap();
        status.current_mode == mode && status.waiting_for.is_empty()
    })
    .await;
}

/// Field cases IE-03 and IE-04: another instance still wrote while an import ran; the status told of maintenance that was
/// not reached yet.
#[tokio::test]
async fn maintenance_holds_on_all_instances_and_an_import_is_served_by_all_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let servers = three_servers(directory.path()).await;
    let clients = [
        servers[0].client(),
        servers[1].client(),
        servers[2].client(),
    ];
    put(&clients[0], "a", "first").await;
    let dump = export(&clients[0], "agola").await.unwrap();

    // Another instance writes as fast as it can until it is refused.
    let writing = {
        let client = clients[1].clone();
        tokio::spawn(async move {
            for number in 0_u64.. {
                let note = Note {
                    text: number.to_string(),
                    ..Note::default()
                };
                let result: Result<(), Error> = client.put(&Path::of(["notes", "b"]), &note).await;
                if let Err(error) = result {
                    return (number.checked_sub(1), error);
                }
            }
            unreachable!("it is refused some day")
        })
    };
    clients[0].enable_maintenance().await.unwrap();
    let error = clients[0].enable_maintenance().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::BadRequest, "already_enabled")
    );
    let (last, error) = writing.await.unwrap();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unavailable, "maintenance")
    );
    let status = clients[2].maintenance().await.unwrap();
    assert_eq!(status.requested_mode, Mode::Maintenance);
    assert!(
        status.since.is_some() && status.requested_by.is_some(),
        "{status:?}"
    );
    wait_until_in(&clients[2], Mode::Maintenance).await;
    for server in &servers {
        let address = server.address();
        for (method, path) in [
            ("GET", "/api/v1alpha/notes/a"),
            ("DELETE", "/api/v1alpha/notes/a"),
            ("GET", "/api/v1alpha/counter"),
            ("GET", "/api/v1alpha/unknown"),
            ("GET", "/readyz"),
        ] {
            let answer = ask(address, method, path, "").await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (503, "maintenance"),
                "{path}"
            );
        }
        let answer = send(address, "PUT", "/api/v1alpha/notes/a", "{}").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "maintenance")
        );
        for path in [
            "/healthz",
            "/metrics",
            "/api/v1alpha/openapi.json",
            "/api/v1alpha/instances",
            "/api/v1alpha/export",
        ] {
            assert_eq!(ask(address, "GET", path, "").await.status, 200, "{path}");
        }
    }
    let instances = clients[1].instances().await.unwrap();
    assert_eq!(instances.len(), 3, "{instances:?}");
    for instance in &instances {
        assert!(instance.name.starts_with("notes-"), "{instance:?}");
        assert_eq!(
            (instance.requested_mode, instance.current_mode),
            (Mode::Maintenance, Mode::Maintenance)
        );
        assert!(
            !instance.version.is_empty() && instance.position.contains('/'),
            "{instance:?}"
        );
    }

    // What was acknowledged last is what there is, on every instance.
    let written = last.map(|last| base64::prelude::BASE64_STANDARD.encode(last.to_string()));
    for client in &clients {
        let agola = String::from_utf8(export(client, "agola").await.unwrap()).unwrap();
        let shown = |data: &String| {
            agola.contains(&format!("\"b\",\"data_type\":\"note\",\"data\":\"{data}\""))
        };
        assert!(written.as_ref().is_none_or(shown), "{last:?} in {agola}");
    }
    import(&clients[2], &dump).await.unwrap();
    let error = clients[1]
        .get::<Note>(&Path::of(["notes", "a"]))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "maintenance");
    clients[1].disable_maintenance().await.unwrap();
    let error = clients[1].disable_maintenance().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::BadRequest, "already_disabled")
    );
    wait_until_in(&clients[1], Mode::Normal).await;
    for (number, client) in clients.iter().enumerate() {
        client.remember(clients[1].position().unwrap());
        wait_until("the instance serves again", async || {
            client.ready().await.is_ok()
        })
        .await;
        assert_eq!(
            client
                .get::<Note>(&Path::of(["notes", "a"]))
                .await
                .unwrap()
                .text,
            "first"
        );
        let error = client
            .get::<Note>(&Path::of(["notes", "b"]))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        put(client, &format!("new{number}"), "x").await;
    }
    for server in servers {
        server.stop().await.unwrap();
    }
}

/// A process that has the store open and whose tasks do not run: it has not reported maintenance.
struct Silent {
    end: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
    name: String,
}

impl Silent {
    fn start(place: String) -> Silent {
        let (end, ended) = mpsc::channel();
        let (named, name) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let store = runtime.block_on(async {
                let builder = DataManager::builder(&place).unwrap().log(LogKind::Object);
                builder.open().await.unwrap()
            });
            named.send(store.instance().to_owned()).unwrap();
            ended.recv().unwrap();
            runtime.block_on(store.close()).unwrap();
            // The registration is taken back by a task.
            runtime.block_on(async {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            });
        });
        Silent {
            end,
            thread,
            name: name.recv().unwrap(),
        }
    }

    fn end(self) {
        self.end.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

/// Field case IE-04: while an instance has not entered maintenance, that is told, and an import is refused.
#[tokio::test]
async fn an_import_is_refused_as_long_as_an_instance_has_not_reported_maintenance() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::ready(Notes, shared_options(directory.path())).await;
    let client = server.client();
    put(&client, "a", "x").await;
    let dump = export(&client, "agola").await.unwrap();
    let place = directory.path().join("notesdata").display().to_string();
    let silent = Silent::start(place);

    client.enable_maintenance().await.unwrap();
    let status = client.maintenance().await.unwrap();
    assert_eq!(
        (status.requested_mode, status.current_mode),
        (Mode::Maintenance, Mode::Normal)
    );
    assert_eq!(status.waiting_for, std::slice::from_ref(&silent.name));
    let error = import(&client, &dump).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Conflict, "instances_not_in_maintenance")
    );
    assert!(error.to_string().contains(&silent.name), "{error}");
    let instances = client.instances().await.unwrap();
    let late = instances
        .iter()
        .find(|instance| instance.name == silent.name)
        .unwrap();
    assert_eq!(
        (late.requested_mode, late.current_mode),
        (Mode::Maintenance, Mode::Normal)
    );

    tokio::task::spawn_blocking(|| silent.end()).await.unwrap();
    wait_until_in(&client, Mode::Maintenance).await;
    import(&client, &dump).await.unwrap();
    server.stop().await.unwrap();
}
