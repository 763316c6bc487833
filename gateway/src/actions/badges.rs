//! Badges: how the newest run of a project stands.

use runservice::client::GroupRunsQuery;

use super::Gateway;
use super::runs::{escape, project_group_path};
use crate::Error;
use crate::convert::RunState;
use crate::error::behind;

impl Gateway {
    /// The state of the newest run for a branch, or for any if it is empty. Everybody may see it, of private projects too.
    pub(crate) async fn badge(&self, project: &str, branch: &str) -> Result<RunState, Error> {
        let project = self.configstore().project(project).await;
        let project = project.map_err(behind)?.project;
        let mut group = format!("{}/branch", project_group_path(&project.id));
        if !branch.is_empty() {
            group.push('/');
            group.push_str(&escape(branch));
        }
        let query = GroupRunsQuery {
            limit: Some(1),
            ..GroupRunsQuery::default()
        };
        let found = self.runservice().group_runs(&group, &query).await;
        let runs = found.map_err(behind)?.runs;
        Ok(RunState::of(runs.first()))
    }
}
