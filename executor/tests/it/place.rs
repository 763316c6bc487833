//! What commands of a test's tasks leave behind, and tasks with commands.

use std::path::PathBuf;
use std::time::Duration;

use runservice::api::{RunStep, Runtime, Step};
use tempfile::TempDir;

use crate::host::wait_until;
use crate::new_run::{NewTask, task};
use crate::program::{assert_gone_within, processes_with};

pub(crate) const GROUP: &str = "/project/p1/branch/master";

/// A directory that the commands of one test know as `$PLACE`, and a mark in their environment by which their processes are
/// found.
pub(crate) struct Place {
    directory: TempDir,
    mark: String,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place {
            directory: tempfile::tempdir().unwrap(),
            mark: format!("dm-test-{}", uuid::Uuid::new_v4()),
        }
    }

    /// A task with these commands as steps, for the driver `host`, without terminals.
    pub(crate) fn task(&self, name: &str, commands: &[&str]) -> NewTask {
        let steps = commands.iter().map(|command| run_step(command)).collect();
        self.task_of(name, steps)
    }

    /// A task with these steps, for the driver `host`.
    pub(crate) fn task_of(&self, name: &str, steps: Vec<Step>) -> NewTask {
        task(name).change(|task| {
            task.runtime = Some(Runtime {
                kind: "host".to_owned(),
                ..Runtime::default()
            });
            task.steps = steps;
            let path = self.directory.path().to_str().unwrap().to_owned();
            task.environment = [
                ("PLACE".to_owned(), path),
                ("MARK".to_owned(), self.mark.clone()),
            ]
            .into();
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The lines that commands have added to a file.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        self.read(name).lines().map(str::to_owned).collect()
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Waits until a command has made a file.
    pub(crate) async fn wait_for(&self, name: &str) {
        let what = format!("there is a file {name}");
        wait_until(&what, async || self.has(name)).await;
    }

    pub(crate) fn processes(&self) -> Vec<u32> {
        processes_with(&self.mark)
    }

    /// Waits until none of its processes lives any more, and asserts that it did not take longer.
    pub(crate) async fn assert_no_process_within(&self, limit: Duration) {
        assert_gone_within(&self.mark, limit).await;
    }
}

/// A step with a command, without a terminal.
pub(crate) fn run_step(command: &str) -> Step {
    Step::Run(RunStep {
        name: "step".to_owned(),
        command: command.to_owned(),
        tty: false,
        ..RunStep::default()
    })
}
