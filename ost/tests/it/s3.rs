//! The S3 service in this process.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use futures::future::join_all;
use ost::conformance::{self, Abilities};
use ost::testing::S3Server;
use ost::{Create, ObjectPath, Ost};

use crate::urls::Child;

fn path(key: &str) -> ObjectPath {
    ObjectPath::parse(key).unwrap()
}

fn on_server(server: &S3Server, child: Child) -> Child {
    let environment = server.environment().into_iter();
    environment.fold(child, |child, (name, value)| child.environment(name, value))
}

/// What makes the server worth testing with: `s3s-fs` alone lets several win.
#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_of_64_parallel_creates_wins() {
    let server = S3Server::start().unwrap();
    // Each writer has connections of its own, as if it were a process of its own.
    let writers: Vec<Ost> = (0..64).map(|_| server.open("base")).collect();
    for round in 0..5 {
        let key = path(&format!("wal/{round}"));
        let creates = writers.iter().enumerate().map(|(number, ost)| {
            let (ost, key) = (ost.clone(), key.clone());
            tokio::spawn(async move { ost.create(&key, format!("{number}").into()).await })
        });
        let mut winners = Vec::new();
        for (number, result) in join_all(creates).await.into_iter().enumerate() {
            if result.unwrap().unwrap() == Create::Created {
                winners.push(number);
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?} have won");
        let stored = writers[0].get(&key).await.unwrap();
        assert_eq!(stored, winners[0].to_string());
    }
    assert_eq!(server.count("PutObject"), 5 * 64);
}

/// What a client had written that hung up amid its request was there, and stood in no list.
#[tokio::test(flavor = "multi_thread")]
async fn s3_server_lists_what_a_client_has_written_that_hangs_up() {
    const ROUNDS: u64 = 400;
    let server = S3Server::start().unwrap();
    let (leaving, staying) = (server.open("base"), server.open("base"));
    for round in 0..ROUNDS {
        let key = path(&format!("key-{round}"));
        let create = {
            let (ost, key) = (leaving.clone(), key.clone());
            tokio::spawn(async move { ost.create(&key, "a".into()).await })
        };
        // At another moment of the request each time.
        let began = Instant::now();
        while began.elapsed() < Duration::from_micros(round * 10) {
            tokio::task::yield_now().await;
        }
        create.abort();
        // It is there now, whosoever it is.
        let _ = staying.create(&key, "b".into()).await.unwrap();
    }
    let listed: Vec<_> = staying.list("", None).try_collect().await.unwrap();
    assert_eq!(listed.len() as u64, ROUNDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_server_passes_by_its_url() {
    let server = S3Server::start().unwrap();
    let url = server.url("some/base");
    on_server(&server, Child::suite(&url)).passes().await;
    assert!(server.count("UploadPart") > 0);
    assert!(server.count("AbortMultipartUpload") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_server_refuses_those_it_does_not_know() {
    let server = S3Server::start().unwrap();
    let child = on_server(&server, Child::suite(&server.url("base")));
    let child = child.environment("AWS_SECRET_ACCESS_KEY", "wrong");
    let refused = tokio::spawn(child.passes()).await.unwrap_err();
    let said = refused.into_panic().downcast::<String>().unwrap();
    assert!(said.contains("SignatureDoesNotMatch"), "{said}");
    let ost = server.open("base");
    assert!(ost.list("", None).try_next().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_server_needs_no_runtime_of_the_test() {
    let server = S3Server::start().unwrap();
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let ost = server.open("base");
            ost.put(&path("x"), "1".into()).await.unwrap();
            assert_eq!(ost.get(&path("x")).await.unwrap(), "1");
        });
        drop(server);
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn os_06_all_of_2500_objects_are_listed_page_by_page() {
    let server = S3Server::start().unwrap();
    let abilities = Abilities::default();
    assert_eq!(abilities.many, 2_500);
    let ost = server.open("base");
    conformance::lists_are_whole(&ost, &abilities)
        .await
        .unwrap();
    assert!(server.count("ListObjectsV2") >= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn os_10_memory_of_a_long_stream_is_bounded() {
    let server = S3Server::start().unwrap();
    let mib = if std::env::var_os("DM_SOAK").is_some() {
        2_048
    } else {
        192
    };
    let child = Child::stream(&server.url("base"), mib);
    on_server(&server, child).passes().await;
    assert_eq!(server.count("UploadPart"), u64::from(mib) / 8);
}
