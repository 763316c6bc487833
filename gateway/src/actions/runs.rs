//! Runs: finding them, and what is shown of them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use runservice::api::{Run, RunConfig};
use runservice::client::GroupRunsQuery;

use super::Gateway;
use super::permissions::Owner;
use crate::Error;
use crate::api::{RunPhase, RunResponse, RunResult, RunSummaryResponse, RunTaskResponse};
use crate::auth::Caller;
use crate::convert;
use crate::error::{behind, forbidden};

/// All that is escaped in a segment of the path of a group.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');
/// Runs of a page, at most.
const RUNS_MAX: u64 = 40;

/// What has runs, by id, name or path.
#[derive(Clone, Debug)]
pub(crate) enum RunOwner {
    Project(String),
    User(String),
}

/// Which runs of an owner are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunsFilter {
    pub(crate) phases: Vec<RunPhase>,
    pub(crate) results: Vec<RunResult>,
    /// Only below this part of the owner's group, as `branch/main`.
    pub(crate) subgroup: String,
    /// Begins behind the run with this number.
    pub(crate) start: Option<u64>,
    pub(crate) limit: Option<u64>,
    pub(crate) ascending: bool,
}

/// A name as one segment of the path of a group.
pub(crate) fn escape(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

pub(super) fn project_group_path(id: &str) -> String {
    format!("/project/{id}")
}

pub(super) fn user_group_path(id: &str) -> String {
    format!("/user/{id}")
}

/// A run and what it is made of.
pub(super) struct FoundRun {
    pub(super) run: Run,
    pub(super) config: RunConfig,
    /// For changes that are to fail if others have made one.
    pub(super) token: String,
}

impl Gateway {
    /// The group of an owner whose runs the caller may see.
    pub(super) async fn readable_runs(
        &self,
        caller: Option<&Caller>,
        owner: &RunOwner,
    ) -> Result<String, Error> {
        match owner {
            RunOwner::Project(reference) => {
                let project = self.readable_project(caller, reference).await?;
                Ok(project_group_path(&project.project.id))
            }
            RunOwner::User(reference) => self.runs_of_user(caller, reference).await,
        }
    }

    /// The group of an owner whose runs the caller may change.
    pub(super) async fn own_runs(
        &self,
        caller: &Caller,
        owner: &RunOwner,
    ) -> Result<String, Error> {
        match owner {
            RunOwner::Project(reference) => {
                let project = self.configstore().project(reference).await;
                let project = project.map_err(behind)?;
                self.check_owner(caller, Owner::of(&project.place)).await?;
                Ok(project_group_path(&project.project.id))
            }
            RunOwner::User(reference) => self.runs_of_user(Some(caller), reference).await,
        }
    }

    async fn runs_of_user(
        &self,
        caller: Option<&Caller>,
        reference: &str,
    ) -> Result<String, Error> {
        let user = self.configstore().user(reference).await.map_err(behind)?;
        let is_allowed = caller.is_some_and(|caller| caller.is_admin() || caller.is_user(&user.id));
        match is_allowed {
            true => Ok(user_group_path(&user.id)),
            false => Err(forbidden("only the user may see these runs")),
        }
    }

    pub(super) async fn find_run(
        &self,
        group: &str,
        number: u64,
        change_groups: &[&str],
    ) -> Result<FoundRun, Error> {
        let found = self.runservice().group_run(group, number, change_groups);
        let found = found.await.map_err(behind)?;
        match (found.run, found.run_config) {
            (Some(run), Some(config)) => Ok(FoundRun {
                run,
                config,
                token: found.change_groups_update_tokens,
            }),
            _ => Err(Error::internal(
                "the run service has answered without a run",
            )),
        }
    }

    pub(crate) async fn runs(
        &self,
        caller: &Caller,
        owner: &RunOwner,
        filter: &RunsFilter,
    ) -> Result<Vec<RunSummaryResponse>, Error> {
        let subgroup = subgroup(&filter.subgroup)?;
        let group = self.readable_runs(Some(caller), owner).await?;
        let limit = filter.limit.filter(|limit| *limit > 0);
        let limit = limit.and_then(|limit| u32::try_from(limit.min(RUNS_MAX)).ok());
        let query = GroupRunsQuery {
            phases: filter.phases.iter().map(|phase| (*phase).into()).collect(),
            results: filter
                .results
                .iter()
                .map(|result| (*result).into())
                .collect(),
            ascending: filter.ascending,
            start: filter.start,
            limit,
            change_groups: Vec::new(),
        };
        let group = format!("{group}{subgroup}");
        let found = self.runservice().group_runs(&group, &query).await;
        let runs = found.map_err(behind)?.runs.into_iter();
        Ok(runs.map(convert::run_summary).collect())
    }

    pub(crate) async fn run(
        &self,
        caller: Option<&Caller>,
        owner: &RunOwner,
        number: u64,
    ) -> Result<RunResponse, Error> {
        let group = self.readable_runs(caller, owner).await?;
        let found = self.find_run(&group, number, &[]).await?;
        Ok(convert::run(found.run, &found.config))
    }

    pub(crate) async fn run_task(
        &self,
        caller: Option<&Caller>,
        owner: &RunOwner,
        number: u64,
        task: &str,
    ) -> Result<RunTaskResponse, Error> {
        let group = self.readable_runs(caller, owner).await?;
        let mut found = self.find_run(&group, number, &[]).await?;
        let config = found.config.tasks.get(task);
        match (found.run.tasks.remove(task), config) {
            (Some(task), Some(config)) => Ok(convert::run_task(task, config)),
            _ => Err(Error::not_found(format!("the run has no task {task:?}"))),
        }
    }
}

/// The part of a group's path that a filter stands for, with a slash before it. Nothing in it leads out of the group.
fn subgroup(text: &str) -> Result<String, Error> {
    let mut path = String::new();
    for element in text.split('/').filter(|element| !element.is_empty()) {
        if element == "." || element == ".." {
            let message = "the parameter subgroup is a path below the group, as branch/main";
            return Err(Error::bad_request(message));
        }
        path.push('/');
        path.push_str(element);
    }
    match text.starts_with('/') {
        true => Err(Error::bad_request(
            "the parameter subgroup is no absolute path",
        )),
        false => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_segments_of_groups() {
        for (name, escaped) in [
            ("master", "master"),
            ("feature/a", "feature%2Fa"),
            ("a b%c", "a%20b%25c"),
            ("-_.~$&+=:@", "-_.~$&+=:@"),
            ("ü,;!*'()", "%C3%BC%2C%3B%21%2A%27%28%29"),
        ] {
            assert_eq!(escape(name), escaped);
        }
    }

    #[test]
    fn a_subgroup_does_not_lead_out_of_its_group() {
        assert_eq!(subgroup("").unwrap(), "");
        assert_eq!(
            subgroup("branch/feature%2Fa").unwrap(),
            "/branch/feature%2Fa"
        );
        assert_eq!(subgroup("pr//12/").unwrap(), "/pr/12");
        for text in ["..", "../p2", "branch/../../p2", "./x", "/", "/project/p2"] {
            assert!(subgroup(text).is_err(), "{text}");
        }
    }
}
