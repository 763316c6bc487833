//! Containers of a Docker engine on this machine, which is found as its own command finds it: by `DOCKER_HOST`, or at its usual
//! socket.
//!
//! A task has a container for each that it asks for. The first one does nothing by itself; steps are executed in it. The others
//! are services, in the same network. All are removed with the task. Files that are saved or restored go through the engine,
//! so nothing of this machine is mounted; archives keep the rules of [`archive`](crate::archive) on both ways.
//!
//! An image is fetched if it is missing, or if its tag is `latest`. It needs `/bin/sh`, `mkdir` and `sleep`.

mod containers;
mod exec;
mod images;
mod place;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bollard::Docker;
use bollard::errors::Error as EngineError;
use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::{Driver, Failure, Place, TaskContext, own_arch};
use crate::Error;
use crate::config::Settings;
use crate::task_directory::{DataDirectory, TaskDirectory};
use crate::task_log::LogWriter;
use containers::{EXECUTOR_LABEL, Limits, TASK_LABEL};

/// An engine, asked in the version of its interface that it speaks.
#[derive(Clone, Debug)]
struct Engine {
    client: Docker,
    negotiated: Arc<OnceCell<Docker>>,
}

impl Engine {
    fn find() -> Result<Engine, EngineError> {
        Ok(Engine {
            client: Docker::connect_with_defaults()?,
            negotiated: Arc::default(),
        })
    }

    async fn client(&self) -> Result<&Docker, Failure> {
        let negotiate = || self.client.clone().negotiate_version();
        let negotiated = self.negotiated.get_or_try_init(negotiate).await;
        negotiated.map_err(|cause| failed("the Docker engine does not answer", &cause))
    }

    /// Removes containers with a label, running or not.
    async fn remove(&self, label: &str, value: &str) -> Result<(), Failure> {
        let client = self.client().await?;
        let filters = HashMap::from([("label", vec![format!("{label}={value}")])]);
        let filters: HashMap<String, Vec<String>> = filters
            .into_iter()
            .map(|(name, values)| (name.to_owned(), values))
            .collect();
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters);
        let found = client.list_containers(Some(options.build())).await;
        let found = found.map_err(|cause| failed("the containers cannot be listed", &cause))?;
        for container in found.into_iter().filter_map(|container| container.id) {
            remove_container(client, &container).await?;
        }
        Ok(())
    }
}

/// Removes a container with all that is in it. One that is gone, or about to be, is well.
async fn remove_container(client: &Docker, container: &str) -> Result<(), Failure> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true);
    match client
        .remove_container(container, Some(options.build()))
        .await
    {
        Ok(()) => Ok(()),
        Err(error) if has_status(&error, &[404, 409]) => Ok(()),
        Err(error) => Err(failed("a container cannot be removed", &error)),
    }
}

fn has_status(error: &EngineError, expected: &[u16]) -> bool {
    matches!(error, EngineError::DockerResponseServerError { status_code, .. } if expected.contains(status_code))
}

fn failed(what: &str, cause: &EngineError) -> Failure {
    Failure(format!("{what}: {cause}"))
}

#[derive(Debug)]
pub(super) struct DockerDriver {
    engine: Engine,
    executor_id: String,
    allows_privileged: bool,
    limits: Limits,
    archive: place::ArchiveLimits,
}

impl DockerDriver {
    pub(super) fn new(settings: &Settings, data: &DataDirectory) -> Result<DockerDriver, Error> {
        let executor = &settings.executor;
        let engine = Engine::find().map_err(|cause| {
            Error::unavailable("the Docker engine cannot be found").with_source(cause)
        })?;
        Ok(DockerDriver {
            engine,
            executor_id: data.id().to_owned(),
            allows_privileged: executor.allow_privileged_containers,
            limits: Limits::of(&executor.driver),
            archive: place::ArchiveLimits {
                bytes_max: executor.archive_bytes_max,
                entries_max: executor.archive_entries_max,
            },
        })
    }

    fn task_label(&self, task_id: &str) -> String {
        format!("{}/{task_id}", self.executor_id)
    }
}

#[async_trait]
impl Driver for DockerDriver {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn archs(&self) -> Vec<String> {
        vec![own_arch()]
    }

    async fn ready(&self) -> Result<(), Failure> {
        let pinged = self.engine.client().await?.ping().await;
        pinged.map_err(|cause| failed("the Docker engine does not answer", &cause))?;
        Ok(())
    }

    async fn setup(
        &self,
        task: &TaskContext,
        log: &mut LogWriter,
    ) -> Result<Box<dyn Place>, Failure> {
        let asked = &task.spec.containers;
        if asked.is_empty() {
            return Err(Failure("the task asks for no container".to_owned()));
        }
        if !self.allows_privileged && asked.iter().any(|container| container.privileged) {
            let reason =
                "the task asks for a privileged container, which this executor does not allow";
            return Err(Failure(reason.to_owned()));
        }
        let client = self.engine.client().await?;
        for container in asked {
            images::provide(
                client,
                &container.image,
                &task.spec.docker_registries_auth,
                log,
            )
            .await?;
        }
        let bodies = containers::bodies(
            &task.id,
            asked,
            &task.spec.user,
            &[
                (EXECUTOR_LABEL, self.executor_id.clone()),
                (TASK_LABEL, self.task_label(&task.id)),
            ],
            &self.limits,
        )?;
        // If this is dropped the engine may be about to make a container, which nobody would find. So it is waited for then
        // as well, and removed.
        let abandoned = CancellationToken::new();
        let guard = abandoned.clone().drop_guard();
        let started = tokio::spawn(containers::start(client.clone(), bodies, abandoned));
        let first = started
            .await
            .map_err(|cause| Failure(cause.to_string()))??;
        let place =
            place::DockerPlace::enter(client.clone(), first, task, self.archive, log).await?;
        guard.disarm();
        Ok(Box::new(place))
    }

    async fn remove(&self, task_id: &str, _directory: &TaskDirectory) -> Result<(), Failure> {
        self.engine
            .remove(TASK_LABEL, &self.task_label(task_id))
            .await
    }

    async fn remove_all(&self) -> Result<(), Failure> {
        self.engine.remove(EXECUTOR_LABEL, &self.executor_id).await
    }
}
