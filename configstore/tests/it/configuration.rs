//! The section of the configuration.

use configstore::{Error, Settings};
use service::config::Sources;

use crate::host::{Fill, Server, settings};

fn read(text: &str) -> Result<Settings, Error> {
    Settings::load(Sources::new().text(text))
}

/// Every key with a value of its own.
const ALL: &str = include_str!("../../config.reference.yml");

/// Field case OP-03: a misspelt key had no effect.
#[test]
fn every_key_changes_a_setting_and_a_misspelt_one_is_named() {
    let all = read(ALL).unwrap();
    assert_ne!(all, Settings::default());
    let lines: Vec<&str> = ALL.lines().collect();
    let mut tried = 0;
    for (number, line) in lines.iter().enumerate() {
        if line.trim_start().starts_with('#') || *line == "configstore:" {
            continue;
        }
        let trimmed = line.trim_start().trim_start_matches("- ");
        let (key, value) = trimmed.split_once(':').unwrap();
        let misspelt = line.replacen(key, &format!("{key}x"), 1);
        let mut changed = lines.clone();
        changed[number] = &misspelt;
        let error = read(&changed.join("\n")).unwrap_err().to_string();
        assert!(error.contains(&format!("{key}x")), "{key}: {error}");
        tried += 1;
        // A whole section is more than one line, and the keys need both of theirs.
        if value.is_empty() || line.contains("k1") || line.contains("k2") {
            continue;
        }
        changed.remove(number);
        assert_ne!(read(&changed.join("\n")).unwrap(), all, "{key}");
    }
    assert_eq!(tried, 41);
    assert_eq!(
        all.secret_keys
            .iter()
            .map(|key| &key.id[..])
            .collect::<Vec<_>>(),
        ["k2", "k1"]
    );
    for (text, named) in [
        ("configstore: {log: etcd}", "configstore.log"),
        ("configstore: {debug: perhaps}", "configstore.debug"),
        (
            "configstore: {limits: {bodyTimeout: 1d}}",
            "configstore.limits.bodyTimeout",
        ),
        ("configstor: {}", "configstor"),
        ("configstore: {secretKeys: [{id: k, file: x}]}", "file"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains(named), "{text}: {error}");
    }
}

/// Field case OP-02: sections of other services are not looked into.
#[tokio::test(flavor = "multi_thread")]
async fn the_section_alone_is_enough() {
    assert_eq!(read("").unwrap(), Settings::default());
    let text = "runservice: {nonsense: 1}\ngateway: [x]\nexecutor: {driver: {type: foo}}\nconfigstore:\n  dataDir: DIR";
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("new/data");
    let settings = read(&text.replace("DIR", &data_dir.display().to_string())).unwrap();
    // Field case OP-14: it is made.
    let server = Server::start(&settings).await;
    server.client().add_user("user01").await;
    assert!(data_dir.join("configdata/store.json").exists());
}

/// Field case OP-14: a data directory that cannot be.
#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let mut settings = settings(directory.path());
    for wrong in ["file/data", "/proc/none"] {
        settings.server.data_dir = directory.path().join(wrong);
        let error = Server::begin(&settings).ended().await.chain();
        assert!(
            error.contains("configstore.dataDir") && error.contains(wrong),
            "{error}"
        );
    }
    settings.server.data_dir = directory.path().join("data");
    settings.server.bearer_token_file = directory.path().join("none");
    let error = Server::begin(&settings).ended().await.chain();
    assert!(error.contains("configstore.bearerTokenFile"), "{error}");
}
