//! Run definitions: the files that say what is to be run, with the format of agola v0.7.
//!
//! A definition is YAML or JSON, or a jsonnet or starlark program that makes one. It is read into a [`Definition`], in which
//! everything is checked: what is wrong is a list of [`Fault`]s with their lines and keys. Each [`Run`] in it becomes the
//! tasks of a run of the run service.
//!
//! ```
//! use std::collections::BTreeMap;
//! use runconfig::{Context, RefType, parse};
//!
//! let definition = parse(
//!     "runs:
//!        - name: build
//!          when: {branch: main}
//!          tasks:
//!            - name: compile
//!              runtime: {containers: [{image: rust}]}
//!              environment: {MODE: {from_variable: mode}}
//!              steps: [clone, {run: cargo build}]",
//! );
//! let error = definition.unwrap_err();
//! assert_eq!(
//!     error.faults()[0].to_string(),
//!     "line 8, runs[0].tasks[0].steps[0]: a step is a mapping: of its type and its fields, or with the key type"
//! );
//!
//! let definition = parse("runs: [{name: build, tasks: [{name: a, runtime: {containers: [{image: rust}]}}]}]")?;
//! let context = Context { branch: "main".to_owned(), ..Context::new(RefType::Branch) };
//! for run in definition.runs.iter().filter(|run| run.applies(&context)) {
//!     let tasks = definition.tasks(run, &context, &BTreeMap::new());
//!     assert_eq!(tasks.len(), 1);
//! }
//! # Ok::<(), runconfig::Error>(())
//! ```
//!
//! Programs are evaluated in a process of their own, with bounds on time and memory and without access to files: see
//! [`Evaluator`].
//!
//! | module | what it is |
//! |---|---|
//! | `definition` | what a definition consists of |
//! | `context` | what a run is made for |
//! | `format` | the formats, and the names of their files |
//! | `parse` | from text to a definition, and all that can be wrong with it |
//! | `expand` | from a definition to the tasks of a run |
//! | `evaluate` | programs that make definitions |
//! | `error` | why there is no definition |
//!
//! Features: `jsonnet` and `starlark`, both by default.

mod context;
mod definition;
mod error;
mod evaluate;
mod expand;
mod format;
mod parse;

pub use configstore::api::{When, WhenCondition, WhenConditionType, WhenConditions};
pub use configstore::evaluation::RefType;
pub use context::Context;
pub use definition::{
    CloneStep, Container, Definition, Depend, RegistryAuth, Run, RunStep, Runtime, RuntimeKind,
    Step, Task, Value, Volume,
};
pub use error::{Error, ErrorKind, Fault};
pub use evaluate::{Evaluator, EvaluatorOptions, evaluate_if_asked};
pub use format::{FILE_NAMES, Format, UnknownFormat};
pub use parse::{CONTENT_BYTES_MAX, parse, parse_when};
