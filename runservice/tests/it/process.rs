//! The program, as a process of its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use runservice::client::Client;
use rustix::process::{Pid, Signal, kill_process};
use service::testing::wait_until;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a process may take to end.
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Process {
    child: Child,
    url: String,
    client: Client,
}

pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

impl Process {
    /// Starts the program at an address, with a store of its own or, if there is a `storage`, with one that others share.
    pub(crate) async fn start(data_dir: &Path, address: &str, storage: Option<&Path>) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runservice"));
        let mut set = |key: &str, value: &str| {
            command.args(["--set", &format!("runservice.{key}={value}")]);
        };
        set("dataDir", data_dir.to_str().unwrap());
        set("web.listenAddress", address);
        set("workers", "2");
        if let Some(storage) = storage {
            set("objectStorage.type", "posix");
            set("objectStorage.path", storage.to_str().unwrap());
            set("log", "object");
        }
        let child = command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let url = format!("http://{address}");
        let client = Client::builder(&url).build().unwrap();
        wait_until("the process is ready", async || {
            client.operations().ready().await.is_ok()
        })
        .await;
        Process { child, url, client }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A client for an executor, which does not wait for long when the process is frozen.
    pub(crate) fn impatient_client(&self) -> Client {
        let builder = Client::builder(&self.url).timeout(Duration::from_secs(2));
        builder.build().unwrap()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Ends it without a warning.
    pub(crate) async fn kill(mut self) {
        self.signal(Signal::KILL);
        timeout(DEADLINE, self.child.wait()).await.unwrap().unwrap();
    }

    /// It does nothing until it is thawed.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.signal(if frozen { Signal::STOP } else { Signal::CONT });
    }
}
