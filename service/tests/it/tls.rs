//! Field cases OP-01 and OP-11: HTTPS and nothing else, and certificates that are replaced.

use service::Options;
use service::client::{Client, Path};
use service::testing::{TestCertificate, TestServer, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::notes::{Notes, options};

/// Whether a client that trusts this certificate alone can speak with the server, over a connection of its own.
async fn is_served_with(server: &TestServer, certificate: &TestCertificate) -> bool {
    let client = server
        .client_builder()
        .certificate_authority(certificate.certificate.as_str());
    let client = client.build().unwrap();
    client.get::<u64>(&Path::of(["counter"])).await.is_ok()
}

async fn wait_until_served_with(server: &TestServer, certificate: &TestCertificate) {
    wait_until("the certificate is used", async || {
        is_served_with(server, certificate).await
    })
    .await;
}

fn with_tls(directory: &std::path::Path, certificate: &TestCertificate) -> Options {
    let mut options = options(directory);
    options.web = certificate.web();
    options
}

/// OP-01: TLS was switched on, and plain HTTP was served.
#[tokio::test]
async fn with_tls_plain_http_fails() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = TestCertificate::make(directory.path());
    let server = TestServer::start(Notes, with_tls(directory.path(), &certificate));
    wait_until_served_with(&server, &certificate).await;

    let plain = format!("http://127.0.0.1:{}", server.address().port());
    let plain = Client::builder(plain).build().unwrap();
    assert!(plain.get::<u64>(&Path::of(["counter"])).await.is_err());
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    // It may be reset, too.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"));
    // A certificate that is not trusted is refused by the client.
    assert!(
        server
            .client()
            .get::<u64>(&Path::of(["counter"]))
            .await
            .is_err()
    );
    server.stop().await.unwrap();
}

/// OP-01: a key that cannot be used stops the start, by name.
#[tokio::test]
async fn a_broken_key_or_certificate_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = TestCertificate::make(directory.path());
    let elsewhere = tempfile::tempdir().unwrap();
    let other = TestCertificate::make(elsewhere.path());
    let broken = directory.path().join("broken");
    std::fs::write(&broken, &certificate.key[..certificate.key.len() / 2]).unwrap();
    let good = certificate.web();
    let mut cases = Vec::new();
    for key in [
        broken.clone(),
        "missing".into(),
        "".into(),
        good.tls_cert_file.clone(),
    ] {
        let mut web = good.clone();
        web.tls_key_file = key;
        cases.push((web, "notes.web.tlsKeyFile"));
    }
    for file in [
        broken,
        "missing".into(),
        "".into(),
        good.tls_key_file.clone(),
        other.certificate_file,
    ] {
        let mut web = good.clone();
        web.tls_cert_file = file;
        cases.push((web, "notes.web.tlsCertFile"));
    }
    for (web, key) in cases {
        let mut options = options(directory.path());
        options.web = web.clone();
        let error = TestServer::start(Notes, options).ended().await.unwrap_err();
        assert!(error.to_string().contains(key), "{web:?}: {error}");
    }
}

/// OP-11: a new certificate was used from the next start on, or broke the listener while it was being written.
#[tokio::test]
async fn a_replaced_certificate_is_used_and_a_half_written_pair_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let old = TestCertificate::make(directory.path());
    let server = TestServer::start(Notes, with_tls(directory.path(), &old));
    wait_until_served_with(&server, &old).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let new = TestCertificate::make(elsewhere.path());

    // First the certificate, in two pieces, and the key later: meanwhile the old pair serves.
    let half = &new.certificate[..new.certificate.len() / 2];
    for content in [half, new.certificate.as_str()] {
        std::fs::write(&old.certificate_file, content).unwrap();
        let until = tokio::time::Instant::now() + std::time::Duration::from_millis(1_500);
        while tokio::time::Instant::now() < until {
            assert!(is_served_with(&server, &old).await);
        }
    }
    std::fs::remove_file(&old.key_file).unwrap();
    assert!(is_served_with(&server, &old).await);
    std::fs::write(&old.key_file, &new.key).unwrap();
    wait_until_served_with(&server, &new).await;
    assert!(!is_served_with(&server, &old).await);
    server.stop().await.unwrap();
}
