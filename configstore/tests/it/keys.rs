//! The keys that secrets are encrypted with.

use configstore::client::ValueParent;
use configstore::{ErrorKind, SecretKeySettings, Settings};

use crate::host::{
    Fill, Server, linked_account_request, remote_source_request, secret_request, settings,
};
use crate::stored::documents;

fn key(settings: &Settings, id: &str, digits: &str) -> SecretKeySettings {
    std::fs::create_dir_all(&settings.server.data_dir).unwrap();
    let key_file = settings.server.data_dir.join(format!("key-{id}-{digits}"));
    std::fs::write(&key_file, digits.repeat(32)).unwrap();
    SecretKeySettings {
        id: id.to_owned(),
        key_file,
    }
}

const PARENT: ValueParent<'_> = ValueParent::ProjectGroup("user/user01");

async fn fill(server: &Server) {
    let client = server.client();
    client.add_user("user01").await;
    client
        .create_remote_source(&remote_source_request("rs01"))
        .await
        .unwrap();
    client
        .create_linked_account("user01", &linked_account_request("rs01", "1"))
        .await
        .unwrap();
    client.add_project("user/user01", "project01").await;
    client
        .create_secret(PARENT, &secret_request("s01", "a", "hush"))
        .await
        .unwrap();
}

async fn hush(server: &Server) -> String {
    let client = server.client();
    client.project("user/user01/project01").await.unwrap();
    client.user("user01").await.unwrap();
    client.remote_source("rs01").await.unwrap();
    client.secrets(PARENT, false).await.unwrap()[0].secret.data["a"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_missing_or_another_one_refuses_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path());
    settings.secret_keys = vec![key(&settings, "k1", "1a")];
    let server = Server::start(&settings).await;
    fill(&server).await;
    server.stop().await.unwrap();

    for (keys, reason) in [
        (vec![key(&settings, "k1", "2b")], "is another one"),
        (
            vec![key(&settings, "k2", "1a")],
            "which is not among configstore.secretKeys",
        ),
        (Vec::new(), "which is not among configstore.secretKeys"),
    ] {
        let mut other = settings.clone();
        other.secret_keys = keys;
        let error = Server::begin(&other).ended().await;
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::BadRequest, "wrong_key")
        );
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.to_string().contains("\"k1\""), "{error}");
    }
    let server = Server::start(&settings).await;
    assert_eq!(hush(&server).await, "hush");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_encrypts_everything_with_the_first_key() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path());
    settings.secret_keys = vec![key(&settings, "old", "1a")];
    let server = Server::start(&settings).await;
    fill(&server).await;
    server.stop().await.unwrap();

    settings.secret_keys.insert(0, key(&settings, "new", "2b"));
    let server = Server::start(&settings).await;
    // What is old is read, what is written is new.
    assert_eq!(hush(&server).await, "hush");
    let client = server.client();
    client
        .create_secret(PARENT, &secret_request("s02", "a", "new"))
        .await
        .unwrap();
    server.stop().await.unwrap();
    let text = format!("{:?}", documents(&settings).await);
    assert!(text.contains("1.old.") && text.contains("1.new."));

    let report = configstore::rotate_keys(&settings).await.unwrap();
    assert_eq!((report.documents, report.keys_retired), (5, 1));
    let text = format!("{:?}", documents(&settings).await);
    assert!(!text.contains("1.old."), "{text}");
    let again = configstore::rotate_keys(&settings).await.unwrap();
    assert_eq!((again.documents, again.keys_retired), (0, 0));
    settings.secret_keys.truncate(1);
    let server = Server::start(&settings).await;
    assert_eq!(hush(&server).await, "hush");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_one_is_made_in_the_data_directory() {
    let server = Server::new().await;
    fill(&server).await;
    let file = server.data_dir().join("secret-key");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
