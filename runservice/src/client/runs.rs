//! Runs: asking for them, making them, acting on them.

use std::collections::BTreeMap;

use service::Error;
use service::client::Path;

use super::{Client, GroupRunsQuery, RunsQuery, with_change_groups};
use crate::api::{
    GetRunsResponse, RunActionType, RunActionsRequest, RunCreateRequest, RunPhase, RunResponse,
    RunTaskActionType, RunTaskActionsRequest,
};

impl Client {
    /// Runs of all groups.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn runs(&self, query: &RunsQuery) -> Result<GetRunsResponse, Error> {
        self.base.get(&query.apply(Path::of(["runs"]))).await
    }

    /// Runs of one group, and of those below it.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn group_runs(
        &self,
        group: &str,
        query: &GroupRunsQuery,
    ) -> Result<GetRunsResponse, Error> {
        let path = query.apply(Path::of(["runs", "group", group]));
        self.base.get(&path).await
    }

    /// The run of a group that has this number, with a token for the change groups.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn group_run(
        &self,
        group: &str,
        counter: u64,
        change_groups: &[&str],
    ) -> Result<RunResponse, Error> {
        let path = Path::of(["runs", "group", group, &counter.to_string()]);
        self.base
            .get(&with_change_groups(path, change_groups))
            .await
    }

    /// A run, with a token for the change groups.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn run(&self, id: &str, change_groups: &[&str]) -> Result<RunResponse, Error> {
        let path = with_change_groups(Path::of(["runs", id]), change_groups);
        self.base.get(&path).await
    }

    /// Makes a new run, or restarts one.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn create_run(&self, request: &RunCreateRequest) -> Result<RunResponse, Error> {
        self.base.post(&Path::of(["runs"]), request).await
    }

    /// Changes a run.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn run_action(&self, id: &str, request: &RunActionsRequest) -> Result<(), Error> {
        self.base
            .put(&Path::of(["runs", id, "actions"]), request)
            .await
    }

    /// Starts a queued run. An empty token is none.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn start_run(&self, id: &str, token: &str) -> Result<(), Error> {
        self.change_phase(id, RunPhase::Running, token).await
    }

    /// Cancels a queued run. An empty token is none.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn cancel_run(&self, id: &str, token: &str) -> Result<(), Error> {
        self.change_phase(id, RunPhase::Cancelled, token).await
    }

    async fn change_phase(&self, id: &str, phase: RunPhase, token: &str) -> Result<(), Error> {
        let request = RunActionsRequest {
            action_type: Some(RunActionType::ChangePhase),
            phase: Some(phase),
            change_groups_update_tokens: token.to_owned(),
        };
        self.run_action(id, &request).await
    }

    /// Has a running run end. An empty token is none.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn stop_run(&self, id: &str, token: &str) -> Result<(), Error> {
        let request = RunActionsRequest {
            action_type: Some(RunActionType::Stop),
            phase: None,
            change_groups_update_tokens: token.to_owned(),
        };
        self.run_action(id, &request).await
    }

    /// Changes a task of a run.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn task_action(
        &self,
        run: &str,
        task: &str,
        request: &RunTaskActionsRequest,
    ) -> Result<(), Error> {
        let path = Path::of(["runs", run, "tasks", task, "actions"]);
        self.base.put(&path, request).await
    }

    /// Approves a task that waits for it. An empty token is none.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn approve_task(&self, run: &str, task: &str, token: &str) -> Result<(), Error> {
        let request = RunTaskActionsRequest {
            action_type: Some(RunTaskActionType::Approve),
            annotations: BTreeMap::new(),
            change_groups_update_tokens: token.to_owned(),
        };
        self.task_action(run, task, &request).await
    }

    /// Replaces the annotations of a task. An empty token is none.
    ///
    /// # Errors
    /// See [`Client`].
    pub async fn set_task_annotations(
        &self,
        run: &str,
        task: &str,
        annotations: BTreeMap<String, String>,
        token: &str,
    ) -> Result<(), Error> {
        let request = RunTaskActionsRequest {
            action_type: Some(RunTaskActionType::SetAnnotations),
            annotations,
            change_groups_update_tokens: token.to_owned(),
        };
        self.task_action(run, task, &request).await
    }
}
