//! What operators rely on: TLS, tokens, limits, and dependencies that come late.

use std::time::Duration;

use configstore::ErrorKind;
use configstore::client::Client;
use service::testing::TestCertificate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::host::{Fill, Server, settings, user_request, wait_until};

/// Field cases OP-01 and OP-11: TLS was configured and plain HTTP served; a new certificate needed a restart.
#[tokio::test(flavor = "multi_thread")]
async fn with_tls_nothing_else_is_spoken_and_new_certificates_are_taken_up() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = TestCertificate::make(directory.path());
    let mut settings = settings(directory.path());
    settings.server.web = certificate.web();
    let server = Server::begin(&settings);
    let trusting = |pem: &str| {
        let builder = Client::builder(server.url()).certificate_authority(pem);
        builder.build().unwrap()
    };
    let client = trusting(&certificate.certificate);
    wait_until("the service is ready", async || {
        client.ready().await.is_ok()
    })
    .await;
    client.add_user("user01").await;
    let plain = Client::builder(server.url().replace("https", "http"))
        .build()
        .unwrap();
    plain.user("user01").await.unwrap_err();

    // First one file is replaced, then the other; in between the old pair is used.
    let replaced = directory.path().join("new");
    std::fs::create_dir(&replaced).unwrap();
    let new = TestCertificate::make(&replaced);
    std::fs::write(&certificate.certificate_file, &new.certificate).unwrap();
    for _ in 0..15 {
        trusting(&certificate.certificate)
            .user("user01")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    std::fs::write(&certificate.key_file, &new.key).unwrap();
    wait_until("the new certificate is used", async || {
        trusting(&new.certificate).user("user01").await.is_ok()
    })
    .await;
    server.stop().await.unwrap();

    std::fs::write(&certificate.key_file, "no key").unwrap();
    let error = Server::begin(&settings).ended().await.chain();
    assert!(error.contains("configstore.web.tlsKeyFile"), "{error}");
}

/// Field cases AP-08 and AP-10: callers show a token in a header, and nowhere else.
#[tokio::test(flavor = "multi_thread")]
async fn callers_show_the_token_once_there_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path());
    settings.server.bearer_token_file = directory.path().join("token");
    std::fs::write(&settings.server.bearer_token_file, "0123456789abcdef0123\n").unwrap();
    let server = Server::start(&settings).await;
    let with = |token: &str| {
        let builder = Client::builder(server.url()).bearer_token(token);
        builder.build().unwrap()
    };
    let client = with("0123456789abcdef0123");
    client.add_user("user01").await;
    for token in [
        "0123456789abcdef012",
        "0123456789abcdef01234",
        "x123456789abcdef0123",
    ] {
        let error = with(token).user("user01").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{token}");
        with(token).enable_maintenance().await.unwrap_err();
    }
    let error = server
        .client()
        .create_user(&user_request("user02"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let url = format!(
        "{}/api/v1alpha/users?access_token=0123456789abcdef0123",
        server.url()
    );
    assert_eq!(reqwest::get(url).await.unwrap().status(), 401);
}

/// Field case AP-12: a large body was answered by a reset.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_gets_an_answer() {
    let server = Server::new().await;
    let http = reqwest::Client::new();
    for bytes in [2_000_000, 20_000_000] {
        let body = format!("{{\"user_name\":\"{}\"}}", "a".repeat(bytes));
        let url = format!("{}/api/v1alpha/users", server.url());
        let response = http.post(url).body(body).send().await.unwrap();
        assert_eq!(response.status(), 413);
        assert!(response.text().await.unwrap().contains("too_large"));
    }
    // One below the limit is taken, whatever becomes of it.
    let client = server.client();
    client.add_user("user01").await;
    let request = crate::host::secret_request("s01", "a", &"x".repeat(900_000));
    let parent = configstore::client::ValueParent::ProjectGroup("user/user01");
    client.create_secret(parent, &request).await.unwrap();
    assert_eq!(
        client.secrets(parent, false).await.unwrap()[0].secret.data["a"].len(),
        900_000
    );
}

/// Field case AP-13: slow clients used the server up.
#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_hold_nobody_up_and_are_cut() {
    let connections = std::env::var("DM_SOAK_SLOW").map_or(60, |count| count.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path());
    settings.server.limits.head_timeout = Duration::from_secs(1);
    settings.server.limits.body_timeout = Duration::from_secs(1);
    let server = Server::start(&settings).await;
    let host = server.url().strip_prefix("http://").unwrap().to_owned();
    let mut slow = tokio::task::JoinSet::new();
    for number in 0..connections {
        let host = host.clone();
        slow.spawn(async move {
            let mut stream = TcpStream::connect(&host).await.unwrap();
            let head = "POST /api/v1alpha/users HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            if number % 2 == 0 {
                stream.write_all(b"\r\n{").await.unwrap();
            }
            // Until the server has had enough.
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
        });
    }
    let client = server.client();
    for number in 0..20 {
        let started = tokio::time::Instant::now();
        client.add_user(&format!("user{number}")).await;
        assert!(started.elapsed() < Duration::from_secs(5));
    }
    tokio::time::timeout(Duration::from_secs(30), slow.join_all())
        .await
        .unwrap();
}

/// Field case OP-05: a service that started before its etcd died, or stayed half dead.
#[cfg(feature = "etcd")]
#[tokio::test(flavor = "multi_thread")]
async fn a_service_waits_for_an_etcd_that_comes_later() {
    if !datamanager::testing::Etcd::can_run().unwrap() {
        eprintln!("NOT RUN: there is no etcd");
        return;
    }
    let cluster = crate::cluster::Cluster::with_etcd();
    let etcd = cluster.etcd.as_ref().unwrap();
    etcd.kill(0).unwrap();
    let server = Server::begin(&cluster.settings("first"));
    let client = server.client();
    wait_until("it says that it starts", async || {
        client
            .ready()
            .await
            .is_err_and(|error| error.code() == "starting")
    })
    .await;
    let error = client
        .create_user(&user_request("user01"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Unavailable, "starting")
    );
    etcd.restart(0).unwrap();
    server.wait_until_ready().await;
    client.add_user("user01").await;
    // And when it goes and comes back.
    etcd.kill(0).unwrap();
    client.user("user01").await.unwrap();
    etcd.restart(0).unwrap();
    wait_until("changes are accepted again", async || {
        client.create_user(&user_request("user02")).await.is_ok()
            || client.user("user02").await.is_ok()
    })
    .await;
}

/// A service with a log in files is alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_on_the_same_files_waits_until_the_first_has_gone() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let first = Server::start(&settings).await;
    let second = Server::begin(&settings);
    let client = second.client();
    wait_until("it says that it starts", async || {
        client
            .ready()
            .await
            .is_err_and(|error| error.code() == "starting")
    })
    .await;
    first.client().add_user("user01").await;
    first.stop().await.unwrap();
    second.wait_until_ready().await;
    assert_eq!(client.user_names().await, ["user01"]);
}
