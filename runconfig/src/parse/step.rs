//! Steps, in both of their notations.

use runservice::api::{
    RestoreCacheStep, RestoreWorkspaceStep, SaveCacheStep, SaveContent, SaveToWorkspaceStep,
};
use service::yaml::Value;

use super::Reader;
use super::walk::{At, Fields};
use crate::definition::{CloneStep, RunStep, Step};

const NAME_BYTES_MAX: usize = 100;
const ALL_PATHS: &str = "**";
const KINDS: &str = "clone, run, save_to_workspace, restore_workspace, save_cache, restore_cache";

impl Reader {
    pub(super) fn steps(&mut self, at: Option<At<'_>>) -> Vec<Step> {
        let steps = self.faults.list(at).map(|at| self.step(at));
        steps.into_iter().flatten().collect()
    }

    fn step(&mut self, at: At<'_>) -> Option<Step> {
        let expected = "a step is a mapping: of its type and its fields, or with the key type";
        let Value::Map(entries) = &at.node.value else {
            self.faults.add(at, expected);
            return None;
        };
        let fields = self.faults.fields(at)?;
        if entries.is_empty() {
            self.faults.add(at, expected);
            return None;
        }
        if let Some(kind) = fields.exactly("type") {
            let Some(name) = kind.as_text() else {
                self.faults.add(kind, "the type of a step is a text");
                return None;
            };
            return self.step_of(name, kind, at, Some(fields));
        }
        let Some((kind, value)) = fields.only() else {
            self.faults.add(at, expected);
            return None;
        };
        if kind == "run"
            && let Some(command) = value.as_text()
        {
            return Some(self.run_of(value, command.to_owned(), None));
        }
        let before = self.faults.count();
        let fields = self.faults.optional_fields(Some(value));
        if self.faults.count() > before {
            return None;
        }
        self.step_of(kind, value, value, fields)
    }

    /// The step of the kind that stands at `kind`; `at` is where its fields are.
    fn step_of(
        &mut self,
        name: &str,
        kind: At<'_>,
        at: At<'_>,
        fields: Option<Fields<'_>>,
    ) -> Option<Step> {
        let fields = fields.as_ref();
        let field = |name: &str| fields.and_then(|fields| fields.get(name));
        // Looked at, although it has no effect.
        self.when(field("when"));
        if name == "run" {
            let command = self.faults.text(field("command"));
            return Some(self.run_of(at, command, fields));
        }
        let step_name = self.faults.text(field("name"));
        Some(match name {
            "clone" => Step::Clone(CloneStep {
                depth: self.depth(field("depth")),
                recurse_submodules: self.faults.boolean(field("recurse_submodules"), false),
            }),
            "save_to_workspace" => Step::SaveToWorkspace(SaveToWorkspaceStep {
                name: step_name,
                contents: self.contents(field("contents")),
            }),
            "restore_workspace" => Step::RestoreWorkspace(RestoreWorkspaceStep {
                name: step_name,
                dest_dir: self.faults.text(field("dest_dir")),
            }),
            "save_cache" => {
                let mut contents = self.contents(field("contents"));
                for content in &mut contents {
                    if content.paths.is_empty() {
                        content.paths.push(ALL_PATHS.to_owned());
                    }
                }
                let key = self.faults.text(field("key"));
                if key.is_empty() {
                    self.faults.add(at, "the cache has no key");
                }
                Step::SaveCache(SaveCacheStep {
                    name: step_name,
                    key,
                    contents,
                })
            }
            "restore_cache" => {
                let keys = self.texts(field("keys"));
                if keys.is_empty() {
                    self.faults.add(at, "there are no keys of caches");
                }
                Step::RestoreCache(RestoreCacheStep {
                    name: step_name,
                    keys,
                    dest_dir: self.faults.text(field("dest_dir")),
                })
            }
            _ => {
                let shown: String = name.chars().take(40).collect();
                let message = format!("{shown:?} is no type of step: one of {KINDS}");
                self.faults.add(kind, message);
                return None;
            }
        })
    }

    fn depth(&mut self, at: Option<At<'_>>) -> Option<u32> {
        let depth = self.faults.integer(at)?;
        let depth = u32::try_from(depth).ok().filter(|depth| *depth >= 1);
        if let (None, Some(at)) = (depth, at) {
            self.faults.add(at, "the depth of a clone is 1 or more");
        }
        depth
    }

    fn run_of(&mut self, at: At<'_>, command: String, fields: Option<&Fields<'_>>) -> Step {
        let field = |name: &str| fields.and_then(|fields| fields.get(name));
        let mut name = self.faults.text(field("name"));
        if command.is_empty() {
            self.faults.add(at, "there is no command");
        } else if name.is_empty() {
            if command.contains('\n') {
                let message =
                    "a command of several lines, or with a line break at its end, needs a name";
                self.faults.add(at, message);
            }
            let mut end = command.len().min(NAME_BYTES_MAX);
            while !command.is_char_boundary(end) {
                end -= 1;
            }
            command[..end].clone_into(&mut name);
        }
        Step::Run(RunStep {
            name,
            command,
            environment: self.environment(field("environment")),
            working_dir: self.faults.text(field("working_dir")),
            shell: self.faults.text(field("shell")),
            tty: self.faults.boolean(field("tty"), true),
        })
    }

    fn contents(&mut self, at: Option<At<'_>>) -> Vec<SaveContent> {
        self.faults.list(at).map(|at| {
            let Some(fields) = self.faults.optional_fields(Some(at)) else {
                return SaveContent::default();
            };
            SaveContent {
                source_dir: self.faults.text(fields.get("source_dir")),
                dest_dir: self.faults.text(fields.get("dest_dir")),
                paths: self.texts(fields.get("paths")),
            }
        })
    }

    fn texts(&mut self, at: Option<At<'_>>) -> Vec<String> {
        let list = self.faults.list(at);
        list.map(|at| self.faults.text(Some(at)))
    }
}
