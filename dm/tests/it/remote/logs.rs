//! Logs of runs.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Mutex;

use super::host::{Host, wait_for};
use super::runs::one_task;
use crate::support::{self, Ran};

const TWO_TASKS: &str = r#"
runs:
  - name: two
    tasks:
      - name: colours
        runtime: {type: host}
        steps:
          - run: "printf '\\033[31mred\\033[0m\\r\\n\\377'"
          - run: echo second
      - name: b
        runtime: {type: host}
        depends: [colours]
        steps: [{run: "printf 'no end'"}, {run: echo next}]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_passed_on_byte_for_byte() {
    let host = Host::start().await;
    let ann = host.user("ann");
    let file = host.file("two.yml", TWO_TASKS);
    ann.dm(&["run", "start", "--file", &file]).done();
    // Follows what has not begun, and what has ended.
    for _ in 0..2 {
        let followed = ann.dm(&["run", "logs", "1", "colours", "-f"]);
        assert_eq!(followed.code(), 0);
        assert_eq!(followed.bytes(), b"\x1b[31mred\x1b[0m\r\n\xffsecond\n");
    }
    let all = ann.dm(&["run", "logs", "1", "-f"]);
    assert_eq!(all.code(), 0);
    let expected: &[u8] = b"colours | \x1b[31mred\x1b[0m\r\ncolours | \xff\ncolours | second\n\
        b       | no end\nb       | next\n";
    assert_eq!(all.bytes(), expected);
    let all = ann.dm(&["run", "logs", "1"]);
    assert_eq!(all.bytes(), expected);
    let step = ["run", "logs", "1", "colours", "--step", "1"];
    assert_eq!(ann.dm(&step).done(), "second\n");
    let setup = ann.dm(&["run", "logs", "1", "b", "--setup"]).done();
    assert!(setup.starts_with("the task begins in "), "{setup}");
    let lines = ann.json(&["run", "logs", "1", "colours"]);
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            r#"{"line":"\u001b[31mred\u001b[0m\r","step":0,"task":"colours"}"#,
            r#"{"line_base64":"/w==","step":0,"task":"colours"}"#,
            r#"{"line":"second","step":1,"task":"colours"}"#,
        ]
    );
    ann.dm(&["run", "logs", "1", "c"])
        .fails_with(3, &["run 1 has no task \"c\"; it has colours, b"]);
    ann.dm(&["run", "logs", "1", "b", "--step", "7"])
        .fails_with(3, &["dm: "]);
    ann.dm(&["run", "logs", "7"]).fails_with(3, &["dm: "]);
    ann.dm(&["run", "logs", "1", "--step", "7"]);
    wait_for("the log is collected and deleted", || {
        let delete = ["run", "delete-log", "1", "colours", "--step", "1"];
        ann.dm(&delete).code() == 0
    });
    ann.dm(&step).fails_with(3, &["no such log"]);
    let first = ann.dm(&["run", "logs", "1", "colours", "-f"]);
    assert_eq!(first.bytes(), b"\x1b[31mred\x1b[0m\r\n\xff");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_followed_while_it_runs_and_nobody_has_to_read_to_the_end() {
    let host = Host::start().await;
    let ann = host.user("ann");
    let gate = host.file("gate", "closed");
    let wait =
        format!("echo first; while test -e {gate}; do sleep 0.05; done; yes | head -c 3000000");
    let file = host.file("long.yml", one_task(&[&wait]));
    ann.dm(&["run", "start", "--file", &file]).done();
    let mut follower = ann.start(&["run", "logs", "1", "-f"]);
    assert_eq!(follower.line().unwrap(), "first");
    let so_far = ann.dm(&["run", "logs", "1", "only", "--step", "0"]);
    assert_eq!(so_far.done(), "first\n");
    std::fs::remove_file(&gate).unwrap();
    assert_eq!(follower.line().unwrap(), "y");
    // As `| head -2` does.
    follower.close_output();
    assert_eq!(follower.end(), (0, String::new()));
    let whole = ann.dm(&["run", "logs", "1", "-f"]);
    assert_eq!(whole.done().len(), "first\n".len() + 3_000_000);
}

/// A gateway that answers to a path with a body, and to how many bytes it says that there are.
fn gateway(answer: impl Fn(&str) -> (&'static str, usize) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut request = String::new();
            stream.read_line(&mut request).unwrap();
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            let (body, length) = answer(request.split(' ').nth(1).unwrap());
            let status = match body.is_empty() {
                true => "404 Not Found",
                false => "200 OK",
            };
            let head =
                format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}");
            write!(stream.get_mut(), "{head}\r\n\r\n{body}").unwrap();
        }
    });
    url
}

fn follow(url: &str) -> Ran {
    let arguments = [
        "run",
        "logs",
        "-p",
        "p",
        "1",
        "only",
        "-f",
        "--gateway",
        url,
    ];
    let mut command = support::command(std::path::Path::new("/nowhere"), &arguments);
    support::run_to_end(command.env_remove("DM_TOKEN"), b"")
}

/// The stream of a log ends early when a gateway is stopped, or when somebody reads too slowly.
#[test]
fn a_log_that_is_cut_off_goes_on_where_it_was() {
    let ends = Mutex::new([3, 5, 9].into_iter());
    let url = gateway(move |path| {
        let whole = "one\ntwo\nend";
        let (task, run) = (
            r#"{"id":"t","name":"only","status":"success","steps":[{"phase":"success"}]}"#,
            r#"{"number":1,"tasks":{"t":{"id":"t","name":"only","status":"success"}}}"#,
        );
        match path {
            path if path.contains("step=0") => {
                let end = ends.lock().unwrap().next().unwrap_or(whole.len());
                (&whole[..end], whole.len())
            }
            path if path.contains("/tasks/") => (task, task.len()),
            _ => (run, run.len()),
        }
    });
    assert_eq!(follow(&url).done(), "one\ntwo\nend");
}

/// A run that is cancelled has tasks that have not begun, and never will.
#[test]
fn a_task_that_never_begins_is_not_waited_for() {
    let url = gateway(|path| {
        let (task, run) = (
            r#"{"id":"t","name":"only","status":"notstarted","steps":[{"phase":"notstarted"}]}"#,
            r#"{"number":1,"phase":"cancelled","tasks":{"t":{"id":"t","name":"only","status":"notstarted"}}}"#,
        );
        match path {
            path if path.contains("step=0") => ("", 0),
            path if path.contains("/tasks/") => (task, task.len()),
            _ => (run, run.len()),
        }
    });
    assert_eq!(follow(&url).done(), "");
}
