//! Where steps are executed.
//!
//! A [`Driver`] makes a [`Place`] for each task. All that a step does happens in the place: its commands, and the files that
//! are saved or restored. The engine decides what is done and when; a driver knows neither the run service nor the order of
//! steps.

#[cfg(feature = "docker")]
mod docker;
mod host;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use runservice::api::{ExecutorTaskSpecData, SaveContent};
use tokio_util::sync::CancellationToken;

use crate::config::{DriverKind, Settings};
use crate::task_directory::{DataDirectory, TaskDirectory};
use crate::task_log::LogWriter;
use crate::{Error, surroundings};

/// What a driver is for one task.
#[derive(Clone, Debug)]
pub(crate) struct TaskContext {
    pub(crate) id: String,
    pub(crate) spec: Arc<ExecutorTaskSpecData>,
    pub(crate) directory: TaskDirectory,
    /// Is cancelled when the task is to end: commands are asked to end, and killed if they do not.
    pub(crate) stop: CancellationToken,
}

/// A command of a step.
#[derive(Clone, Debug)]
pub(crate) struct Command<'a> {
    /// The step, for names of files.
    pub(crate) step: usize,
    /// What the shell gets.
    pub(crate) script: &'a str,
    /// That of the step; empty: that of the task.
    pub(crate) shell: &'a str,
    /// Goes before that of the task.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// Where it is executed; empty: where the task begins.
    pub(crate) working_dir: &'a str,
    /// Whether it is to have a terminal.
    #[cfg_attr(
        not(feature = "docker"),
        expect(dead_code, reason = "only drivers with containers give one")
    )]
    pub(crate) tty: bool,
}

/// How a command has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandEnd {
    Exited(i32),
    /// By a signal.
    Killed(i32),
}

/// Why something could not be done: a sentence for the log of the step and for the status of the task.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Failure {
        Failure(text)
    }
}

/// What went wrong with the file of a log; mostly there is no space left.
pub(crate) fn log_failed(cause: io::Error) -> Failure {
    Failure(format!("the log cannot be written: {cause}"))
}

/// A kind of places.
///
/// Its calls may take any time; the engine drops them when a task is to end and they do not.
#[async_trait]
pub(crate) trait Driver: Send + Sync + std::fmt::Debug {
    /// What it is called in the label `driver`.
    fn name(&self) -> &'static str;

    /// The processors that it has, as Go calls them.
    fn archs(&self) -> Vec<String>;

    /// Whether it can work at this time.
    ///
    /// # Errors
    /// Why not, for `/readyz`.
    async fn ready(&self) -> Result<(), Failure>;

    /// Makes the place of a task.
    async fn setup(
        &self,
        task: &TaskContext,
        log: &mut LogWriter,
    ) -> Result<Box<dyn Place>, Failure>;

    /// Ends all that is left of a task, and removes its place, whether [`Driver::setup`] has returned or not, or was made by
    /// an executor that has died.
    async fn remove(&self, task_id: &str, directory: &TaskDirectory) -> Result<(), Failure>;

    /// Ends all that executors with this data directory have left, at the start.
    async fn remove_all(&self) -> Result<(), Failure>;
}

/// Where one task is executed.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    /// Executes a command. What it prints goes to the log, as it is. It returns when nothing of the command is left.
    async fn run(&self, command: &Command<'_>, log: &mut LogWriter) -> Result<CommandEnd, Failure>;

    /// Writes an archive of files to a file.
    async fn pack(
        &self,
        step: usize,
        contents: &[SaveContent],
        archive: &Path,
        log: &mut LogWriter,
    ) -> Result<(), Failure>;

    /// Unpacks an archive into a directory, empty for where the task begins.
    async fn unpack(
        &self,
        step: usize,
        archive: &Path,
        directory: &str,
        log: &mut LogWriter,
    ) -> Result<(), Failure>;

    /// A file that the key of a cache depends on, relative to where the task begins. `None` if there is none; longer ones than
    /// `bytes_max` may be cut behind one byte more.
    async fn read(&self, file: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure>;

    /// The environment of a step without one of its own.
    fn environment(&self) -> &BTreeMap<String, String>;
}

/// The driver that the settings name.
///
/// # Errors
/// It cannot be used here, and why.
pub(crate) fn driver(settings: &Settings, data: &DataDirectory) -> Result<Arc<dyn Driver>, Error> {
    match settings.executor.driver.kind {
        DriverKind::Host => Ok(Arc::new(host::HostDriver::new(settings, data)?)),
        #[cfg(feature = "docker")]
        DriverKind::Docker => Ok(Arc::new(docker::DockerDriver::new(settings, data)?)),
        #[cfg(not(feature = "docker"))]
        DriverKind::Docker => Err(service::config::invalid(
            "executor.driver.type",
            "docker",
            "this program was built without the feature \"docker\"",
        )),
        DriverKind::None => Err(service::config::missing(
            "executor.driver.type",
            "\"docker\" and \"host\" are accepted",
        )),
    }
}

/// What the processors of this machine are called.
pub(crate) fn own_arch() -> String {
    crate::template::go_arch().to_owned()
}

/// The environment of a task: that of the machine, and the task's.
pub(crate) fn task_environment(
    machine: &BTreeMap<String, String>,
    spec: &ExecutorTaskSpecData,
) -> Result<BTreeMap<String, String>, Failure> {
    let container = spec.containers.first();
    let empty = BTreeMap::new();
    let container = container.map_or(&empty, |container| &container.environment);
    Ok(surroundings::environment([
        machine,
        container,
        &spec.environment,
    ])?)
}
