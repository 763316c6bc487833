//! Single runs.

use datamanager::{Query, Snapshot};

use super::Actions;
use crate::api::{Group, RunResponse};
use crate::store::{Reading, RunDocument};
use crate::{Error, error};

impl Actions {
    /// A run by its id, with a token for change groups.
    pub(crate) async fn run(
        &self,
        run_id: &str,
        change_groups: &[String],
    ) -> Result<RunResponse, Error> {
        let token = self.token(change_groups)?;
        let mut snapshot = self.snapshot();
        let document = Reading::get::<RunDocument>(&mut snapshot, run_id).await?;
        let document = document.ok_or_else(|| error::no_run(run_id))?;
        self.response(&mut snapshot, document, token).await
    }

    /// A run by its number among those of a group.
    pub(crate) async fn run_by_counter(
        &self,
        group: &str,
        counter: u64,
        change_groups: &[String],
    ) -> Result<RunResponse, Error> {
        let token = self.token(change_groups)?;
        let mut snapshot = self.snapshot();
        let none = || error::no_run(&format!("{group} {counter}"));
        let path: Group = group.parse().map_err(|_| none())?;
        let query = Query::by("root_counter").equal((path.root_name(), counter));
        let found = snapshot.list::<RunDocument>(&query).await?;
        // Numbers are given out once; what was imported may have them twice.
        let found = found
            .into_iter()
            .rfind(|document| document.is_within(group));
        self.response(&mut snapshot, found.ok_or_else(none)?, token)
            .await
    }

    async fn response(
        &self,
        snapshot: &mut Snapshot,
        document: RunDocument,
        token: String,
    ) -> Result<RunResponse, Error> {
        let config = self.run_config(snapshot, &document.id).await?;
        Ok(RunResponse {
            run: Some(document.run),
            run_config: Some((*config).clone()),
            change_groups_update_tokens: token,
        })
    }
}
