//! From run definitions to what the run service is asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use configstore::evaluation::RefType;
use runconfig::{Context, Evaluator, EvaluatorOptions, Format};
use runservice::api::RunConfigTask;

use crate::api::DefinitionFormat;
use crate::config::RunDefinitions;
use crate::{Error, ErrorKind};

/// Faults of one definition that are told, at most.
const FAULTS_MAX: usize = 100;

/// What a run is made for. What does not apply is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) kind: RefType,
    pub(crate) reference: String,
    pub(crate) branch: String,
    pub(crate) tag: String,
    pub(crate) pull_request_id: String,
}

/// A run of a definition.
pub(crate) struct PlannedRun {
    pub(crate) name: String,
    /// By their ids.
    pub(crate) tasks: BTreeMap<String, RunConfigTask>,
}

/// What a definition says for a target.
pub(crate) enum Plan {
    /// The runs whose conditions are met.
    Runs(Vec<PlannedRun>),
    /// What is wrong with it, each with the line and the key where that is known.
    Faults(Vec<String>),
}

/// Reads definitions.
pub(crate) struct Definitions {
    evaluator: Evaluator,
}

impl Definitions {
    pub(crate) fn new(settings: &RunDefinitions) -> Definitions {
        let options = EvaluatorOptions {
            program: Some(settings.evaluator.clone()).filter(|path| !path.as_os_str().is_empty()),
            time_max: settings.time_max.max(Duration::from_millis(1)),
            memory_bytes_max: settings.memory_bytes_max,
            concurrency_max: settings.concurrency_max,
        };
        Definitions {
            evaluator: Evaluator::new(options),
        }
    }

    /// What a definition says for a target; `variables` are those that it can name.
    pub(crate) async fn plan(
        &self,
        format: DefinitionFormat,
        content: String,
        target: &Target,
        commit_sha: &str,
        variables: &BTreeMap<String, String>,
    ) -> Result<Plan, Error> {
        let format = match format {
            DefinitionFormat::Yaml => Format::Yaml,
            DefinitionFormat::Json => Format::Json,
            DefinitionFormat::Jsonnet => Format::Jsonnet,
            DefinitionFormat::Starlark => Format::Starlark,
        };
        let context = Context {
            ref_type: target.kind,
            reference: target.reference.clone(),
            branch: target.branch.clone(),
            tag: target.tag.clone(),
            pull_request_id: target.pull_request_id.clone(),
            commit_sha: commit_sha.to_owned(),
        };
        let definition = match self.evaluator.definition(format, content, &context).await {
            Ok(definition) => definition,
            Err(error) => return faults(error).map(Plan::Faults),
        };
        let runs = definition.runs.iter().filter(|run| run.applies(&context));
        let runs = runs.map(|run| PlannedRun {
            name: run.name.clone(),
            tasks: definition.tasks(run, &context, variables),
        });
        Ok(Plan::Runs(runs.collect()))
    }
}

/// What is wrong with a definition, or why that is not known.
fn faults(error: runconfig::Error) -> Result<Vec<String>, Error> {
    match error.kind() {
        runconfig::ErrorKind::Invalid => {
            let faults = error.faults();
            let mut told: Vec<String> = faults
                .iter()
                .take(FAULTS_MAX)
                .map(ToString::to_string)
                .collect();
            if faults.len() > FAULTS_MAX {
                told.push(format!("and {} more", faults.len() - FAULTS_MAX));
            }
            Ok(told)
        }
        runconfig::ErrorKind::Unavailable => {
            Err(Error::new(ErrorKind::Unavailable, error.to_string()))
        }
        runconfig::ErrorKind::Internal => Err(Error::internal(error)),
    }
}
