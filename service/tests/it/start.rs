//! Starting: what is refused, and what is waited for.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use actix_web::web;
use datamanager::DataManager;
use datamanager::testing::TcpProxy;
use ost::testing::S3Server;
use service::client::Path;
use service::config::Web;
use service::testing::{TestServer, wait_until};
use service::{Error, ErrorKind, Options, Service, StoreOptions, bind};

use crate::notes::{Note, Notes, options, shared_options};
use crate::raw::ask;

/// Field case OP-13: a second start on the same port hung, or said nothing.
#[test]
fn an_address_that_is_taken_or_is_none_is_named_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let began = Instant::now();
    for (given, named) in [
        (address.as_str(), address.as_str()),
        ("", "host:port"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:port", "127.0.0.1:port"),
        (":99999", ":99999"),
    ] {
        let error = bind("notes", &Web::at(given)).unwrap_err().to_string();
        assert!(
            error.contains("notes.web.listenAddress") && error.contains(named),
            "{error}"
        );
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    let everywhere = bind("notes", &Web::at(":0")).unwrap();
    assert!(everywhere.local_addr().unwrap().ip().is_unspecified());
}

/// Field case OP-14: a data directory that is missing or cannot be written.
#[tokio::test]
async fn the_data_directory_is_made_or_the_start_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("not/yet/there");
    let server = TestServer::ready(Notes, options(&missing)).await;
    server.stop().await.unwrap();
    assert!(missing.join("notesdata/store.json").is_file());

    let file = directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = TestServer::start(Notes, options(&file))
        .ended()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("notes.dataDir"), "{error}");
}

/// A store that is there and cannot be read does not get better by waiting.
#[tokio::test]
async fn a_store_that_is_damaged_ends_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::ready(Notes, options(directory.path())).await;
    server.stop().await.unwrap();
    std::fs::write(directory.path().join("notesdata/store.json"), "{}").unwrap();
    let error = TestServer::start(Notes, options(directory.path()))
        .ended()
        .await
        .unwrap_err();
    assert!(error.chain().contains("store.json"), "{}", error.chain());
}

/// A store that has given itself up is not served any longer; whoever watches over the process starts it again.
#[tokio::test]
async fn a_server_whose_store_is_given_up_ends_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::ready(Notes, shared_options(directory.path())).await;
    server
        .client()
        .post::<_, u64>(&Path::of(["counter"]), &())
        .await
        .unwrap();
    let log = directory.path().join("notesdata/wal/0000000001");
    let records = std::fs::read_dir(&log)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let last = records.max().unwrap();
    let number: u64 = last.trim_end_matches(".wal").parse().unwrap();
    std::fs::write(log.join(format!("{:020}.wal", number + 1)), "no record").unwrap();
    let error = server.ended().await.unwrap_err();
    assert!(error.to_string().contains("started again"), "{error}");
    assert!(error.chain().contains(".wal"), "{}", error.chain());
}

/// A server is dropped in the middle: nobody listens any more, and the store is let go.
#[tokio::test]
async fn a_server_whose_call_is_dropped_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let running = service::run(
        listener,
        Notes,
        options(directory.path()),
        std::future::pending(),
    );
    let serving = tokio::spawn(running);
    wait_until("the server is ready", async || {
        ask(address, "GET", "/readyz", "").await.status == 200
    })
    .await;
    serving.abort();
    wait_until("nobody listens", async || {
        tokio::net::TcpStream::connect(address).await.is_err()
    })
    .await;
    let server = TestServer::ready(Notes, options(directory.path())).await;
    server.stop().await.unwrap();
}

/// Of two servers on one directory with its log in files the second waits, and takes over when the first stops.
#[tokio::test]
async fn a_second_server_on_one_directory_waits_until_the_first_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let first = TestServer::ready(Notes, options(directory.path())).await;
    let second = TestServer::start(Notes, options(directory.path()));
    let answer = ask(second.address(), "GET", "/readyz", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "starting"));
    first.stop().await.unwrap();
    second.wait_until_ready().await;
    second.stop().await.unwrap();
}

fn s3_options(directory: &std::path::Path, endpoint: &str, s3: &S3Server) -> Options {
    let [(_, id), (_, secret)] = s3.environment();
    let mut store = StoreOptions::new("notes", "notesdata", directory);
    store.object_storage.kind = "s3".to_owned();
    store.object_storage.bucket = "bucket".to_owned();
    store.object_storage.location = "eu-test-1".to_owned();
    store.object_storage.endpoint = endpoint.to_owned();
    store.object_storage.access_key = id.to_owned();
    store.object_storage.secret_access_key = secret.to_owned();
    store.settings.maintain = false;
    Options::new(store)
}

/// Field cases OP-05 and OP-12: a server died, or ran half, when its storage was down at the start; or answered from an old
/// state.
#[tokio::test]
async fn a_server_waits_for_a_bucket_that_is_down_and_then_works_fully() {
    let directory = tempfile::tempdir().unwrap();
    let s3 = S3Server::start().unwrap();
    // Nobody listens there yet.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = nobody.local_addr().unwrap();
    drop(nobody);
    let proxy = tokio::task::spawn_blocking(move || TcpProxy::start(nowhere, 1).unwrap());
    let proxy = proxy.await.unwrap();
    let with_proxy = || s3_options(directory.path(), &proxy.endpoint(), &s3);

    let server = TestServer::start(Notes, with_proxy());
    let address = server.address();
    wait_until("the server listens", async || {
        ask(address, "GET", "/healthz", "").await.status == 200
    })
    .await;
    for path in [
        "/readyz",
        "/api/v1alpha/notes/x",
        "/api/v1alpha/instances",
        "/api/v1alpha/export",
    ] {
        let answer = ask(address, "GET", path, "").await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (503, "starting"),
            "{path}"
        );
    }
    assert_eq!(ask(address, "GET", "/metrics", "").await.status, 200);
    proxy.set_target(s3.address()).unwrap();
    server.wait_until_ready().await;
    let path = Path::of(["notes", "x"]);
    let note = Note {
        text: "kept".to_owned(),
        ..Note::default()
    };
    server.client().put::<_, ()>(&path, &note).await.unwrap();
    server.stop().await.unwrap();

    // A new one on an empty directory answers nothing before it has all that there is.
    let elsewhere = tempfile::tempdir().unwrap();
    let options = s3_options(elsewhere.path(), &proxy.endpoint(), &s3);
    let server = TestServer::start(Notes, options);
    let client = server.client();
    wait_until("the first answer comes", async || {
        match client.get::<Note>(&path).await {
            Ok(note) => {
                assert_eq!(note.text, "kept");
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                false
            }
        }
    })
    .await;
    server.stop().await.unwrap();
}

/// Cannot start the first time, and not at all if it is `refused`.
struct Hesitant {
    attempts: AtomicU32,
    refused: bool,
}

impl Service for Hesitant {
    type State = ();

    fn name(&self) -> &'static str {
        "hesitant"
    }

    async fn start(&self, _store: DataManager) -> Result<(), Error> {
        match self.attempts.fetch_add(1, Ordering::SeqCst) {
            0 => Err(Error::unavailable("something else is not there yet")),
            _ if self.refused => Err(Error::bad_request("the key is not the one of this store")),
            _ => Ok(()),
        }
    }

    fn routes(&self, _routes: &mut web::ServiceConfig) {}
}

#[tokio::test]
async fn a_service_that_cannot_start_yet_is_started_again_and_one_that_cannot_at_all_ends() {
    let directory = tempfile::tempdir().unwrap();
    let hesitant = |refused| Hesitant {
        attempts: AtomicU32::new(0),
        refused,
    };
    let server = TestServer::ready(hesitant(false), options(directory.path())).await;
    server.stop().await.unwrap();
    let refused = TestServer::start(hesitant(true), options(directory.path()));
    let error = refused.ended().await.unwrap_err();
    assert_eq!(error.to_string(), "the key is not the one of this store");
    // The store was let go.
    let server = TestServer::ready(Notes, options(directory.path())).await;
    server.stop().await.unwrap();
}
