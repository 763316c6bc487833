//! From run definitions to what the run service is asked for.

use std::collections::BTreeMap;

use configstore::evaluation::RefType;
use runservice::api::RunConfigTask;

use crate::Error;
use crate::api::DefinitionFormat;
use crate::error::needs_git;

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
pub(crate) struct Definitions {}

impl Definitions {
    pub(crate) fn new() -> Definitions {
        Definitions {}
    }

    pub(crate) async fn plan(
        &self,
        _format: DefinitionFormat,
        _content: String,
        _target: &Target,
        _commit_sha: &str,
        _variables: &BTreeMap<String, String>,
    ) -> Result<Plan, Error> {
        Err(needs_git("a run"))
    }
}
