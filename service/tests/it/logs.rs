//! What is logged, by whom and about what.

use std::sync::{Mutex, Once};

use log::kv::{Key, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};
use service::testing::TestServer;

use crate::notes::{Notes, shared_options};
use crate::raw::ask;
use crate::transfer::put;

#[derive(Clone, Debug)]
pub(crate) struct Line {
    target: String,
    pub(crate) instance: Option<String>,
    pub(crate) text: String,
}

/// Keeps everything that this test program logs, whichever test does it.
struct Captured(Mutex<Vec<Line>>);

static CAPTURED: Captured = Captured(Mutex::new(Vec::new()));

impl Log for Captured {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        struct Shown(String);
        impl<'kvs> VisitSource<'kvs> for Shown {
            fn visit_pair(
                &mut self,
                key: Key<'kvs>,
                value: log::kv::Value<'kvs>,
            ) -> Result<(), log::kv::Error> {
                self.0.push_str(&format!(" {key}={value}"));
                Ok(())
            }
        }
        let instance = record.key_values().get(Key::from("instance"));
        let mut shown = Shown(record.args().to_string());
        record.key_values().visit(&mut shown).unwrap();
        self.0.lock().unwrap().push(Line {
            target: record.target().to_owned(),
            instance: instance.map(|instance| instance.to_string()),
            text: shown.0,
        });
    }

    fn flush(&self) {}
}

pub(crate) fn lines() -> Vec<Line> {
    CAPTURED.0.lock().unwrap().clone()
}

/// Keeps what is logged from now on.
pub(crate) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        log::set_logger(&CAPTURED).unwrap();
        log::set_max_level(LevelFilter::Debug);
    });
}

#[tokio::test]
async fn every_line_of_ours_says_which_of_three_servers_wrote_it() {
    start();
    let directory = tempfile::tempdir().unwrap();
    let servers = [
        TestServer::ready(Notes, shared_options(directory.path())).await,
        TestServer::ready(Notes, shared_options(directory.path())).await,
        TestServer::ready(Notes, shared_options(directory.path())).await,
    ];
    for (number, server) in servers.iter().enumerate() {
        put(
            &server.client().on_behalf_of("user ann\n"),
            &format!("logged{number}"),
            "the text is a secret",
        )
        .await;
        ask(
            server.address(),
            "GET",
            "/api/v1alpha/notes/x?password=secret",
            "",
        )
        .await;
        ask(
            server.address(),
            "GET",
            "/api/v1alpha/notes/x",
            "x-dm-min-position: 1/9999\r\n",
        )
        .await;
    }
    let names: Vec<String> = {
        let client = servers[0].client();
        let instances = client.instances().await.unwrap();
        instances
            .into_iter()
            .map(|instance| instance.name)
            .collect()
    };
    for server in servers {
        server.stop().await.unwrap();
    }
    let lines = lines();
    let is_ours = |line: &&Line| {
        // Proxies of tests are no part of a server.
        let is_test = line.target.starts_with("datamanager::testing");
        let ours = ["service", "datamanager", "audit", "access"];
        !is_test && ours.iter().any(|ours| line.target.starts_with(ours))
    };
    for line in lines.iter().filter(is_ours) {
        assert!(line.instance.is_some(), "{line:?}");
        assert!(!line.text.contains("secret"), "{line:?}");
    }
    assert_eq!(names.len(), 3);
    for name in &names {
        let of_one = |target: &str, text: &str| {
            lines.iter().any(|line| {
                line.instance.as_ref() == Some(name)
                    && line.target.starts_with(target)
                    && line.text.contains(text)
            })
        };
        assert!(of_one("audit", "put note \"logged"), "{name}");
        assert!(of_one("audit", "caller=user ann (127.0.0.1)"), "{name}");
        assert!(of_one("access", "route=/api/v1alpha/notes/{id}"), "{name}");
        assert!(of_one("datamanager", "opened"), "{name}");
        assert!(of_one("service", "listens on"), "{name}");
        assert!(of_one("service", "was not reached"), "{name}");
        assert!(of_one("service", "stopped"), "{name}");
    }
}
