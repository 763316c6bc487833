//! The run service as a process of its own, which can be killed and started again at the same place.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use runservice::client::Client;
use tempfile::TempDir;

use crate::host::{settings, wait_until};

const DIRECTORY: &str = "DM_TEST_RUNSERVICE_DIRECTORY";
const ADDRESS: &str = "DM_TEST_RUNSERVICE_ADDRESS";

/// Not a test: what this binary does when it is started to be the service.
#[test]
fn serves_when_it_is_started_as_the_service() {
    let (Ok(directory), Ok(address)) = (std::env::var(DIRECTORY), std::env::var(ADDRESS)) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let served = runtime.block_on(async {
        let listener = TcpListener::bind(address).unwrap();
        let settings = settings(directory.as_ref());
        runservice::run(listener, &settings, service::stop_signal()?).await
    });
    served.unwrap();
}

pub(crate) struct RunService {
    directory: TempDir,
    address: String,
    child: Option<Child>,
}

pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

impl RunService {
    /// One with a store of its own, ready.
    pub(crate) async fn start() -> RunService {
        let mut service = RunService {
            directory: tempfile::tempdir().unwrap(),
            address: free_address(),
            child: None,
        };
        service.rise().await;
        service
    }

    /// Starts it again, at the same address with the same store.
    pub(crate) async fn rise(&mut self) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let test = "service_process::serves_when_it_is_started_as_the_service";
        command
            .args(["--exact", test])
            .env(DIRECTORY, self.directory.path())
            .env(ADDRESS, &self.address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let client = self.client();
        wait_until("the service is ready", async || {
            client.operations().ready().await.is_ok()
        })
        .await;
    }

    /// Ends it without a warning.
    pub(crate) fn die(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn client(&self) -> Client {
        Client::builder(self.url()).build().unwrap()
    }
}

impl Drop for RunService {
    fn drop(&mut self) {
        self.die();
    }
}
