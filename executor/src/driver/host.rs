//! Processes of this machine. Nothing isolates them: a step can do what the user can who executes it.
//!
//! A task has a directory of its own with `home`, in which it begins, and `tmp`. Each command has a supervisor. Commands have
//! no terminal, whatever the step says, so that logs are what was printed.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use runservice::api::SaveContent;

use super::{Command, CommandEnd, Driver, Failure, Place, TaskContext, own_arch, task_environment};
use crate::Error;
use crate::config::{DriverSettings, Settings};
use crate::supervisor::{self, Ended, Limits, Order, PackJob, UnpackJob};
use crate::surroundings;
use crate::task_directory::{DataDirectory, TaskDirectory, make_directory, remove_tree};
use crate::task_log::LogWriter;

mod process;
mod user;

use process::Supervised;
use user::User;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const PRIVATE: u32 = 0o700;
const PASSABLE: u32 = 0o711;
/// How long processes have between being asked to end and being killed. A stop takes at most 2 s.
const GRACE: Duration = Duration::from_millis(1000);
/// How long the search for processes that a dead supervisor has left may take.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct HostDriver {
    executor_id: String,
    program: PathBuf,
    user: Option<User>,
    environment: BTreeMap<String, String>,
    limits: Limits,
    archive: ArchiveLimits,
    cgroup: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug)]
struct ArchiveLimits {
    bytes_max: u64,
    entries_max: u64,
}

impl HostDriver {
    pub(super) fn new(settings: &Settings, data: &DataDirectory) -> Result<HostDriver, Error> {
        let executor = &settings.executor;
        let program = match executor.supervisor_program.as_os_str().is_empty() {
            true => std::env::current_exe().map_err(Error::internal)?,
            false => executor.supervisor_program.clone(),
        };
        let user = match executor.driver.user.as_str() {
            "" => None,
            name => Some(User::find(name)?),
        };
        let cgroup = supervisor::own_group();
        if cgroup.is_none() {
            log::info!(
                "no control groups of version 2 can be made here: processes are found one by one when a task ends"
            );
        }
        Ok(HostDriver {
            executor_id: data.id().to_owned(),
            program,
            user,
            environment: executor.driver.environment.clone(),
            limits: limits(&executor.driver),
            archive: ArchiveLimits {
                bytes_max: executor.archive_bytes_max,
                entries_max: executor.archive_entries_max,
            },
            cgroup,
        })
    }

    fn marker(&self, task_id: &str) -> String {
        format!("{}/{task_id}", self.executor_id)
    }

    /// What names of control groups begin with.
    fn cgroup_prefix(&self) -> String {
        format!("executor-{}-", self.executor_id)
    }

    fn machine(&self, home: &Path, tmp: &Path, task_id: &str) -> BTreeMap<String, String> {
        let user = self
            .user
            .as_ref()
            .map_or_else(user::own_name, |user| user.name.clone());
        let mut environment = self.environment.clone();
        for (name, value) in [
            ("PATH", PATH.to_owned()),
            ("HOME", home.display().to_string()),
            ("TMPDIR", tmp.display().to_string()),
            ("USER", user.clone()),
            ("LOGNAME", user),
        ] {
            environment.entry(name.to_owned()).or_insert(value);
        }
        environment.insert(supervisor::MARKER.to_owned(), self.marker(task_id));
        environment
    }
}

fn limits(settings: &DriverSettings) -> Limits {
    let limit = |value: u64| (value > 0).then_some(value);
    Limits {
        memory_bytes: limit(settings.memory_bytes_max),
        processes: limit(settings.processes_max),
        open_files: limit(settings.open_files_max),
        file_bytes: limit(settings.file_bytes_max),
        cpu_seconds: limit(settings.cpu_seconds_max),
    }
}

#[async_trait]
impl Driver for HostDriver {
    fn name(&self) -> &'static str {
        runservice::api::HOST_RUNTIME
    }

    fn archs(&self) -> Vec<String> {
        vec![own_arch()]
    }

    async fn ready(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn setup(
        &self,
        task: &TaskContext,
        log: &mut LogWriter,
    ) -> Result<Box<dyn Place>, Failure> {
        if !task.spec.containers.is_empty() {
            return Err(Failure(
                "the task asks for containers, and this executor has none".to_owned(),
            ));
        }
        if !task.spec.user.is_empty() {
            return Err(Failure(
                "the task asks for a user, which this executor's configuration alone decides"
                    .to_owned(),
            ));
        }
        let place = task.directory.place();
        let (home, tmp) = (place.join("home"), place.join("tmp"));
        let working_dir = surroundings::working_directory(&task.spec.working_dir, &home)?;
        let user = self.user.as_ref().map(|user| (user.uid, user.gid));
        let made = {
            let (place, home, tmp, working_dir) = (
                place.clone(),
                home.clone(),
                tmp.clone(),
                working_dir.clone(),
            );
            tokio::task::spawn_blocking(move || make_place(&place, &home, &tmp, &working_dir, user))
                .await
        };
        made.map_err(|cause| Failure(cause.to_string()))?
            .map_err(|cause| {
                Failure(format!("the directory of the task cannot be made: {cause}"))
            })?;
        let machine = self.machine(&home, &tmp, &task.id);
        let environment = task_environment(&machine, &task.spec)?;
        log.line(format!("the task begins in {}", working_dir.display()))
            .await
            .map_err(super::log_failed)?;
        Ok(Box::new(HostPlace {
            task: task.clone(),
            program: self.program.clone(),
            marker: self.marker(&task.id),
            user,
            limits: self.limits.clone(),
            archive: self.archive,
            cgroup: self
                .cgroup
                .as_ref()
                .map(|own| own.join(format!("{}{}", self.cgroup_prefix(), task.id))),
            home,
            working_dir,
            scripts: place,
            environment,
        }))
    }

    async fn remove(&self, _task_id: &str, directory: &TaskDirectory) -> Result<(), Failure> {
        let place = directory.place();
        let removed = tokio::task::spawn_blocking(move || remove_tree(&place)).await;
        removed
            .map_err(|cause| Failure(cause.to_string()))?
            .map_err(|cause| {
                Failure(format!(
                    "the directory of the task cannot be removed: {cause}"
                ))
            })
    }

    async fn remove_all(&self) -> Result<(), Failure> {
        let (prefix, marker) = (self.cgroup_prefix(), format!("{}/", self.executor_id));
        let searched = tokio::task::spawn_blocking(move || {
            supervisor::remove_stale(&prefix);
            supervisor::kill_marked(supervisor::MARKER, &marker, SEARCH_TIMEOUT);
        });
        searched.await.map_err(|cause| Failure(cause.to_string()))
    }
}

/// Makes the directories of a task. Only those below `home` are made for a working directory; one elsewhere has to be there.
fn make_place(
    place: &Path,
    home: &Path,
    tmp: &Path,
    working_dir: &Path,
    user: Option<(u32, u32)>,
) -> io::Result<()> {
    let own = |path: &Path| -> io::Result<()> {
        make_directory(path, PRIVATE)?;
        match user {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    };
    // Steps cannot put anything there, so the executor's own files in it are what they seem.
    make_directory(place, PASSABLE)?;
    for directory in [home, tmp] {
        own(directory)?;
    }
    let is_below = working_dir.starts_with(home)
        && !working_dir
            .components()
            .any(|part| part == std::path::Component::ParentDir);
    if is_below {
        let mut path = home.to_owned();
        for part in working_dir.strip_prefix(home).unwrap_or(working_dir) {
            path.push(part);
            own(&path)?;
        }
    }
    Ok(())
}

struct HostPlace {
    task: TaskContext,
    program: PathBuf,
    marker: String,
    user: Option<(u32, u32)>,
    limits: Limits,
    archive: ArchiveLimits,
    cgroup: Option<PathBuf>,
    home: PathBuf,
    working_dir: PathBuf,
    scripts: PathBuf,
    environment: BTreeMap<String, String>,
}

impl HostPlace {
    fn order(&self, step: usize) -> Order {
        Order {
            environment: self.environment.clone(),
            directory: self.working_dir.clone(),
            user: self.user,
            limits: self.limits.clone(),
            cgroup: self.cgroup.as_ref().map(|cgroup| {
                let mut name = cgroup.clone().into_os_string();
                name.push(format!("-{step}"));
                PathBuf::from(name)
            }),
            grace_ms: u64::try_from(GRACE.as_millis()).unwrap_or(u64::MAX),
            ..Order::default()
        }
    }

    async fn supervise(&self, order: &Order, log: &mut LogWriter) -> Result<Ended, Failure> {
        let supervised = Supervised {
            program: &self.program,
            stop: &self.task.stop,
            grace: GRACE,
        };
        let ended = supervised.run(order, log).await;
        if let Err(process::Lost(_)) = &ended {
            let marker = self.marker.clone();
            let search =
                move || supervisor::kill_marked(supervisor::MARKER, &marker, SEARCH_TIMEOUT);
            // What fails here is found again when the executor starts.
            let _ = tokio::task::spawn_blocking(search).await;
        }
        ended.map_err(|process::Lost(failure)| failure)
    }

    /// A file that the user can read.
    async fn private_file(&self, path: &Path, content: &[u8]) -> Result<(), Failure> {
        let written = tokio::fs::write(path, content).await;
        let written = written.and_then(|()| match self.user {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        });
        written.map_err(|cause| Failure(format!("{} cannot be written: {cause}", path.display())))
    }

    /// Executes a job of this program's own, as the user.
    async fn job(&self, order: &Order, log: &mut LogWriter) -> Result<(), Failure> {
        match self.supervise(order, log).await? {
            Ended::Exited(0) => Ok(()),
            Ended::NotStarted(cause) => Err(Failure(cause)),
            Ended::Exited(_) | Ended::Killed(_) => Err(Failure("it was not done".to_owned())),
        }
    }

    fn own_command(&self, arguments: &[&str]) -> Vec<String> {
        let program = self.program.display().to_string();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        std::iter::once(program).chain(arguments).collect()
    }
}

#[async_trait]
impl Place for HostPlace {
    async fn run(&self, command: &Command<'_>, log: &mut LogWriter) -> Result<CommandEnd, Failure> {
        let script = self.scripts.join(format!("{}.sh", command.step));
        self.private_file(&script, command.script.as_bytes())
            .await?;
        let words = surroundings::shell(command.shell, &self.task.spec.shell, &script)?;
        let words = words
            .into_iter()
            .map(|word| word.to_string_lossy().into_owned());
        let environment = surroundings::environment([&self.environment, command.environment])?;
        let order = Order {
            command: words.collect(),
            environment,
            directory: surroundings::directory(command.working_dir, &self.home, &self.working_dir)?,
            ..self.order(command.step)
        };
        match self.supervise(&order, log).await? {
            Ended::Exited(status) => Ok(CommandEnd::Exited(status)),
            Ended::Killed(signal) => Ok(CommandEnd::Killed(signal)),
            Ended::NotStarted(cause) => Err(Failure(cause)),
        }
    }

    async fn pack(
        &self,
        step: usize,
        contents: &[SaveContent],
        archive: &Path,
        log: &mut LogWriter,
    ) -> Result<(), Failure> {
        let mut sources = Vec::new();
        for content in contents {
            let directory =
                surroundings::directory(&content.source_dir, &self.home, &self.working_dir)?;
            sources.push((directory, content.dest_dir.clone(), content.paths.clone()));
        }
        let job = PackJob {
            sources,
            bytes_max: self.archive.bytes_max,
            entries_max: self.archive.entries_max,
        };
        let job = serde_json::to_vec(&job).map_err(|cause| Failure(cause.to_string()))?;
        let input = self.scripts.join(format!("{step}.pack"));
        self.private_file(&input, &job).await?;
        let made = tokio::fs::File::create(archive).await;
        made.map_err(|cause| Failure(format!("the archive cannot be made: {cause}")))?;
        let order = Order {
            command: self.own_command(&[supervisor::PACK]),
            input: Some(input),
            output: Some(archive.to_owned()),
            ..self.order(step)
        };
        self.job(&order, log).await
    }

    async fn unpack(
        &self,
        step: usize,
        archive: &Path,
        directory: &str,
        log: &mut LogWriter,
    ) -> Result<(), Failure> {
        let job = UnpackJob {
            directory: surroundings::directory(directory, &self.home, &self.working_dir)?,
            bytes_max: self.archive.bytes_max,
            entries_max: self.archive.entries_max,
        };
        let job = serde_json::to_string(&job).map_err(|cause| Failure(cause.to_string()))?;
        let order = Order {
            command: self.own_command(&[supervisor::UNPACK, &job]),
            input: Some(archive.to_owned()),
            ..self.order(step)
        };
        self.job(&order, log).await
    }

    async fn read(&self, file: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
        let path = surroundings::directory(file, &self.home, &self.working_dir)?;
        let (user, shown) = (self.user, path.clone());
        let read =
            tokio::task::spawn_blocking(move || user::read_file(&path, bytes_max, user)).await;
        match read.map_err(|cause| Failure(cause.to_string()))? {
            Ok(content) => Ok(Some(content)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(Failure(format!(
                "{} cannot be read: {cause}",
                shown.display()
            ))),
        }
    }

    fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }
}
