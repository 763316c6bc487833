//! Runs, tasks and where they are executed.

use std::collections::{BTreeMap, HashSet};

use service::yaml::Value;

use super::walk::{At, Fields, List};
use super::{Reader, graph, quantity};
use crate::definition::{Container, RegistryAuth, Run, Runtime, RuntimeKind, Task, Volume};

const NAME_BYTES_MAX: usize = 100;
const WORKING_DIR: &str = "~/project";
const REGISTRY_KIND: &str = "basic";
const ARCHITECTURES: [&str; 4] = ["386", "amd64", "arm", "arm64"];

impl Reader {
    pub(super) fn runs(&mut self, list: List<'_>) -> Vec<Run> {
        let mut names = HashSet::new();
        list.map(|at| self.run(at, &mut names))
    }

    fn run(&mut self, at: At<'_>, names: &mut HashSet<String>) -> Run {
        let Some(fields) = self.filled(at, "run") else {
            return Run::default();
        };
        let before = self.faults.count();
        let name = self.name(at, fields, "run", names);
        let mut task_names = HashSet::new();
        let tasks = self.faults.list(fields.get("tasks"));
        let run = Run {
            name,
            when: self.when(fields.get("when")),
            docker_registries_auth: self.registries(fields.get("docker_registries_auth")),
            tasks: tasks.map(|at| self.task(at, &mut task_names)),
        };
        // Nothing can be said about dependencies between tasks that are not known.
        if self.faults.count() == before {
            graph::check(&run.tasks, tasks, &mut self.faults);
        }
        run
    }

    fn task(&mut self, at: At<'_>, names: &mut HashSet<String>) -> Task {
        let Some(fields) = self.filled(at, "task") else {
            return Task::default();
        };
        let working_dir = self.faults.any_text(fields.get("working_dir"));
        Task {
            name: self.name(at, fields, "task", names),
            runtime: self.runtime(at, fields),
            environment: self.environment(fields.get("environment")),
            working_dir: or_default(working_dir, WORKING_DIR),
            shell: self.faults.any_text(fields.get("shell")),
            user: self.faults.any_text(fields.get("user")),
            steps: self.steps(fields.get("steps")),
            depends: self.depends(fields.get("depends")),
            ignore_failure: self.faults.boolean(fields.get("ignore_failure"), false),
            approval: self.faults.boolean(fields.get("approval"), false),
            when: self.when(fields.get("when")),
            docker_registries_auth: self.registries(fields.get("docker_registries_auth")),
        }
    }

    /// The fields of an entry that may not be empty.
    fn filled<'a>(&mut self, at: At<'a>, what: &str) -> Option<Fields<'a>> {
        if at.is_null() {
            self.faults.add(at, format!("the {what} is empty"));
            return None;
        }
        self.faults.fields(at)
    }

    fn name(
        &mut self,
        at: At<'_>,
        fields: Fields<'_>,
        what: &str,
        names: &mut HashSet<String>,
    ) -> String {
        let place = fields.get("name");
        let before = self.faults.count();
        let name = self.faults.any_text(place);
        let place = place.unwrap_or(at);
        if self.faults.count() > before {
            return name;
        }
        if name.is_empty() {
            self.faults.add(place, format!("the {what} has no name"));
        } else if name.len() > NAME_BYTES_MAX {
            let message = format!(
                "the name of the {what} has {} bytes, and at most {NAME_BYTES_MAX} are accepted",
                name.len()
            );
            self.faults.add(place, message);
        } else if !names.insert(name.clone()) {
            let message = format!("there are two {what}s with the name {name:?}");
            self.faults.add(place, message);
        }
        name
    }

    fn runtime(&mut self, task: At<'_>, fields: Fields<'_>) -> Runtime {
        let Some(at) = fields.get("runtime").filter(|at| !at.is_null()) else {
            self.faults.add(task, "the task has no runtime");
            return Runtime::default();
        };
        let Some(fields) = self.faults.fields(at) else {
            return Runtime::default();
        };
        let kind = self.runtime_kind(fields.get("type"));
        let containers = self.faults.list(fields.get("containers"));
        if kind == RuntimeKind::Pod && containers.len() == 0 {
            self.faults.add(at, "the runtime has no containers");
        }
        if kind == RuntimeKind::Host && containers.len() > 0 {
            self.faults
                .add(at, "a runtime of type host has no containers");
        }
        let arch = self.faults.any_text(fields.get("arch"));
        if !arch.is_empty() && !ARCHITECTURES.contains(&arch.as_str()) {
            let message = format!(
                "{arch:?} is no processor that is known: one of {}",
                ARCHITECTURES.join(", ")
            );
            self.faults.add(fields.get("arch").unwrap_or(at), message);
        }
        Runtime {
            kind,
            arch,
            containers: containers.map(|at| self.container(at)),
        }
    }

    fn runtime_kind(&mut self, at: Option<At<'_>>) -> RuntimeKind {
        let name = self.faults.any_text(at);
        match name.as_str() {
            "" | "pod" => return RuntimeKind::Pod,
            "host" => return RuntimeKind::Host,
            _ => {}
        }
        if let Some(at) = at {
            self.faults.add(at, "the type of a runtime is pod or host");
        }
        RuntimeKind::default()
    }

    fn container(&mut self, at: At<'_>) -> Container {
        let Some(fields) = self.filled(at, "container") else {
            return Container::default();
        };
        let volumes = self.faults.list(fields.get("volumes"));
        Container {
            image: self.faults.any_text(fields.get("image")),
            environment: self.environment(fields.get("environment")),
            user: self.faults.any_text(fields.get("user")),
            privileged: self.faults.boolean(fields.get("privileged"), false),
            entrypoint: self.faults.any_text(fields.get("entrypoint")),
            volumes: volumes.map(|at| self.volume(at)),
        }
    }

    fn volume(&mut self, at: At<'_>) -> Volume {
        let Some(fields) = self.filled(at, "volume") else {
            return Volume::default();
        };
        let path = self.faults.any_text(fields.get("path"));
        let tmpfs = fields.get("tmpfs").filter(|at| !at.is_null());
        if tmpfs.is_none() {
            self.faults.add(at, "the volume has no tmpfs");
        }
        let tmpfs = self.faults.optional_fields(tmpfs);
        let size = tmpfs.as_ref().and_then(|tmpfs| tmpfs.get("size"));
        Volume {
            path,
            tmpfs_bytes_max: size
                .filter(|size| !size.is_null())
                .and_then(|size| self.quantity(size)),
        }
    }

    fn quantity(&mut self, at: At<'_>) -> Option<i64> {
        let Value::Scalar { text, .. } = &at.node.value else {
            self.faults.text(Some(at));
            return None;
        };
        match quantity::bytes(text) {
            Ok(bytes) => Some(bytes),
            Err(message) => {
                self.faults.add(at, message);
                None
            }
        }
    }

    pub(super) fn registries(&mut self, at: Option<At<'_>>) -> BTreeMap<String, RegistryAuth> {
        let Some(fields) = self.faults.optional_fields(at) else {
            return BTreeMap::new();
        };
        let registries = fields.all();
        registries
            .map(|(registry, at)| (registry.to_owned(), self.registry(at)))
            .collect()
    }

    fn registry(&mut self, at: At<'_>) -> RegistryAuth {
        let Some(fields) = self.filled(at, "registry") else {
            return RegistryAuth::default();
        };
        let kind = self.faults.any_text(fields.get("type"));
        RegistryAuth {
            kind: or_default(kind, REGISTRY_KIND),
            username: self.optional_value(fields.get("username")),
            password: self.optional_value(fields.get("password")),
            auth: self.optional_value(fields.get("auth")),
        }
    }
}

fn or_default(text: String, default: &str) -> String {
    match text.is_empty() {
        true => default.to_owned(),
        false => text,
    }
}
