//! An etcd that speaks TLS and asks for a certificate.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use datamanager::testing::{ChildProcess, Etcd};
use datamanager::{Builder, ErrorKind, EtcdOptions, Settings};
use ost::Ost;

use super::place::{ids, run};

/// Makes an authority, and a certificate of it that serves both sides, in `directory`.
fn make_certificates(directory: &Path) {
    let script = "set -e
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
        openssl req -newkey rsa:2048 -nodes -subj /CN=both -keyout both.key -out both.csr
        printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=serverAuth,clientAuth\\n' > both.ext
        openssl x509 -req -days 2 -in both.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile both.ext -out both.pem";
    let made = Command::new("sh")
        .args(["-c", script])
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

fn start_etcd(directory: &Path) -> (ChildProcess, String) {
    let free = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("https://127.0.0.1:{}", free());
    let peer = format!("http://127.0.0.1:{}", free());
    let mut command = Command::new("etcd");
    command
        .args(["--name=one", "--data-dir=data", "--client-cert-auth"])
        .args([
            "--cert-file=both.pem",
            "--key-file=both.key",
            "--trusted-ca-file=ca.pem",
        ])
        .arg(format!("--listen-client-urls={url}"))
        .arg(format!("--advertise-client-urls={url}"))
        .arg(format!("--listen-peer-urls={peer}"))
        .arg(format!("--initial-advertise-peer-urls={peer}"))
        .arg(format!("--initial-cluster=one={peer}"))
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    (ChildProcess::spawn(&mut command).unwrap(), url)
}

#[test]
fn certificates_of_both_sides_are_checked() {
    if !Etcd::can_run().unwrap() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    make_certificates(directory.path());
    let (mut etcd, url) = start_etcd(directory.path());
    let read = |name: &str| std::fs::read(directory.path().join(name)).unwrap();
    run(async {
        let ost = Ost::memory();
        let builder = |options: EtcdOptions| {
            Builder::from_ost(ost.clone())
                .settings(Settings::default())
                .etcd(options)
        };
        let trusting = || {
            let options = EtcdOptions::new(&url, "/p").unwrap();
            options.certificate_authority(read("ca.pem"))
        };
        let whole = || trusting().client_certificate(read("both.pem"), read("both.key"));
        // It takes a moment until etcd listens.
        let mut attempts = 0;
        let store = loop {
            match builder(whole()).open().await {
                Ok(store) => break store,
                Err(error) if attempts < 50 => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                    attempts += 1;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error) => panic!("{error:?}"),
            }
        };
        store.put_raw("t", "1", "x").await.unwrap();
        assert_eq!(ids(&store).await, ["1"]);
        store.close().await.unwrap();
        let untrusting = EtcdOptions::new(&url, "/p").unwrap();
        builder(untrusting).open().await.unwrap_err();
        builder(trusting()).open().await.unwrap_err();
    });
    etcd.kill().unwrap();
}
