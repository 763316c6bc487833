//! What is done with runs and their tasks.

use runservice::api::RunCreateRequest;

use super::Gateway;
use super::runs::{FoundRun, RunOwner};
use crate::api::{RunActionType, RunActionsRequest, RunResponse, RunTaskActionsRequest};
use crate::auth::Caller;
use crate::convert;
use crate::error::behind;
use crate::{Error, ErrorKind};

/// The annotation of a task that has the ids of those who have approved it, as a JSON list.
const APPROVERS: &str = "approvers";
/// How often an approval is tried while others approve the same run.
const ATTEMPTS_MAX: usize = 8;

impl Gateway {
    /// Does something with a run, and returns it as it was before, or the new run of a restart.
    pub(crate) async fn act_on_run(
        &self,
        caller: &Caller,
        owner: &RunOwner,
        number: u64,
        request: &RunActionsRequest,
    ) -> Result<RunResponse, Error> {
        let action = request.action_type;
        let action = action.ok_or_else(|| Error::bad_request("action_type is missing"))?;
        let group = self.own_runs(caller, owner).await?;
        let FoundRun { run, config, .. } = self.find_run(&group, number, &[]).await?;
        let runservice = self.runservice_for(caller);
        match action {
            RunActionType::Restart => {
                let request = RunCreateRequest {
                    run_id: run.id,
                    from_start: request.from_start,
                    ..RunCreateRequest::default()
                };
                let created = runservice.create_run(&request).await.map_err(behind)?;
                return match (created.run, created.run_config) {
                    (Some(run), Some(config)) => Ok(convert::run(run, &config)),
                    _ => Err(Error::internal(
                        "the run service has answered without a run",
                    )),
                };
            }
            RunActionType::Cancel => runservice.cancel_run(&run.id, "").await,
            RunActionType::Stop => runservice.stop_run(&run.id, "").await,
        }
        .map_err(behind)?;
        Ok(convert::run(run, &config))
    }

    /// Approves a task in the name of the caller.
    pub(crate) async fn act_on_task(
        &self,
        caller: &Caller,
        owner: &RunOwner,
        number: u64,
        task: &str,
        request: &RunTaskActionsRequest,
    ) -> Result<(), Error> {
        if request.action_type.is_none() {
            return Err(Error::bad_request("action_type is missing"));
        }
        let group = self.own_runs(caller, owner).await?;
        let user = &caller.calling_user()?.id;
        let mut attempt = 1;
        loop {
            match self.approve(caller, &group, number, task, user).await {
                Err(error) if error.kind() == ErrorKind::Conflict && attempt < ATTEMPTS_MAX => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn approve(
        &self,
        caller: &Caller,
        group: &str,
        number: u64,
        task_id: &str,
        user: &str,
    ) -> Result<(), Error> {
        // The name of the change group is the run's number among those of its group, which no other run has.
        let change_group = format!("{group}/{number}");
        let found = self.find_run(group, number, &[&change_group]).await?;
        let Some(task) = found.run.tasks.get(task_id) else {
            let message = format!("the run has no task {task_id:?}");
            return Err(Error::bad_request(message));
        };
        let mut annotations = task.annotations.clone();
        let mut approvers: Vec<String> = match annotations.get(APPROVERS) {
            Some(text) => serde_json::from_str(text).map_err(Error::internal)?,
            None => Vec::new(),
        };
        if approvers.iter().any(|approver| approver == user) {
            return Err(Error::bad_request("you have approved the task already"));
        }
        approvers.push(user.to_owned());
        let approvers = serde_json::to_string(&approvers).map_err(Error::internal)?;
        annotations.insert(APPROVERS.to_owned(), approvers);
        let runservice = self.runservice_for(caller);
        let changed =
            runservice.set_task_annotations(&found.run.id, task_id, annotations, &found.token);
        changed.await.map_err(behind)
    }
}
