//! Wrong command lines end with code 2 and say what is accepted.

use std::process::Command;

use crate::support::{Place, run};

#[test]
fn url_that_cannot_be_used_is_refused() {
    let place = Place::new();
    for (url, message) in [
        ("foo://bar", "unknown scheme \"foo\""),
        ("s3://bucket", "without a base path"),
        ("", "--store"),
        ("file://./x?log=paper", "log \"paper\" is not known"),
        ("file://./x?colour=red", "unknown setting \"colour\""),
    ] {
        place
            .dm(&["--store", url, "status"])
            .fails_with(2, &["--store", message]);
        run(url.as_ref(), &["status"], b"").fails_with(2, &["--store", message]);
    }
}

#[test]
fn names_outside_the_limits_are_refused() {
    let place = Place::new();
    place.dm_with_input(&["put", "t", "x"], b"1").done();
    let long_id = "x".repeat(1025);
    for arguments in [
        &["put", "User", "x"][..],
        &["get", "User", "x"],
        &["delete", "User", "x"],
        &["scan", "User"],
        &["count", "User"],
        &["load", "User", "-"],
        &["delete-prefix", "User", "x"],
        &["drop", "User"],
        &["reindex", "User"],
    ] {
        place
            .dm(arguments)
            .fails_with(2, &["data type \"User\" is not 1 to 64 of the characters"]);
    }
    for command in ["put", "get", "delete"] {
        place
            .dm(&[command, "t", &long_id])
            .fails_with(2, &["has 1025 bytes"]);
        place
            .dm(&[command, "t", ""])
            .fails_with(2, &["has 0 bytes"]);
    }
}

#[test]
fn options_that_do_not_exist_are_refused() {
    let place = Place::new();
    for arguments in [
        &["--log", "paper", "status"][..],
        &["load", "t", "-", "--batch", "0"],
        &["load", "t", "-", "--batch", "100001"],
        &["scan", "t", "--limit", "many"],
        &["fetch", "t"],
        &["get", "t"],
        &[],
    ] {
        let ran = place.dm(arguments);
        assert_eq!(ran.code(), 2, "{arguments:?}");
        assert_eq!(ran.stdout(), "");
        assert!(!ran.stderr().is_empty());
    }
    assert!(!place.store().exists());
}

#[test]
fn a_disk_cache_is_where_and_as_large_as_the_command_line_says() {
    let place = Place::new();
    let directory = place.store();
    let directory = directory.to_str().unwrap();
    let elsewhere = ["--store", "memory://", "--disk-cache", directory];
    let put = ["put", "t", "x"];
    let ran = place.dm_with_input(&[&elsewhere[..], &put].concat(), b"1");
    ran.done();
    assert!(place.store().join("disk-cache.lock").exists());
    let bytes = ["--disk-cache-bytes", "1000"];
    let ran = place.dm_with_input(&[&elsewhere[..], &bytes, &put].concat(), b"1");
    assert_ne!(ran.code(), 0);
    assert!(ran.stderr().contains("disk_cache_bytes is 1000"));
}

#[cfg(not(feature = "etcd"))]
#[test]
fn a_build_without_etcd_says_how_to_build_one_with_it() {
    let place = Place::new();
    for arguments in [
        &["--etcd", "http://127.0.0.1:2379", "status"][..],
        &["--log", "etcd", "status"],
        &["--store", "file://./x?log=etcd", "status"],
        &["switch-log", "etcd"],
    ] {
        let ran = place.dm(arguments);
        assert_eq!(ran.code(), 2, "{arguments:?}");
        for part in ["--features etcd", "protobuf-compiler"] {
            assert!(
                ran.stderr().contains(part),
                "{arguments:?}: {}",
                ran.stderr()
            );
        }
    }
    assert!(!place.store().exists());
}

#[cfg(feature = "etcd")]
#[test]
fn endpoints_that_cannot_be_used_are_refused() {
    let place = Place::new();
    for (arguments, message) in [
        (
            &["--etcd", "http://a,https://b"][..],
            "a mix of http and https",
        ),
        (&["--etcd", "ftp://a"], "neither http:// nor https://"),
        (&["--etcd", "http://a", "--etcd-prefix", ""], "prefix"),
        (&["--etcd-prefix", "/p"], "without --etcd"),
    ] {
        let arguments = [arguments, &["status"]].concat();
        place.dm(&arguments).fails_with(2, &[message]);
    }
    assert!(!place.store().exists());
}

#[test]
fn help_names_every_command() {
    let help = Place::new().dm(&["--help"]).done();
    let words: Vec<&str> = help.split_whitespace().collect();
    for command in [
        "put",
        "get",
        "delete",
        "scan",
        "types",
        "count",
        "load",
        "status",
        "verify",
        "wal",
        "reindex",
        "run",
        "project",
        "projectgroup",
        "user",
        "org",
        "secret",
        "variable",
        "completions",
    ] {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command}: {help}"
        );
    }
    assert!(
        words
            .join(" ")
            .contains("Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found")
    );
}

#[test]
fn store_is_below_data_unless_told_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let put = |options: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_dm"))
            .current_dir(directory.path())
            .env_remove("DM_STORE")
            .args(["put", "t", "x", "/dev/null"])
            .args(options)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    put(&[]);
    assert!(directory.path().join("data/dm/store.json").is_file());
    put(&["--store", "bare path", "--base-path", "below/ä b"]);
    assert!(
        directory
            .path()
            .join("bare path/below/ä b/store.json")
            .is_file()
    );
    put(&[
        "--store",
        "file://./other?log=file",
        "--base-path",
        "below",
        "--log",
        "file",
    ]);
    assert!(directory.path().join("other/below/store.json").is_file());
}
