//! The first container of a task, in which its steps are executed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bollard::models::ExecConfig;
use bollard::query_parameters::{
    DownloadFromContainerOptionsBuilder, KillContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bollard::{Docker, body_full, body_try_stream};
use futures::TryStreamExt;
use runservice::api::SaveContent;
use tokio::time::timeout;
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};

use super::containers::variables;
use super::exec::{Execution, Next, execute};
use super::failed;
use crate::archive::{self, Sifter};
use crate::driver::{
    Command, CommandEnd, Failure, Place, TaskContext, log_failed, task_environment,
};
use crate::surroundings;
use crate::task_log::LogWriter;

/// Where the commands of steps are.
const SCRIPTS: &str = "/.executor-steps";
/// How long processes have between being asked to end and being killed.
const GRACE: Duration = Duration::from_millis(1000);
/// How long killing may take. A container that takes longer is killed whole.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);
const BUFFER_BYTES: usize = 128 * 1024;
const SIGKILL: i32 = 9;
/// Tells where home is, and who is there.
const WHO: &str = "printf '%s\\n' \"${HOME:-/}\" && id -u && id -g";
/// Reads the first bytes of a file, if there is one.
const READ: &str = "test -e \"$1\" || exit 44; exec head -c \"$2\" -- \"$1\"";
const NO_FILE: i32 = 44;

#[derive(Clone, Copy, Debug)]
pub(super) struct ArchiveLimits {
    pub(super) bytes_max: u64,
    pub(super) entries_max: u64,
}

pub(super) struct DockerPlace {
    client: Docker,
    container: String,
    task: TaskContext,
    archive: ArchiveLimits,
    home: PathBuf,
    working_dir: PathBuf,
    /// User and group of the commands.
    owner: (u64, u64),
    environment: BTreeMap<String, String>,
}

impl DockerPlace {
    /// Looks around in a container that runs, and makes the directory where the task begins.
    pub(super) async fn enter(
        client: Docker,
        container: String,
        task: &TaskContext,
        archive: ArchiveLimits,
        log: &mut LogWriter,
    ) -> Result<DockerPlace, Failure> {
        let looked = client.inspect_container(&container, None).await;
        let looked = looked.map_err(|cause| failed("the container cannot be looked at", &cause))?;
        let of_image = looked
            .config
            .and_then(|config| config.env)
            .unwrap_or_default();
        let mut machine: BTreeMap<String, String> = of_image
            .iter()
            .filter_map(|variable| variable.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let (status, printed) =
            execute(&client, &container, WHO, &[], ExecConfig::default()).await?;
        let (home, owner) = who(&printed)
            .filter(|_| status == 0)
            .ok_or_else(|| Failure(said("the container does not tell who is there", &printed)))?;
        machine
            .entry("HOME".to_owned())
            .or_insert_with(|| home.display().to_string());
        let working_dir = surroundings::working_directory(&task.spec.working_dir, &home)?;
        let place = DockerPlace {
            environment: task_environment(&machine, &task.spec)?,
            client,
            container,
            task: task.clone(),
            archive,
            home,
            working_dir,
            owner,
        };
        place.make_directory(&place.working_dir).await?;
        let told = log
            .line(format!(
                "the task begins in {}",
                place.working_dir.display()
            ))
            .await;
        told.map_err(log_failed)?;
        Ok(place)
    }

    async fn make_directory(&self, path: &Path) -> Result<(), Failure> {
        let path = path.display().to_string();
        let script = "exec mkdir -p -- \"$1\"";
        let (status, printed) = execute(
            &self.client,
            &self.container,
            script,
            &[&path],
            ExecConfig::default(),
        )
        .await?;
        match status {
            0 => Ok(()),
            _ => Err(Failure(said(
                &format!("the directory {path} cannot be made"),
                &printed,
            ))),
        }
    }

    fn directory(&self, text: &str) -> Result<PathBuf, Failure> {
        Ok(surroundings::directory(
            text,
            &self.home,
            &self.working_dir,
        )?)
    }

    fn archive_options(&self) -> archive::Options {
        archive::Options {
            entries_max: self.archive.entries_max,
            bytes_max: self.archive.bytes_max,
            cancelled: self.task.stop.clone(),
        }
    }

    /// Puts a command into the container, and returns where it is.
    async fn put_script(&self, step: usize, script: &str) -> Result<PathBuf, Failure> {
        let name = format!("{step}.sh");
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(script.len() as u64);
        header.set_mode(0o755);
        let path = format!("{}/{name}", SCRIPTS.trim_start_matches('/'));
        let archive = archive
            .append_data(&mut header, path, script.as_bytes())
            .and_then(|()| archive.into_inner());
        let archive = archive.map_err(|cause| Failure(cause.to_string()))?;
        let options = UploadToContainerOptionsBuilder::new().path("/").build();
        let sent = self.client.upload_to_container(
            &self.container,
            Some(options),
            body_full(archive.into()),
        );
        sent.await
            .map_err(|cause| failed("the command cannot be put into the container", &cause))?;
        Ok(Path::new(SCRIPTS).join(name))
    }

    /// Sends a signal to all processes but the one that keeps the container.
    async fn signal_all(&self, signal: &str) -> bool {
        let config = ExecConfig {
            user: Some("0".to_owned()),
            ..ExecConfig::default()
        };
        // The shell that does it is left out by the system.
        let script = "kill -\"$1\" -1 2>/dev/null; true";
        let arguments = [signal];
        let sent = execute(&self.client, &self.container, script, &arguments, config);
        matches!(timeout(KILL_TIMEOUT, sent).await, Ok(Ok((0, _))))
    }

    /// Ends all processes but the one that keeps the container, or the container, if that takes too long.
    async fn kill_all(&self) {
        if self.signal_all("KILL").await {
            return;
        }
        let options = KillContainerOptionsBuilder::new().signal("KILL").build();
        let killed = self.client.kill_container(&self.container, Some(options));
        if let Ok(Err(cause)) = timeout(KILL_TIMEOUT, killed).await {
            log::warn!("{}", failed("a container cannot be killed", &cause));
        }
    }

    async fn run_to_end(
        &self,
        execution: &mut Execution<'_>,
        log: &mut LogWriter,
    ) -> Result<CommandEnd, Failure> {
        let grace = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(grace);
        let mut is_stopping = false;
        let mut is_killed = false;
        loop {
            tokio::select! {
                next = execution.next() => match next? {
                    Next::Output(bytes) => log.write(&bytes).await.map_err(log_failed)?,
                    Next::Ended => break,
                },
                () = self.task.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    self.signal_all("TERM").await;
                    grace.as_mut().reset(tokio::time::Instant::now() + GRACE);
                }
                () = &mut grace, if is_stopping && !is_killed => {
                    is_killed = true;
                    self.kill_all().await;
                }
            }
        }
        let status = match is_killed {
            true => CommandEnd::Killed(SIGKILL),
            false => CommandEnd::Exited(execution.end().await?),
        };
        // Whatever it has left behind.
        self.kill_all().await;
        while let Some(bytes) = execution.rest().await {
            log.write(&bytes).await.map_err(log_failed)?;
        }
        Ok(status)
    }
}

#[async_trait]
impl Place for DockerPlace {
    async fn run(&self, command: &Command<'_>, log: &mut LogWriter) -> Result<CommandEnd, Failure> {
        let script = self.put_script(command.step, command.script).await?;
        let words = surroundings::shell(command.shell, &self.task.spec.shell, &script)?;
        let words = words
            .into_iter()
            .map(|word| word.to_string_lossy().into_owned());
        let environment = surroundings::environment([&self.environment, command.environment])?;
        let directory = self.directory(command.working_dir)?;
        let config = ExecConfig {
            cmd: Some(words.collect()),
            env: Some(variables(&environment)),
            tty: Some(command.tty),
            working_dir: Some(directory.display().to_string()),
            ..ExecConfig::default()
        };
        let mut execution = Execution::start(&self.client, &self.container, config).await?;
        let ended = self.run_to_end(&mut execution, log).await;
        if ended.is_err() {
            self.kill_all().await;
        }
        ended
    }

    async fn pack(
        &self,
        _step: usize,
        contents: &[SaveContent],
        archive: &Path,
        log: &mut LogWriter,
    ) -> Result<(), Failure> {
        let mut parts = Vec::new();
        for content in contents {
            // All that is in it, named from there.
            let path = format!("{}/.", self.directory(&content.source_dir)?.display());
            let options = DownloadFromContainerOptionsBuilder::new()
                .path(&path)
                .build();
            let stream = self
                .client
                .download_from_container(&self.container, Some(options));
            let stream = Box::pin(stream.map_err(std::io::Error::other));
            let input = SyncIoBridge::new(StreamReader::new(stream));
            parts.push((input, path, content.clone()));
        }
        let options = self.archive_options();
        let output = archive.to_owned();
        let packed = tokio::task::spawn_blocking(move || {
            let output = File::create(output)
                .map_err(|cause| format!("the archive cannot be made: {cause}"))?;
            let output = BufWriter::with_capacity(BUFFER_BYTES, output);
            let mut sifter = Sifter::new(output, (0, 0), &options);
            for (input, path, content) in parts {
                let input = BufReader::with_capacity(BUFFER_BYTES, input);
                let added = sifter.add_chosen(input, &content.dest_dir, &content.paths);
                added.map_err(|error| format!("{path}: {}", chain(&error)))?;
            }
            sifter.end().map_err(|error| chain(&error))
        });
        let packed = packed.await.map_err(|cause| Failure(cause.to_string()))??;
        let told = log.line(format!(
            "saved {} entries with {} bytes",
            packed.entries, packed.bytes
        ));
        told.await.map_err(log_failed)
    }

    async fn unpack(
        &self,
        _step: usize,
        archive: &Path,
        directory: &str,
        log: &mut LogWriter,
    ) -> Result<(), Failure> {
        let directory = self.directory(directory)?;
        self.make_directory(&directory).await?;
        let sifted = archive.with_extension("sifted");
        let (from, to, options, owner) = (
            archive.to_owned(),
            sifted.clone(),
            self.archive_options(),
            self.owner,
        );
        let done = tokio::task::spawn_blocking(move || {
            let cannot = |cause: std::io::Error| format!("the archive cannot be copied: {cause}");
            let input = BufReader::with_capacity(BUFFER_BYTES, File::open(from).map_err(cannot)?);
            let output = BufWriter::with_capacity(BUFFER_BYTES, File::create(to).map_err(cannot)?);
            let mut sifter = Sifter::new(output, owner, &options);
            let added = sifter.add(input).and_then(|()| sifter.end());
            added.map_err(|error| chain(&error))
        });
        let summary = done.await.map_err(|cause| Failure(cause.to_string()))??;
        let sent = async {
            let file = tokio::fs::File::open(&sifted).await;
            let file = file.map_err(|cause| Failure(cause.to_string()))?;
            let path = directory.display().to_string();
            let options = UploadToContainerOptionsBuilder::new().path(&path).build();
            let body = body_try_stream(ReaderStream::with_capacity(file, BUFFER_BYTES));
            let sent = self
                .client
                .upload_to_container(&self.container, Some(options), body);
            sent.await
                .map_err(|cause| failed("the files cannot be put into the container", &cause))
        };
        let sent = sent.await;
        // Otherwise it goes with the directory of the task.
        let _ = tokio::fs::remove_file(&sifted).await;
        sent?;
        let told = log.line(format!(
            "restored {} entries with {} bytes",
            summary.entries, summary.bytes
        ));
        told.await.map_err(log_failed)
    }

    async fn read(&self, file: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.directory(file)?.display().to_string();
        let count = bytes_max.saturating_add(1).to_string();
        let (status, printed) = execute(
            &self.client,
            &self.container,
            READ,
            &[&path, &count],
            ExecConfig::default(),
        )
        .await?;
        match status {
            0 => Ok(Some(printed)),
            NO_FILE => Ok(None),
            _ => Err(Failure(said(&format!("{path} cannot be read"), &printed))),
        }
    }

    fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }
}

/// Home, user and group, as [`WHO`] prints them.
fn who(printed: &[u8]) -> Option<(PathBuf, (u64, u64))> {
    let mut lines = str::from_utf8(printed).ok()?.lines();
    let home = PathBuf::from(lines.next()?);
    let owner = (lines.next()?.parse().ok()?, lines.next()?.parse().ok()?);
    Some((home, owner))
}

fn said(what: &str, printed: &[u8]) -> String {
    let printed = String::from_utf8_lossy(&printed[..printed.len().min(1000)]);
    format!("{what}: {}", printed.trim())
}

fn chain(error: &archive::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
