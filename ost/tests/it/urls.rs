//! Tests that run in a process of their own, because credentials come from the environment.

use std::fmt::Write as _;
use std::process::Command;

use bytes::Bytes;
use ost::conformance::{self, Abilities};
use ost::{ObjectPath, Ost};

const URL: &str = "OST_TEST_URL";
const ONE_WRITER: &str = "OST_TEST_ONE_WRITER";
const MANY: &str = "OST_TEST_MANY";
const STREAM_MIB: &str = "OST_TEST_STREAM_MIB";

/// A test of this file, in a process with an environment of its own.
pub(crate) struct Child {
    command: Command,
    test: &'static str,
}

impl Child {
    /// Runs the suite on a URL.
    pub(crate) fn suite(url: &str) -> Child {
        Child::new("urls::suite_passes_on_the_url_of_the_environment", url)
    }

    /// Streams an object to a URL and measures its memory.
    pub(crate) fn stream(url: &str, mib: u32) -> Child {
        let test = "urls::memory_of_a_stream_is_bounded_on_the_url_of_the_environment";
        Child::new(test, url).environment(STREAM_MIB, &mib.to_string())
    }

    fn new(test: &'static str, url: &str) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--ignored", "--nocapture"]);
        Child { command, test }.environment(URL, url)
    }

    pub(crate) fn environment(mut self, name: &str, value: &str) -> Child {
        self.command.env(name, value);
        self
    }

    /// Makes this many objects where the suite needs many.
    pub(crate) fn many(self, many: usize) -> Child {
        self.environment(MANY, &many.to_string())
    }

    /// Leaves out what needs parallel creates to be decided.
    pub(crate) fn one_writer(self) -> Child {
        self.environment(ONE_WRITER, "1")
    }

    pub(crate) async fn passes(mut self) {
        let output = tokio::task::spawn_blocking(move || self.command.output().unwrap());
        let output = output.await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}\n{complained}");
        // No test of the name would pass as well.
        assert!(
            said.contains("1 passed"),
            "{} is no test:\n{said}",
            self.test
        );
    }
}

fn given(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "others run it, with a URL in the environment"]
async fn suite_passes_on_the_url_of_the_environment() {
    let ost = Ost::from_url(&given(URL)).unwrap();
    let abilities = Abilities {
        decides_parallel_creates: std::env::var_os(ONE_WRITER).is_none(),
        many: std::env::var(MANY).map_or(2_500, |many| many.parse().unwrap()),
        ..Abilities::default()
    };
    if let Err(failure) = conformance::run(&ost, &abilities).await {
        panic!("{}", chain(&failure));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "others run it, with a URL in the environment"]
async fn memory_of_a_stream_is_bounded_on_the_url_of_the_environment() {
    let ost = Ost::from_url(&given(URL)).unwrap();
    let mib: u64 = given(STREAM_MIB).parse().unwrap();
    let path = ObjectPath::parse("stream").unwrap();
    ost.put(&path, "".into()).await.unwrap();
    let before = peak_memory_mib();
    let mut writer = ost.writer(&path).await.unwrap();
    let piece = Bytes::from(vec![7; 1 << 20]);
    for _ in 0..mib {
        // Each piece is memory of its own, as when it comes from a socket.
        writer.write(Bytes::copy_from_slice(&piece)).await.unwrap();
    }
    assert_eq!(writer.finish().await.unwrap(), mib << 20);
    let rise = peak_memory_mib() - before;
    assert!(rise < 100, "memory has risen by {rise} MiB for {mib} MiB");
    assert_eq!(ost.head(&path).await.unwrap().size, mib << 20);
    ost.delete(&path).await.unwrap();
}

/// The most memory that this process has had.
fn peak_memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<u64>().unwrap() / 1024
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, ": {error}").unwrap();
        cause = error.source();
    }
    text
}
