//! What goes wrong is said in words, with what to do about it, and with an exit code.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::host::Host;
use crate::support::{self, Ran};

fn dm(url: &str, arguments: &[&str]) -> Ran {
    let mut command = support::command(std::path::Path::new("/nowhere"), arguments);
    command.env("DM_GATEWAY", url).env_remove("DM_TOKEN");
    support::run_to_end(&mut command, b"")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_and_what_is_asked_for_may_be_wrong() {
    let host = Host::start().await;
    let (ann, bob) = (host.user("ann"), host.user("bob"));
    let nobody = host.with_token("");
    ann.dm(&["project", "create", "web"]).done();
    ann.dm(&["project", "create", "open", "--visibility", "public"])
        .done();

    nobody
        .dm(&["run", "list"])
        .fails_with(1, &["needs a token", "--token-file", "DM_TOKEN"]);
    let wrong = host.with_token("wrong-token");
    let ran = wrong.dm(&["user", "get"]);
    ran.fails_with(1, &["does not know the token in DM_TOKEN"]);
    assert!(!ran.stderr().contains("wrong-token"));
    let file = host.file("token", format!("\n{}\n", ann.token()));
    // The option goes before the environment.
    let got = wrong.dm(&["user", "get", "--token-file", &file]).done();
    assert!(got.starts_with("user      ann\n"), "{got}");
    let file = host.file("wrong", "wrong-token");
    nobody
        .dm(&["user", "get", "--token-file", &file])
        .fails_with(1, &["does not know the token in", &file]);
    let empty = host.file("empty", "\n");
    for (file, part) in [("/nowhere/token", "cannot read"), (&empty, "is empty")] {
        nobody
            .dm(&["user", "get", "--token-file", file])
            .fails_with(1, &["--token-file", part]);
    }
    // Everybody may see what is public.
    nobody.dm(&["project", "get", "user/ann/open"]).done();

    for (person, arguments, code) in [
        (&bob, &["project", "get", "user/ann/web"][..], 1),
        (&bob, &["project", "delete", "user/ann/open"], 1),
        (&bob, &["user", "create", "eve"], 1),
        (&bob, &["run", "list", "--user", "ann"], 1),
        (&ann, &["project", "get", "user/ann/nothing"], 3),
        (&ann, &["project", "create", "web"], 1),
        (&ann, &["project", "create", "a/b"], 1),
        (&ann, &["run", "start", "-p", "user/ann/web"], 1),
        (&ann, &["run", "get", "1"], 3),
        (&ann, &["run", "start"], 2),
        (
            &ann,
            &[
                "run",
                "start",
                "-u",
                "bob",
                "--file",
                "/dev/null",
                "--format",
                "yaml",
            ],
            2,
        ),
        (&ann, &["run", "start", "--file", "/nowhere/x.txt"], 2),
        (&ann, &["run", "start", "--file", "/nowhere/x.yml"], 1),
        (&ann, &["project", "update", "user/ann/web"], 2),
        (&ann, &["project", "get", ""], 3),
    ] {
        let error = person.dm(arguments).failed(code);
        assert!(!error.contains("panicked"), "{error}");
    }
    for arguments in [
        &["run"][..],
        &["run", "get"],
        &["run", "get", "x"],
        &["run", "list", "-p", "a", "-u", "b"],
        &["run", "start", "--branch", "a", "--tag", "b"],
        &["run", "restart", "1", "--from-start", "--from-failed"],
        &["run", "logs", "1", "--step", "1"],
        &["secret", "list"],
        &["secret", "create", "s", "-p", "p"],
        &[
            "secret",
            "create",
            "s",
            "-p",
            "p",
            "--from-file",
            "top-secret",
        ],
        &["completions", "tcsh"],
        &["user", "get", "--token", "secret"],
    ] {
        let ran = ann.dm(arguments);
        assert_eq!(
            (ran.code(), ran.stdout().as_str()),
            (2, ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn an_address_without_a_gateway_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    dm(&url, &["run", "list", "-p", "x"]).fails_with(
        1,
        &["no gateway answers at", &url, "--gateway", "DM_GATEWAY"],
    );
    for url in ["ftp://x", "127.0.0.1:8000", ""] {
        dm(url, &["run", "list"]).failed(2);
    }
    // Something else answers there.
    for answer in [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot found",
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        dm(&url, &["project", "get", "x"]).fails_with(1, &["gateway", &url]);
    }
}

/// A name in a table, or in an error, moved the cursor, or gave the terminal another title.
#[tokio::test(flavor = "multi_thread")]
async fn names_do_nothing_to_a_terminal() {
    let host = Host::start().await;
    let ann = host.user("ann");
    let definition = r#"{"runs": [{"name": "\u001b[2Jrun", "tasks": [
        {"name": "a\u001b]0;x\u0007", "runtime": {"type": "host"}, "steps": [{"run": "echo \u001b[1m"}]},
        {"name": "b\n\u202e", "runtime": {"type": "host"}, "steps": [{"run": "true"}]}]}]}"#;
    let file = host.file("hostile.json", definition);
    let followed = ann.dm(&["run", "start", "--file", &file, "-f"]);
    let mut all = followed.stderr();
    // What tasks print is theirs.
    assert!(followed.done().contains("a\\u{1b}]0;x\\u{7} | \u{1b}[1m\n"));
    for arguments in [
        &["run", "list"][..],
        &["run", "get", "1"],
        &["run", "get", "1", "b\n\u{202e}"],
    ] {
        all.push_str(&ann.dm(arguments).done());
    }
    let missing = ann.dm(&["run", "get", "1", "\u{1b}c"]);
    missing.failed(3);
    all.push_str(&missing.stderr());
    assert!(all.contains("\\u{1b}[2Jrun"), "{all:?}");
    let is_harmful =
        |character: char| (character.is_control() && character != '\n') || character == '\u{202e}';
    assert!(!all.contains(is_harmful), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_standard_output_is_no_failure() {
    let host = Host::start().await;
    let ann = host.user("ann");
    for arguments in [
        &["user", "get"][..],
        &["completions", "bash"],
        &["project", "list", "--json"],
    ] {
        let mut command = ann.start(arguments);
        command.close_output();
        let (code, errors) = command.end();
        assert_eq!(code, 0, "{errors}");
        assert!(
            !errors.contains("panicked") && !errors.contains("closed"),
            "{errors}"
        );
    }
}
