//! The gateway and the services behind it in the test's own process.

use std::path::Path;

use service::testing::TestServer;
use tempfile::TempDir;

use crate::Settings;

/// The administrator's token of a [`World`].
pub const ADMIN_TOKEN: &str = "admintoken";

/// A configuration service, a run service and a gateway, which run until this is dropped.
#[derive(Debug)]
pub struct World {
    /// The gateway.
    pub gateway: TestServer,
    /// The configuration service behind it.
    pub configstore: TestServer,
    /// The run service behind it.
    pub runservice: TestServer,
    directory: TempDir,
}

impl World {
    /// Starts all three, and waits until they are ready.
    ///
    /// # Panics
    /// One of them cannot be started.
    pub async fn start(change: impl FnOnce(&mut Settings)) -> World {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        let configstore = configstore(directory.path());
        let runservice = runservice(directory.path());
        configstore.wait_until_ready().await;
        runservice.wait_until_ready().await;
        let mut settings = Settings {
            data_dir: directory.path().join("gateway"),
            configstore_url: configstore.url(),
            runservice_url: runservice.url(),
            admin_token: ADMIN_TOKEN.to_owned(),
            workers: 2,
            ..Settings::default()
        };
        change(&mut settings);
        let gateway = TestServer::run(false, |listener, stopped| async move {
            crate::run(listener, &settings, stopped).await
        });
        gateway.wait_until_ready().await;
        World {
            gateway,
            configstore,
            runservice,
            directory,
        }
    }

    /// Where their data is.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

fn configstore(directory: &Path) -> TestServer {
    let mut settings = configstore::Settings::default();
    settings.server.data_dir = directory.join("configstore");
    TestServer::run(false, |listener, stopped| async move {
        configstore::run(listener, &settings, stopped).await
    })
}

fn runservice(directory: &Path) -> TestServer {
    let mut settings = runservice::Settings::default();
    settings.server.data_dir = directory.join("runservice");
    settings.server.workers = 2;
    TestServer::run(false, |listener, stopped| async move {
        runservice::run(listener, &settings, stopped).await
    })
}
