//! Places at which several processes share one store: in a simulation, in a directory, and on services.
//!
//! A test of the log that needs no simulated fault is written once, for a [`Place`], and [`on_each_place`] runs it on each.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use datamanager::environment::Environment;
use datamanager::{Builder, DataManager, LogKind, Settings};
use futures::TryStreamExt;
use ost::testing::{ExternalService, S3Server};
use ost::{CountingStore, ObjectPath, Operation, Ost, PosixStore};
use tempfile::TempDir;

use crate::site::Site;

/// An object storage without a store, and how processes reach it.
pub(crate) struct Place {
    kind: Kind,
    settings: Mutex<Settings>,
    /// The processes that were opened.
    names: Mutex<BTreeSet<String>>,
}

enum Kind {
    Simulation(Box<Site>),
    Directory(TempDir),
    Counted(
        CountingStore,
        #[expect(dead_code, reason = "kept until the test ends")] TempDir,
    ),
    S3(S3Server),
    Service(Arc<ExternalService>, &'static str),
}

/// Requests of all processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// Objects put or created.
    pub(crate) puts: u64,
    pub(crate) gets: u64,
    pub(crate) lists: u64,
    pub(crate) deletes: u64,
}

impl Requests {
    pub(crate) fn since(self, earlier: Requests) -> Requests {
        Requests {
            puts: self.puts - earlier.puts,
            gets: self.gets - earlier.gets,
            lists: self.lists - earlier.lists,
            deletes: self.deletes - earlier.deletes,
        }
    }
}

impl Place {
    pub(crate) fn simulation(seed: u64) -> Place {
        let site = Site::new(seed);
        let settings = site.settings.clone();
        Place::new(Kind::Simulation(Box::new(site)), settings)
    }

    pub(crate) fn directory() -> Place {
        Place::real(Kind::Directory(tempfile::tempdir().unwrap()))
    }

    /// A directory whose requests are counted.
    pub(crate) fn counted_directory() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let store = PosixStore::new(directory.path()).unwrap();
        Place::real(Kind::Counted(
            CountingStore::new(Arc::new(store)),
            directory,
        ))
    }

    /// A service that speaks the protocol of S3, in this process.
    pub(crate) fn s3() -> Place {
        Place::real(Kind::S3(S3Server::start().unwrap()))
    }

    pub(crate) fn service(service: &Arc<ExternalService>, base_path: &'static str) -> Place {
        Place::real(Kind::Service(service.clone(), base_path))
    }

    fn real(kind: Kind) -> Place {
        let mut settings = Settings::default();
        settings.probe_interval_max = Duration::from_millis(250);
        Place::new(kind, settings)
    }

    fn new(kind: Kind, settings: Settings) -> Place {
        Place {
            kind,
            settings: Mutex::new(settings),
            names: Mutex::default(),
        }
    }

    /// Changes the settings of processes that are opened afterwards.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.lock().unwrap());
    }

    /// Runs `test` to its end.
    pub(crate) fn run(&self, test: impl AsyncFnOnce(&Place)) {
        match &self.kind {
            Kind::Simulation(site) => site.run(async || test(self).await),
            _ => tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap()
                .block_on(test(self)),
        }
    }

    /// Options for a new process of the name `name`, with a connection of its own.
    pub(crate) fn builder(&self, name: &str) -> Builder {
        self.names.lock().unwrap().insert(name.to_owned());
        let builder = match &self.kind {
            Kind::Simulation(site) => {
                let process = site.process(name);
                let ost = site.objects.ost(&process, "base");
                Builder::from_ost(ost).environment(process)
            }
            _ => Builder::from_ost(self.ost()),
        };
        builder
            .name(name)
            .log(LogKind::Object)
            .settings(self.settings.lock().unwrap().clone())
    }

    /// Opens the store as a new process. A service that does not keep create-if-absent when several are under way is refused by
    /// the first start, if that happens to be seen; the next one tries it anew.
    pub(crate) async fn open(&self, name: &str) -> DataManager {
        const ATTEMPTS_MAX: u32 = 50;
        for _ in 0..ATTEMPTS_MAX {
            match (self.builder(name).open().await, &self.kind) {
                (Err(error), Kind::Service(..))
                    if error.to_string().contains("does not keep create-if-absent") => {}
                (opened, _) => return opened.unwrap(),
            }
        }
        panic!("the service keeps no create-if-absent");
    }

    /// The objects, as somebody sees them who has no store open.
    pub(crate) fn ost(&self) -> Ost {
        match &self.kind {
            Kind::Simulation(site) => site.objects.ost(&site.process("nobody"), "base"),
            Kind::Directory(directory) => Ost::local(directory.path()).unwrap(),
            Kind::Counted(store, _) => Ost::from_object_store(Arc::new(store.clone()), "").unwrap(),
            Kind::S3(server) => server.open("base"),
            Kind::Service(service, base_path) => service.open(base_path),
        }
    }

    pub(crate) async fn keys(&self, prefix: &str) -> Vec<String> {
        let metas: Vec<ost::ObjectMeta> =
            self.ost().list(prefix, None).try_collect().await.unwrap();
        metas.iter().map(|meta| meta.path.to_string()).collect()
    }

    pub(crate) async fn content(&self, key: &str) -> Bytes {
        self.ost().get(&path(key)).await.unwrap()
    }

    pub(crate) async fn put(&self, key: &str, content: Bytes) {
        self.ost().put(&path(key), content).await.unwrap();
    }

    pub(crate) async fn remove(&self, key: &str) {
        self.ost().delete(&path(key)).await.unwrap();
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        match &self.kind {
            Kind::Simulation(site) => site.process("nobody").sleep(duration).await,
            _ => tokio::time::sleep(duration).await,
        }
    }

    /// Waits until `condition` holds, which takes a while at most.
    pub(crate) async fn wait_until(&self, what: &str, mut condition: impl AsyncFnMut() -> bool) {
        const WAIT_MAX: Duration = Duration::from_secs(60);
        let began = Instant::now();
        while !condition().await {
            assert!(began.elapsed() < WAIT_MAX, "in vain: {what}");
            self.sleep(Duration::from_millis(20)).await;
        }
    }

    /// The requests since the place was made, where they are counted.
    pub(crate) fn requests(&self) -> Requests {
        match &self.kind {
            Kind::Simulation(site) => {
                let names = self.names.lock().unwrap();
                let count = |operations: &[Operation]| {
                    let counts = names.iter().flat_map(|name| {
                        let of = |operation| site.objects.request_count(name, operation, "");
                        operations.iter().map(move |operation| of(*operation))
                    });
                    counts.sum::<usize>() as u64
                };
                Requests {
                    puts: count(&[Operation::Put, Operation::Create]),
                    gets: count(&[Operation::Get]),
                    lists: count(&[Operation::List]),
                    deletes: count(&[Operation::Delete]),
                }
            }
            Kind::Counted(store, _) => {
                let counts = store.counts();
                Requests {
                    puts: counts.of(Operation::Put) + counts.of(Operation::Create),
                    gets: counts.of(Operation::Get),
                    lists: counts.of(Operation::List),
                    deletes: counts.of(Operation::Delete),
                }
            }
            Kind::S3(server) => Requests {
                puts: server.count("PutObject"),
                gets: server.count("GetObject"),
                lists: server.count("ListObjectsV2"),
                deletes: server.count("DeleteObject"),
            },
            Kind::Directory(_) | Kind::Service(..) => panic!("nobody counts here"),
        }
    }
}

fn path(key: &str) -> ObjectPath {
    ObjectPath::parse(key).unwrap()
}

/// Makes three tests of a function `async fn name(place: &Place)`.
macro_rules! on_each_place {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            use crate::place::Place;

            #[test]
            fn in_simulations() {
                for seed in 1..=5 {
                    Place::simulation(seed).run(super::$name);
                }
            }

            #[test]
            fn in_a_directory() {
                Place::directory().run(super::$name);
            }

            #[test]
            fn on_an_s3_service() {
                Place::s3().run(super::$name);
            }
        }
    )+};
}
pub(crate) use on_each_place;
