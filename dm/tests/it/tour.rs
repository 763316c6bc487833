//! The tour of `dm serve` in README.md, word for word.
//!
//! What stands between the comments `tour:begin` and `tour:end` is done block by block, in one shell. A block of `text` is
//! what the block of `sh` before it prints, but for how long something took. Only two things differ: the block that serves starts
//! the program that is tested, again if it runs already, and the address has a free port.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::Signal;

use crate::served::{Served, free_addresses};

const README: &str = include_str!("../../../README.md");
const SERVE: &str = "cargo run --release -- serve";
const ADDRESS: &str = "127.0.0.1:8000";
const END: &str = "-- end of the block --";

#[test]
fn the_tour_in_the_readme_goes_as_it_says() {
    let address = free_addresses(1)[0].to_string();
    let directory = tempfile::tempdir().unwrap();
    let mut served: Option<Served> = None;
    let mut shell = Shell::start(directory.path(), &format!("http://{address}"));
    let blocks = blocks();
    assert!(blocks.len() > 2, "README.md has no tour");
    for (commands, expected) in blocks {
        let commands = commands.replace(ADDRESS, &address);
        let expected = expected.map(|expected| expected.replace(ADDRESS, &address));
        let printed = match commands.trim() == SERVE {
            false => shell.run(&commands),
            true => {
                if let Some(served) = &mut served {
                    served.signal(Signal::INT);
                    assert_eq!(served.wait(), Some(0));
                }
                let served =
                    served.insert(Served::start(directory.path(), &["--listen", &address]));
                served.url();
                served.stdout()
            }
        };
        if let Some(expected) = expected {
            assert_eq!(
                comparable(&printed),
                comparable(&expected),
                "after {commands}"
            );
        }
    }
}

/// Commands, and what they print if it is told.
fn blocks() -> Vec<(String, Option<String>)> {
    let (_, rest) = README.split_once("<!-- tour:begin -->").unwrap();
    let (tour, _) = rest.split_once("<!-- tour:end -->").unwrap();
    let mut blocks: Vec<(String, Option<String>)> = Vec::new();
    // Every second part is inside a fence.
    for fenced in tour.split("```").skip(1).step_by(2) {
        match fenced.split_once('\n').unwrap() {
            ("sh", commands) => blocks.push((commands.to_owned(), None)),
            ("text", printed) => blocks.last_mut().unwrap().1 = Some(printed.to_owned()),
            (other, _) => panic!("README.md has a block of {other:?} in the tour"),
        }
    }
    blocks
}

/// Lines in which every duration is the same.
fn comparable(text: &str) -> Vec<String> {
    let is_duration = |word: &str| {
        let number = word.strip_suffix('s');
        number.is_some_and(|number| number.parse::<f64>().is_ok())
    };
    let of_line = |line: &str| {
        let words = line.split(' ');
        let words = words.map(|word| if is_duration(word) { "#s" } else { word });
        words.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(of_line).collect()
}

/// A shell that runs block after block.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    /// One in which `dm` is the program that is tested, and asks the gateway at `gateway`.
    fn start(directory: &Path, gateway: &str) -> Shell {
        let program = Path::new(env!("CARGO_BIN_EXE_dm")).parent().unwrap();
        let path = std::env::var_os("PATH").unwrap();
        let path = std::iter::once(program.to_owned()).chain(std::env::split_paths(&path));
        let mut child = Command::new("bash")
            .args(["--norc", "-eu", "-o", "pipefail"])
            .current_dir(directory)
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("DM_GATEWAY", gateway)
            .env_remove("DM_TOKEN")
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut shell = Shell {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        shell.run("exec 2>&1");
        shell
    }

    /// Runs a block and returns what it has printed.
    fn run(&mut self, commands: &str) -> String {
        writeln!(self.input, "{commands}\necho '{END}'").unwrap();
        let mut printed = String::new();
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).unwrap();
            assert!(
                read > 0,
                "{commands}has failed, and printed before:\n{printed}"
            );
            if line.trim_end() == END {
                return printed;
            }
            printed.push_str(&line);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
