//! From a definition to the tasks of a run.

use std::collections::BTreeMap;

use configstore::api::When;
use configstore::evaluation::applies;
use runservice::api::{self, DependCondition};

use crate::context::Context;
use crate::definition::{
    CloneStep, Container, Definition, RegistryAuth, Run, RunStep, Step, Task, Value,
};

const SHELL: &str = "/bin/sh -e";
const CLONE_NAME: &str = "Clone repository and check out commit";

impl Run {
    /// Whether there is such a run.
    pub fn applies(&self, context: &Context) -> bool {
        is_met(self.when.as_ref(), context)
    }
}

impl Definition {
    /// The tasks of a run, by their ids, which are random.
    ///
    /// `variables` are those that the definition may name.
    pub fn tasks(
        &self,
        run: &Run,
        context: &Context,
        variables: &BTreeMap<String, String>,
    ) -> BTreeMap<String, api::RunConfigTask> {
        self.tasks_with_ids(run, context, variables, |_| {
            uuid::Uuid::new_v4().to_string()
        })
    }

    /// The same, with ids that are made from the names of the tasks. No two of them may be the same.
    pub fn tasks_with_ids(
        &self,
        run: &Run,
        context: &Context,
        variables: &BTreeMap<String, String>,
        new_id: impl FnMut(&str) -> String,
    ) -> BTreeMap<String, api::RunConfigTask> {
        let names = run.tasks.iter().map(|task| task.name.as_str());
        let ids: BTreeMap<&str, String> = names.clone().zip(names.map(new_id)).collect();
        let expansion = Expansion {
            variables,
            context,
            ids,
        };
        let tasks = run.tasks.iter().map(|task| {
            let mut registries = self.docker_registries_auth.clone();
            registries.extend(run.docker_registries_auth.clone());
            registries.extend(task.docker_registries_auth.clone());
            let task = expansion.task(task, &registries);
            (task.id.clone(), task)
        });
        tasks.collect()
    }
}

/// The expressions were checked when the definition was read.
fn is_met(when: Option<&When>, context: &Context) -> bool {
    applies(when, context.as_reference()).unwrap_or(false)
}

struct Expansion<'a> {
    variables: &'a BTreeMap<String, String>,
    context: &'a Context,
    /// By the names of the tasks.
    ids: BTreeMap<&'a str, String>,
}

impl Expansion<'_> {
    fn task(&self, task: &Task, registries: &BTreeMap<String, RegistryAuth>) -> api::RunConfigTask {
        let shell = match task.shell.as_str() {
            "" => SHELL,
            shell => shell,
        };
        let containers = task.runtime.containers.iter();
        api::RunConfigTask {
            level: 0,
            id: self
                .ids
                .get(task.name.as_str())
                .cloned()
                .unwrap_or_default(),
            name: task.name.clone(),
            depends: self.depends(task),
            runtime: Some(api::Runtime {
                kind: task.runtime.kind.as_str().to_owned(),
                arch: task.runtime.arch.clone(),
                containers: containers
                    .map(|container| self.container(container))
                    .collect(),
            }),
            environment: self.environment(&task.environment),
            working_dir: task.working_dir.clone(),
            shell: shell.to_owned(),
            user: task.user.clone(),
            steps: task.steps.iter().map(|step| self.step(step)).collect(),
            ignore_failure: task.ignore_failure,
            needs_approval: task.approval,
            skip: !is_met(task.when.as_ref(), self.context),
            docker_registries_auth: registries
                .iter()
                .map(|(registry, auth)| (registry.clone(), self.registry(auth)))
                .collect(),
        }
    }

    fn depends(&self, task: &Task) -> BTreeMap<String, api::Depend> {
        let depends = task.depends.iter().filter_map(|depend| {
            let id = self.ids.get(depend.task.as_str())?;
            let mut conditions = depend.conditions.clone();
            if conditions.is_empty() {
                conditions.push(DependCondition::OnSuccess);
            }
            let depend = api::Depend {
                task_id: id.clone(),
                conditions,
            };
            Some((id.clone(), depend))
        });
        depends.collect()
    }

    fn container(&self, container: &Container) -> api::Container {
        let volumes = container.volumes.iter().map(|volume| api::Volume {
            path: volume.path.clone(),
            tmpfs: Some(api::VolumeTmpfs {
                size: volume.tmpfs_bytes_max.unwrap_or_default(),
            }),
        });
        api::Container {
            image: container.image.clone(),
            environment: self.environment(&container.environment),
            user: container.user.clone(),
            privileged: container.privileged,
            entrypoint: container.entrypoint.clone(),
            volumes: volumes.collect(),
        }
    }

    fn step(&self, step: &Step) -> api::Step {
        match step {
            Step::Clone(step) => api::Step::Run(api::RunStep {
                name: CLONE_NAME.to_owned(),
                command: clone_command(step),
                ..Default::default()
            }),
            Step::Run(step) => api::Step::Run(self.run_step(step)),
            Step::SaveToWorkspace(step) => api::Step::SaveToWorkspace(step.clone()),
            Step::RestoreWorkspace(step) => api::Step::RestoreWorkspace(step.clone()),
            Step::SaveCache(step) => api::Step::SaveCache(step.clone()),
            Step::RestoreCache(step) => api::Step::RestoreCache(step.clone()),
        }
    }

    fn run_step(&self, step: &RunStep) -> api::RunStep {
        api::RunStep {
            name: step.name.clone(),
            command: step.command.clone(),
            environment: self.environment(&step.environment),
            working_dir: step.working_dir.clone(),
            shell: step.shell.clone(),
            tty: step.tty,
        }
    }

    fn registry(&self, auth: &RegistryAuth) -> api::RegistryAuth {
        api::RegistryAuth {
            kind: auth.kind.clone(),
            username: self.value(&auth.username),
            password: self.value(&auth.password),
            auth: self.value(&auth.auth),
        }
    }

    fn environment(&self, values: &BTreeMap<String, Value>) -> BTreeMap<String, String> {
        let values = values.iter();
        values
            .map(|(name, value)| (name.clone(), self.value(value)))
            .collect()
    }

    fn value(&self, value: &Value) -> String {
        match value {
            Value::Text(text) => text.clone(),
            Value::Variable(name) => self.variables.get(name).cloned().unwrap_or_default(),
        }
    }
}

/// A script for any POSIX shell. The key is written by a program that reads it from the environment, so that the trace of
/// commands does not show it.
fn clone_command(step: &CloneStep) -> String {
    let mut options = String::new();
    if let Some(depth) = step.depth {
        options.push_str(&format!(" --depth {depth}"));
    }
    if step.recurse_submodules {
        options.push_str(" --recurse-submodules");
    }
    CLONE_SCRIPT.replace("{options}", &options)
}

const CLONE_SCRIPT: &str = r#"set -x
if [ -z "$AGOLA_REPOSITORY_URL" ]; then
    echo "there is no repository to clone" >&2
    exit 1
fi

umask 077
mkdir -p ~/.ssh
chmod 700 ~/.ssh
touch ~/.ssh/id_rsa ~/.ssh/known_hosts
chmod 600 ~/.ssh/id_rsa ~/.ssh/known_hosts
if [ -n "$AGOLA_SSHHOSTKEY" ]; then
    printenv AGOLA_SSHHOSTKEY >> ~/.ssh/known_hosts
fi
printenv AGOLA_SSHPRIVKEY > ~/.ssh/id_rsa || true

STRICT=yes
if [ -n "$AGOLA_SKIPSSHHOSTKEYCHECK" ]; then
    STRICT=no
fi
cat > ~/.ssh/config <<SSHCONFIG
Host $AGOLA_GIT_HOST
  HostName $AGOLA_GIT_HOST
  Port $AGOLA_GIT_PORT
  StrictHostKeyChecking $STRICT
  PasswordAuthentication no
  IgnoreUnknown PubkeyAcceptedKeyTypes,PubkeyAcceptedAlgorithms
  PubkeyAcceptedKeyTypes +ssh-rsa
  PubkeyAcceptedAlgorithms +ssh-rsa
SSHCONFIG
umask 022

git clone{options} "$AGOLA_REPOSITORY_URL" .
git fetch origin "$AGOLA_GIT_REF"
if [ -n "$AGOLA_GIT_COMMITSHA" ]; then
    git checkout "$AGOLA_GIT_COMMITSHA"
else
    git checkout FETCH_HEAD
fi
"#;

#[cfg(test)]
mod tests;
