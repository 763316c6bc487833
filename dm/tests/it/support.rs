//! A store in a directory of its own, and the command run on it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

/// A place for a store that is removed afterwards.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A file of this name beside the store.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    pub(crate) fn dm<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        self.dm_with_input(arguments, b"")
    }

    pub(crate) fn dm_with_input<S: AsRef<OsStr>>(&self, arguments: &[S], input: &[u8]) -> Ran {
        run(&self.store(), arguments, input)
    }

    /// Starts a command whose input stays open.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut command(&self.store(), arguments))
    }
}

/// Runs the command on the store in `store` to its end.
pub(crate) fn run<S: AsRef<OsStr>>(store: &Path, arguments: &[S], input: &[u8]) -> Ran {
    run_to_end(&mut command(store, arguments), input)
}

/// Runs a command with this input to its end.
pub(crate) fn run_to_end(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // It may end before it has read everything.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().unwrap()
    });
    Ran { output }
}

/// The command on the store in `store`, which is not started yet.
pub(crate) fn command<S: AsRef<OsStr>>(store: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dm"));
    command
        .args(arguments)
        .env("DM_STORE", store)
        .env_remove("RUST_LOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    output: Output,
}

impl Ran {
    pub(crate) fn code(&self) -> i32 {
        self.output.status.code().unwrap()
    }

    /// What was printed, which need not be a text.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.output.stdout
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    /// What was printed by a command that was to succeed.
    #[track_caller]
    pub(crate) fn done(&self) -> String {
        assert_eq!(self.code(), 0, "{}", self.stderr());
        self.stdout()
    }

    /// The error of a command that was to end with `code`: the one line of standard error that begins with `dm: `.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32) -> String {
        assert_eq!(self.code(), code, "{} {}", self.stdout(), self.stderr());
        let stderr = self.stderr();
        let mut errors = stderr.lines().filter(|line| line.starts_with("dm: "));
        let error = errors
            .next()
            .unwrap_or_else(|| panic!("no error in {stderr:?}"));
        assert_eq!(errors.next(), None, "{stderr}");
        error.to_owned()
    }

    /// As [`Ran::fails_with`], where notes may have come before the error.
    #[track_caller]
    pub(crate) fn fails_at_last_with(&self, code: i32, parts: &[&str]) {
        let stderr = self.stderr();
        assert_eq!(self.code(), code, "{} {stderr}", self.stdout());
        let error = stderr.lines().last().unwrap();
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }

    /// As [`Ran::failed`], with a check that the message has all of `parts`.
    #[track_caller]
    pub(crate) fn fails_with(&self, code: i32, parts: &[&str]) {
        let error = self.failed(code);
        for part in parts {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
    }
}

/// A command that runs until its input is closed. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        let mut child = command.spawn().unwrap();
        Running {
            input: child.stdin.take(),
            lines: child
                .stdout
                .take()
                .map(|stdout| BufReader::new(stdout).lines()),
            child,
        }
    }

    pub(crate) fn write(&mut self, input: &[u8]) {
        self.input.as_mut().unwrap().write_all(input).unwrap();
    }

    /// The next line of its output, `None` at its end.
    pub(crate) fn line(&mut self) -> Option<String> {
        self.lines.as_mut()?.next().map(Result::unwrap)
    }

    pub(crate) fn take_input(&mut self) -> ChildStdin {
        self.input.take().unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Reads nothing more of what it prints.
    pub(crate) fn close_output(&mut self) {
        self.lines = None;
    }

    /// Waits for its end. Returns the exit code, and what came to standard error.
    pub(crate) fn end(mut self) -> (i32, String) {
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut errors).unwrap();
        (self.child.wait().unwrap().code().unwrap(), errors)
    }

    /// Closes its input and waits for its end.
    pub(crate) fn finish(mut self) -> i32 {
        drop(self.input.take());
        while self.line().is_some() {}
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Documents in many scripts, one a line: the same for the same seed.
pub(crate) fn documents(seed: u64, rows: usize) -> String {
    const NAMES: [&str; 10] = [
        "Sant Julià de Lòria",
        "東京",
        "Αθήνα",
        "القاهرة",
        "Санкт-Петербург",
        "서울",
        "मुंबई",
        "กรุงเทพฯ",
        "Łódź \\\"quoted\\\" \\u00e9",
        "🏙️ city",
    ];
    let mut random = Random::new(seed);
    let mut text = String::new();
    for row in 1..=rows {
        let name = NAMES[random.below(NAMES.len())];
        let filler = "x".repeat(random.below(80));
        text.push_str(&format!(
            "{{\"row\":{row},\"key\":\"{name}-{row}\", \"lat\":{}.{:05},\"filler\":\"{filler}\"}}\n",
            random.below(90),
            random.below(100_000)
        ));
    }
    text
}

/// Numbers that follow from a seed (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }
}

/// The number in an environment variable.
pub(crate) fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().unwrap())
}
