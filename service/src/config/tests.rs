//! The rules of files, environment and flags.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::*;

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Driver {
    #[default]
    Docker,
    Kubernetes,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Section {
    debug: bool,
    data_dir: String,
    web: Web,
    etcd: Option<Etcd>,
    object_storage: ObjectStorage,
    #[serde(deserialize_with = "go_duration")]
    expire_interval: Duration,
    tasks_limit: u32,
    offset: i64,
    labels: BTreeMap<String, String>,
    keys: Vec<Key>,
    driver: Driver,
    limits: Limits,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Key {
    id: String,
    key_file: String,
}

impl Default for Section {
    fn default() -> Section {
        Section {
            debug: false,
            data_dir: "./data".to_owned(),
            web: Web::at("127.0.0.1:4002"),
            etcd: None,
            object_storage: ObjectStorage::default(),
            expire_interval: Duration::from_secs(168 * 3_600),
            tasks_limit: 2,
            offset: 0,
            labels: BTreeMap::new(),
            keys: Vec::new(),
            driver: Driver::default(),
            limits: Limits::default(),
        }
    }
}

fn read(sources: Sources) -> Result<Section, Error> {
    sources.load()?.section("configstore")
}

fn text(text: &str) -> Result<Section, Error> {
    read(Sources::new().text(text))
}

fn key(line: &str) -> Result<Section, Error> {
    text(&format!("configstore:\n  {line}\n"))
}

fn variables(variables: &[(&str, &str)]) -> Sources {
    let variables = variables.iter();
    let owned = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Sources::new().environment(owned)
}

/// The message has all of these.
fn refused(result: Result<Section, Error>, parts: &[&str]) {
    let error = result.unwrap_err();
    for part in parts {
        assert!(error.to_string().contains(part), "{part:?} in {error}");
    }
    assert_eq!(error.code(), "invalid_configuration");
}

#[test]
fn nothing_is_all_defaults() {
    for nothing in [
        "",
        "\n# a comment\n",
        "---\n",
        "null",
        "configstore:",
        "configstore: {}",
    ] {
        assert_eq!(text(nothing).unwrap(), Section::default(), "{nothing:?}");
    }
    assert_eq!(read(Sources::new()).unwrap(), Section::default());
    assert_eq!(Sources::new().load().unwrap().id(), "agola");
}

/// Field case OP-03: an option had no effect, since a name differed or a typing error was not told.
#[test]
fn each_documented_key_has_an_effect() {
    for (line, changed) in [
        (
            "debug: true",
            Section {
                debug: true,
                ..Section::default()
            },
        ),
        (
            "debug: yes",
            Section {
                debug: true,
                ..Section::default()
            },
        ),
        (
            "dataDir: /srv",
            Section {
                data_dir: "/srv".to_owned(),
                ..Section::default()
            },
        ),
        (
            "expireInterval: 1h30m",
            Section {
                expire_interval: Duration::from_secs(5_400),
                ..Section::default()
            },
        ),
        (
            "expireInterval: 3600",
            Section {
                expire_interval: Duration::from_nanos(3_600),
                ..Section::default()
            },
        ),
        (
            "tasksLimit: 5",
            Section {
                tasks_limit: 5,
                ..Section::default()
            },
        ),
        (
            "offset: -5",
            Section {
                offset: -5,
                ..Section::default()
            },
        ),
        (
            "driver: kubernetes",
            Section {
                driver: Driver::Kubernetes,
                ..Section::default()
            },
        ),
        (
            "labels: {A_b: 1}",
            Section {
                labels: BTreeMap::from([("A_b".to_owned(), "1".to_owned())]),
                ..Section::default()
            },
        ),
    ] {
        assert_eq!(key(line).unwrap(), changed, "{line}");
    }
    let web = "web: {listenAddress: ':1', tls: true, tlsKeyFile: k, tlsCertFile: c, allowedOrigins: [a, b]}";
    let web = key(web).unwrap().web;
    let expected = Web {
        listen_address: ":1".to_owned(),
        tls: true,
        tls_key_file: "k".into(),
        tls_cert_file: "c".into(),
        allowed_origins: vec!["a".to_owned(), "b".to_owned()],
    };
    assert_eq!(web, expected);
    let etcd = "etcd: {endpoints: e, tlsCertFile: c, tlsKeyFile: k, tlsCAFile: a, tlsSkipVerify: true, user: u, passwordFile: p}";
    let etcd = key(etcd).unwrap().etcd.unwrap();
    let expected = Etcd {
        endpoints: "e".to_owned(),
        tls_cert_file: "c".into(),
        tls_key_file: "k".into(),
        tls_ca_file: "a".into(),
        tls_skip_verify: true,
        user: "u".to_owned(),
        password_file: "p".into(),
    };
    assert_eq!(etcd, expected);
    let storage = "objectStorage: {type: s3, path: p, endpoint: e, bucket: b, location: l, accessKey: a, secretAccessKey: s, disableTLS: true}";
    let storage = key(storage).unwrap().object_storage;
    let expected = ObjectStorage {
        kind: "s3".to_owned(),
        path: "p".into(),
        endpoint: "e".to_owned(),
        bucket: "b".to_owned(),
        location: "l".to_owned(),
        access_key: "a".to_owned(),
        secret_access_key: "s".to_owned(),
        disable_tls: true,
    };
    assert_eq!(storage, expected);
    assert!(!format!("{storage:?}").contains("secret_access_key"));
    let limits = "limits: {jsonBytesMax: 1, headTimeout: 2s, bodyTimeout: 3s, streamIdleTimeout: 4s, keepAlive: 5s, connectionsMax: 6}";
    let expected = Limits {
        json_bytes_max: 1,
        head_timeout: Duration::from_secs(2),
        body_timeout: Duration::from_secs(3),
        stream_idle_timeout: Duration::from_secs(4),
        keep_alive: Duration::from_secs(5),
        connections_max: 6,
    };
    assert_eq!(key(limits).unwrap().limits, expected);
}

/// Field case OP-03.
#[test]
fn an_unknown_key_is_named_with_what_may_be_meant() {
    refused(
        key("dataDirr: x"),
        &["configstore.dataDirr", "line 2", "\"dataDir\" meant"],
    );
    refused(
        key("datadir: x"),
        &["configstore.datadir", "\"dataDir\" meant"],
    );
    refused(
        key("web: {listenAdress: x}"),
        &["configstore.web.listenAdress", "\"listenAddress\" meant"],
    );
    refused(key("web: {tlsCAFile: x}"), &["configstore.web.tlsCAFile"]);
    refused(
        key("keys: [{id: a}, {ident: b}]"),
        &["configstore.keys[1].ident"],
    );
    refused(
        key("somethingElse: x"),
        &["configstore.somethingElse", "known are", "\"dataDir\""],
    );
    refused(
        text("configstor: {}"),
        &["configstor (", "line 1", "\"configstore\" meant"],
    );
    refused(text("dataDir: x"), &["dataDir"]);
    refused(
        read(variables(&[("DM_CONFIGSTORE__DATA_DRI", "x")])),
        &["DM_CONFIGSTORE__DATA_DRI", "\"dataDir\" meant"],
    );
    refused(
        read(variables(&[("DM_CONFIGSTOR__DATA_DIR", "x")])),
        &["DM_CONFIGSTOR__DATA_DIR"],
    );
    refused(
        read(Sources::new().set("configstore.web.tsl", "x")),
        &["configstore.web.tsl", "command line"],
    );
}

/// Field case OP-02: a server asked for the sections of others, or checked them.
#[test]
fn sections_of_other_components_are_not_looked_into() {
    let file = "gateway: {anything: [1, {x: y}]}\nrunservice: 7\nconfigstore: {dataDir: /srv}\nexecutor:\n";
    assert_eq!(text(file).unwrap().data_dir, "/srv");
}

#[test]
fn values_that_do_not_fit_are_shown_with_what_is_accepted() {
    refused(
        key("debug: 'true'"),
        &[
            "configstore.debug is \"true\"",
            "line 2",
            "true or false",
            "without quotes",
        ],
    );
    refused(key("debug: 1"), &["configstore.debug is \"1\""]);
    refused(
        key("expireInterval: 1d"),
        &["configstore.expireInterval is \"1d\"", "300ms, 12h"],
    );
    refused(
        key("expireInterval: '5'"),
        &["configstore.expireInterval is \"5\""],
    );
    refused(key("expireInterval: [1h]"), &["configstore.expireInterval"]);
    refused(
        key("tasksLimit: -1"),
        &["configstore.tasksLimit is \"-1\"", "whole number"],
    );
    refused(
        key("tasksLimit: 4294967296"),
        &["configstore.tasksLimit is \"4294967296\""],
    );
    refused(key("tasksLimit: '5'"), &["configstore.tasksLimit is \"5\""]);
    refused(
        key("driver: foo"),
        &[
            "configstore.driver is \"foo\"",
            "\"docker\", \"kubernetes\"",
        ],
    );
    refused(
        key("dataDir: [x]"),
        &["configstore.dataDir", "a text is expected, not a list"],
    );
    refused(key("web: x"), &["configstore.web is \"x\"", "mapping"]);
    refused(
        key("web: {allowedOrigins: x}"),
        &[
            "configstore.web.allowedOrigins is \"x\"",
            "a list is expected",
        ],
    );
    refused(text("configstore: [x]"), &["configstore", "mapping"]);
    refused(text("[x]"), &["no YAML mapping"]);
    refused(text("configstore: {"), &["no YAML"]);
    refused(text("\t- x: :"), &["configuration"]);
}

#[test]
fn scalars_are_taken_literally_where_text_is_expected_and_keys_without_a_value_are_reset() {
    for (line, expected) in [
        ("dataDir: yes", "yes"),
        ("dataDir: 012", "012"),
        ("dataDir: 1.10", "1.10"),
        ("dataDir: ''", ""),
    ] {
        assert_eq!(key(line).unwrap().data_dir, expected);
    }
    assert_eq!(key("dataDir:").unwrap().data_dir, "");
    assert_eq!(key("dataDir: ~").unwrap().data_dir, "");
    assert_eq!(key("tasksLimit: null").unwrap().tasks_limit, 0);
    assert_eq!(
        key("expireInterval:").unwrap().expire_interval,
        Duration::ZERO
    );
    assert_eq!(key("etcd:").unwrap().etcd, None);
    assert_eq!(key("etcd: {}").unwrap().etcd, Some(Etcd::default()));
    assert_eq!(key("dataDir: a\n  dataDir: b").unwrap().data_dir, "b");
    let anchored = "gateway: &x {listenAddress: ':1'}\nconfigstore: {web: *x}";
    assert_eq!(text(anchored).unwrap().web.listen_address, ":1");
}

#[test]
fn a_flag_wins_over_the_environment_that_over_the_file_and_that_over_the_default() {
    let file =
        "configstore: {dataDir: file, tasksLimit: 7, web: {listenAddress: file, tlsKeyFile: file}}";
    let environment = || {
        variables(&[
            ("DM_CONFIGSTORE__DATADIR", "environment"),
            ("DM_CONFIGSTORE__WEB__LISTEN_ADDRESS", "environment"),
            ("dm_configstore__debug", "no variable of ours"),
            ("DM_STORE", "neither"),
        ])
        .text(file)
    };
    let section = read(environment().set("configstore.dataDir", "flag")).unwrap();
    assert_eq!(section.data_dir, "flag");
    assert_eq!(section.web.listen_address, "environment");
    assert_eq!(section.web.tls_key_file, std::path::Path::new("file"));
    assert_eq!(section.tasks_limit, 7);
    assert_eq!(section.driver, Driver::Docker);
    assert_eq!(read(environment()).unwrap().data_dir, "environment");
}

#[test]
fn the_environment_can_say_everything() {
    let section = read(variables(&[
        ("DM_CONFIGSTORE__DEBUG", "true"),
        ("DM_CONFIGSTORE__EXPIRE_INTERVAL", "5s"),
        ("DM_CONFIGSTORE__TASKSLIMIT", "9"),
        ("DM_CONFIGSTORE__WEB__ALLOWED_ORIGINS", "a, b,,c"),
        ("DM_CONFIGSTORE__KEYS", "[{id: a, keyFile: b}]"),
        ("DM_CONFIGSTORE__ETCD__ENDPOINTS", "http://a,http://b"),
    ]));
    let section = section.unwrap();
    assert!(section.debug);
    assert_eq!(section.expire_interval, Duration::from_secs(5));
    assert_eq!(section.tasks_limit, 9);
    assert_eq!(section.web.allowed_origins, ["a", "b", "c"]);
    assert_eq!(
        section.keys,
        [Key {
            id: "a".to_owned(),
            key_file: "b".to_owned()
        }]
    );
    assert_eq!(section.etcd.unwrap().endpoints, "http://a,http://b");
    let refusal = read(variables(&[("DM_CONFIGSTORE__DEBUG", "maybe")]));
    refused(
        refusal,
        &["configstore.debug is \"maybe\"", "DM_CONFIGSTORE__DEBUG"],
    );
}

#[test]
fn the_id_is_always_checked() {
    for id in ["ab", "agola", "a1-b2", "abcdefghij-123456789"] {
        assert_eq!(
            Sources::new()
                .text(format!("id: {id}"))
                .load()
                .unwrap()
                .id(),
            id
        );
    }
    for id in [
        "a",
        "abcdefghij-1234567890",
        "1ab",
        "a--b",
        "-ab",
        "ab-",
        "a_b",
        "äb",
        "''",
        "",
    ] {
        refused(text(&format!("id: {id}")), &["id is"]);
    }
    let config = variables(&[("DM_ID", "other")])
        .text("id: file")
        .load()
        .unwrap();
    assert_eq!(config.id(), "other");
}

#[test]
fn files_that_would_take_much_memory_are_refused() {
    refused(
        text(&format!("configstore: {}", "[".repeat(200))),
        &["configuration"],
    );
    let bomb = "gateway: &a [x,x,x,x,x,x,x,x,x,x]\nscheduler: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                executor: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nrunservice: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                gitserver: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    refused(text(bomb), &["more than"]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yml");
    refused(
        read(Sources::new().file(&path)),
        &["config.yml", "cannot be read"],
    );
    std::fs::write(&path, "#".repeat(2 * 1024 * 1024)).unwrap();
    refused(read(Sources::new().file(&path)), &["config.yml", "bytes"]);
    std::fs::write(&path, "configstore: {dataDir: x, tasksLimit: many}").unwrap();
    refused(read(Sources::new().file(&path)), &["config.yml, line 1"]);
}

/// What one server has besides the keys of all.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Own {
    keys: Vec<Key>,
}

#[test]
fn a_server_has_the_keys_of_all_and_its_own_and_no_others() {
    let sources = |text: &str| {
        Sources::new()
            .default_value("configstore.dataDir", "./data/configstore")
            .default_value("configstore.web.listenAddress", "127.0.0.1:4002")
            .text(text)
    };
    let read = |text: &str| {
        sources(text)
            .load()
            .unwrap()
            .server_section::<Own>("configstore")
    };
    let (server, own) = read("").unwrap();
    let expected = ServerSection {
        data_dir: "./data/configstore".into(),
        web: Web::at("127.0.0.1:4002"),
        ..ServerSection::default()
    };
    assert_eq!((server, own), (expected.clone(), Own::default()));

    let text = "configstore: {dataDir: , debug: true, log: object, bearerTokenFile: t, shutdownTimeout: 5s, workers: 3, \
                web: {tls: true}, limits: {jsonBytesMax: 7}, objectStorage: {type: posix}, etcd: {}, keys: [{id: a}]}";
    let (server, own) = read(text).unwrap();
    let mut web = expected.web;
    web.tls = true;
    let given = ServerSection {
        debug: true,
        data_dir: "".into(),
        web,
        etcd: Some(Etcd::default()),
        object_storage: ObjectStorage {
            kind: "posix".to_owned(),
            ..ObjectStorage::default()
        },
        log: "object".to_owned(),
        bearer_token_file: "t".into(),
        limits: Limits {
            json_bytes_max: 7,
            ..Limits::default()
        },
        shutdown_timeout: Duration::from_secs(5),
        workers: 3,
    };
    assert_eq!(server, given);
    assert_eq!(own.keys[0].id, "a");
    let options = server.options("configstore", "configdata").unwrap();
    assert_eq!(
        options.store.unwrap().log,
        Some(datamanager::LogKind::Object)
    );
    assert_eq!(options.bearer_token_file, Some("t".into()));
    assert_eq!(
        (options.workers, options.shutdown_timeout),
        (Some(3), Duration::from_secs(5))
    );

    for (key, meant) in [("keyz", "\"keys\""), ("dataDri", "\"dataDir\"")] {
        let error = read(&format!("configstore: {{{key}: x}}"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("configstore.{key}")) && error.contains(meant),
            "{error}"
        );
    }
    let (server, _) = read("configstore: {log: etcd}").unwrap();
    let error = server
        .options("configstore", "configdata")
        .unwrap_err()
        .to_string();
    assert!(error.contains("configstore.log is \"etcd\""), "{error}");
}
