//! What containers of a task are made with, and starting them.

use std::collections::{BTreeMap, HashMap};

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use runservice::api::Container;
use tokio_util::sync::CancellationToken;

use super::{failed, has_status, remove_container};
use crate::config::DriverSettings;
use crate::driver::Failure;
use crate::surroundings;

/// Whose container it is.
pub(super) const EXECUTOR_LABEL: &str = "executor.id";
/// Of which task it is: `<executor id>/<task id>`.
pub(super) const TASK_LABEL: &str = "executor.task";
/// What the first container does: it waits, and takes care of processes that have lost their parents.
const WAIT: &str = "while true; do sleep 86400; done";

/// A container that is to be made.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) name: String,
    pub(super) body: ContainerCreateBody,
}

/// What a container may use; none: as the engine says.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    memory_bytes: Option<i64>,
    processes: Option<i64>,
    network: Option<String>,
}

impl Limits {
    pub(super) fn of(settings: &DriverSettings) -> Limits {
        let limit = |value: u64| (value > 0).then(|| i64::try_from(value).unwrap_or(i64::MAX));
        Limits {
            memory_bytes: limit(settings.memory_bytes_max),
            processes: limit(settings.processes_max),
            network: Some(settings.network.clone()).filter(|network| !network.is_empty()),
        }
    }
}

/// The containers of a task. The others share the network of the first one.
pub(super) fn bodies(
    task_id: &str,
    asked: &[Container],
    user: &str,
    labels: &[(&str, String)],
    limits: &Limits,
) -> Result<Vec<Body>, Failure> {
    let name = |place: usize| format!("executor-{task_id}-{place}");
    let labels: HashMap<String, String> = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let bodies = asked.iter().enumerate().map(|(place, container)| {
        let is_first = place == 0;
        let network = match is_first {
            true => limits.network.clone(),
            false => Some(format!("container:{}", name(0))),
        };
        let (entrypoint, command) = match is_first {
            true => {
                let shell = ["/bin/sh", "-c"].map(str::to_owned).to_vec();
                (Some(shell), Some(vec![WAIT.to_owned()]))
            }
            // That of the image, if nothing is said.
            false => (words(&container.entrypoint), None),
        };
        // The user of the task goes before the container's, in which its steps are executed.
        let user = match is_first && !user.is_empty() {
            true => user,
            false => &container.user,
        };
        let body = ContainerCreateBody {
            image: Some(container.image.clone()),
            entrypoint,
            cmd: command,
            env: Some(variables(&surroundings::environment([
                &container.environment
            ])?)),
            user: Some(user.to_owned()).filter(|user| !user.is_empty()),
            labels: Some(labels.clone()),
            host_config: Some(HostConfig {
                network_mode: network,
                memory: limits.memory_bytes,
                pids_limit: limits.processes,
                privileged: Some(container.privileged),
                tmpfs: Some(tmpfs(container)?),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        Ok(Body {
            name: name(place),
            body,
        })
    });
    bodies.collect()
}

fn words(text: &str) -> Option<Vec<String>> {
    let words = text.split(' ').filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(str::to_owned).collect();
    (!words.is_empty()).then_some(words)
}

pub(super) fn variables(environment: &BTreeMap<String, String>) -> Vec<String> {
    let variables = environment.iter();
    variables
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

fn tmpfs(container: &Container) -> Result<HashMap<String, String>, Failure> {
    let mounts = container.volumes.iter().map(|volume| {
        let is_path = volume.path.starts_with('/') && !volume.path.contains('\0');
        match &volume.tmpfs {
            Some(tmpfs) if is_path => {
                let options = match tmpfs.size {
                    ..=0 => String::new(),
                    size => format!("size={size}"),
                };
                Ok((volume.path.clone(), options))
            }
            Some(_) => Err(Failure(format!(
                "{:?} is no place for a volume",
                volume.path
            ))),
            None => Err(Failure(format!(
                "the volume {:?} is of no known kind",
                volume.path
            ))),
        }
    });
    mounts.collect()
}

/// Makes and starts containers. Returns the id of the first one. If nobody waits any more, all are removed.
pub(super) async fn start(
    client: Docker,
    bodies: Vec<Body>,
    abandoned: CancellationToken,
) -> Result<String, Failure> {
    let mut made = Vec::new();
    let mut result = start_each(&client, bodies, &abandoned, &mut made).await;
    if abandoned.is_cancelled() {
        result = Err(Failure("it was stopped".to_owned()));
    }
    if result.is_err() {
        for container in made.iter().rev() {
            if let Err(failure) = remove_container(&client, container).await {
                log::warn!("{failure}");
            }
        }
    }
    result
}

async fn start_each(
    client: &Docker,
    bodies: Vec<Body>,
    abandoned: &CancellationToken,
    made: &mut Vec<String>,
) -> Result<String, Failure> {
    for Body { name, body } in bodies {
        if abandoned.is_cancelled() {
            break;
        }
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let mut created = client
            .create_container(Some(options.clone()), body.clone())
            .await;
        if created
            .as_ref()
            .is_err_and(|error| has_status(error, &[409]))
        {
            // One that an executor has left which has lost its data. No two have the same task.
            remove_container(client, &name).await?;
            created = client.create_container(Some(options), body).await;
        }
        let created = created.map_err(|cause| failed("a container cannot be made", &cause))?;
        made.push(created.id.clone());
        let started = client.start_container(&created.id, None).await;
        started.map_err(|cause| failed("a container cannot be started", &cause))?;
    }
    let first = made.first().cloned();
    first.ok_or_else(|| Failure("it was stopped".to_owned()))
}
