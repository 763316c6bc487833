//! All services in the test's own process, and the command that asks them.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use executor::DriverKind;
use gateway::testing::{ADMIN_TOKEN, World};
use serde_json::Value;
use service::testing::TestServer;

use crate::support::{self, Ran, Running};

/// A gateway, the services behind it, and an executor that executes tasks as processes of this machine.
pub(crate) struct Host {
    pub(crate) world: World,
    _executor: TestServer,
}

/// Somebody who asks.
#[derive(Clone)]
pub(crate) struct Person<'a> {
    host: &'a Host,
    token: String,
}

impl Host {
    pub(crate) async fn start() -> Host {
        let world = World::start(|settings| {
            settings.run_definitions.evaluator = env!("CARGO_BIN_EXE_dm").into();
        });
        let world = world.await;
        let mut settings = executor::Settings::default();
        settings.server.data_dir = world.directory().join("executor");
        settings.executor.runservice_url = world.runservice.url();
        settings.executor.driver.kind = DriverKind::Host;
        settings.executor.active_tasks_limit = 4;
        settings.executor.supervisor_program = env!("CARGO_BIN_EXE_dm").into();
        let executor = TestServer::run(false, |listener, stopped| async move {
            executor::run(listener, &settings, stopped).await
        });
        executor.wait_until_ready().await;
        Host {
            world,
            _executor: executor,
        }
    }

    /// A file for a command.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The path of a file that a command is to make.
    pub(crate) fn path(&self, name: &str) -> String {
        let path = self.world.directory().join(name);
        path.to_str().unwrap().to_owned()
    }

    /// A new user with a token.
    pub(crate) fn user(&self, name: &str) -> Person<'_> {
        let admin = self.admin();
        admin.dm(&["user", "create", name]).done();
        let token = admin.dm(&["user", "token", "create", name, "t1"]).done();
        self.with_token(token.trim())
    }

    pub(crate) fn with_token(&self, token: &str) -> Person<'_> {
        Person {
            host: self,
            token: token.to_owned(),
        }
    }

    pub(crate) fn admin(&self) -> Person<'_> {
        self.with_token(ADMIN_TOKEN)
    }
}

impl Person<'_> {
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = support::command(Path::new("/nowhere"), arguments);
        command
            .env("DM_GATEWAY", self.host.world.gateway.url())
            .env("DM_TOKEN", &self.token)
            .env("TZ", "UTC");
        command
    }

    pub(crate) fn dm<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        self.dm_with_input(arguments, b"")
    }

    pub(crate) fn dm_with_input<S: AsRef<OsStr>>(&self, arguments: &[S], input: &[u8]) -> Ran {
        support::run_to_end(&mut self.command(arguments), input)
    }

    /// What a command with `--json` prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let printed = self.dm(&[arguments, &["--json"]].concat()).done();
        let lines = printed.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Starts a command that is looked at while it runs.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        Running::start(&mut self.command(arguments))
    }
}

/// Waits for something that commands bring about.
#[track_caller]
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
