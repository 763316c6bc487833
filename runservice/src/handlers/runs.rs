//! Runs.

use service::{Audit, Json, Opened, Parameters, Segment};

use super::parts::{Reply, created, done, ok};
use crate::Error;
use crate::actions::{GroupQuery, RunFilter, RunQuery};
use crate::api::{
    GetRunsResponse, RunActionType, RunActionsRequest, RunCreateRequest, RunResponse,
    RunTaskActionType, RunTaskActionsRequest,
};
use crate::server::State;

/// The parameter that names a change group; it may stand several times.
const CHANGE_GROUP: &str = "changegroup";

/// A page of runs by id, falling.
#[utoipa::path(get, path = "/api/v1alpha/runs", tag = "runs", params(
    ("phase" = Option<Vec<String>>, Query, description = "In one of these phases."),
    ("result" = Option<Vec<String>>, Query, description = "With one of these results."),
    ("group" = Option<Vec<String>>, Query, description = "In one of these groups, or below."),
    ("changegroup" = Option<Vec<String>>, Query, description = "Groups that the token is for."),
    ("lastrun" = Option<String>, Query, description = "Of each group the newest alone; only its presence counts."),
    ("asc" = Option<String>, Query, description = "Rising; only its presence counts."),
    ("start" = Option<String>, Query, description = "Begins behind the run with this id."),
    ("limit" = Option<u32>, Query, description = "25 if not given, at most 40."),
), responses((status = 200, description = "The runs.", body = GetRunsResponse)))]
pub(super) async fn list(Opened(state): Opened<State>, parameters: Parameters) -> Reply {
    let query = RunQuery {
        filter: RunFilter {
            phases: parameters.values("phase"),
            results: parameters.values("result"),
            groups: parameters.values("group"),
            counters: None,
        },
        last_run: parameters.flag("lastrun"),
        start: parameters.value("start").to_owned(),
        limit: parameters.number("limit")?,
        ascending: parameters.flag("asc"),
    };
    let groups = parameters.values(CHANGE_GROUP);
    Ok(ok(&state.actions.runs(&query, &groups).await?))
}

/// A page of the runs of a group and of what lies in it.
#[utoipa::path(get, path = "/api/v1alpha/runs/group/{group}", tag = "runs", params(
    ("phase" = Option<Vec<String>>, Query, description = "In one of these phases."),
    ("result" = Option<Vec<String>>, Query, description = "With one of these results."),
    ("changegroup" = Option<Vec<String>>, Query, description = "Groups that the token is for."),
    ("asc" = Option<String>, Query, description = "Rising; only its presence counts."),
    ("start" = Option<u64>, Query, description = "Begins behind the run with this number; 0 for the beginning."),
    ("limit" = Option<u32>, Query, description = "25 if not given, at most 40."),
), responses((status = 200, description = "The runs.", body = GetRunsResponse)))]
pub(super) async fn list_of_group(
    Opened(state): Opened<State>,
    Segment(group): Segment<2>,
    parameters: Parameters,
) -> Reply {
    let query = GroupQuery {
        group,
        phases: parameters.values("phase"),
        results: parameters.values("result"),
        start: parameters.number("start")?.unwrap_or_default(),
        limit: parameters.number("limit")?,
        ascending: parameters.flag("asc"),
    };
    let groups = parameters.values(CHANGE_GROUP);
    Ok(ok(&state.actions.group_runs(&query, &groups).await?))
}

/// A run by its number among those of a group.
#[utoipa::path(get, path = "/api/v1alpha/runs/group/{group}/{runcounter}", tag = "runs", params(
    ("changegroup" = Option<Vec<String>>, Query, description = "Groups that the token is for."),
), responses((status = 200, description = "The run.", body = RunResponse)))]
pub(super) async fn one_of_group(
    Opened(state): Opened<State>,
    Segment(group): Segment<2>,
    Segment(counter): Segment<3>,
    parameters: Parameters,
) -> Reply {
    let counter = counter.parse::<u64>();
    let counter = counter.map_err(|_| Error::bad_request("the run's number is none"))?;
    let groups = parameters.values(CHANGE_GROUP);
    let run = state.actions.run_by_counter(&group, counter, &groups);
    Ok(ok(&run.await?))
}

/// A run by its id.
#[utoipa::path(get, path = "/api/v1alpha/runs/{runid}", tag = "runs", params(
    ("changegroup" = Option<Vec<String>>, Query, description = "Groups that the token is for."),
), responses((status = 200, description = "The run.", body = RunResponse)))]
pub(super) async fn one(
    Opened(state): Opened<State>,
    Segment(id): Segment<1>,
    parameters: Parameters,
) -> Reply {
    let groups = parameters.values(CHANGE_GROUP);
    Ok(ok(&state.actions.run(&id, &groups).await?))
}

/// Creates a run, or restarts one.
#[utoipa::path(post, path = "/api/v1alpha/runs", tag = "runs", request_body = RunCreateRequest,
    responses((status = 201, description = "The run.", body = RunResponse)))]
pub(super) async fn create(
    Opened(state): Opened<State>,
    audit: Audit,
    Json(request): Json<RunCreateRequest>,
) -> Reply {
    let action = match request.run_id.is_empty() {
        true => "create",
        false => "restart",
    };
    let response = state.actions.create_run(request).await?;
    let id = response.run.as_ref().map(|run| run.id.as_str());
    audit.record(action, "run", id.unwrap_or_default());
    Ok(created(&response))
}

/// Starts, cancels or stops a run.
#[utoipa::path(put, path = "/api/v1alpha/runs/{runid}/actions", tag = "runs",
    request_body = RunActionsRequest, responses((status = 200, description = "It is done.")))]
pub(super) async fn act(
    Opened(state): Opened<State>,
    Segment(id): Segment<1>,
    audit: Audit,
    Json(request): Json<RunActionsRequest>,
) -> Reply {
    state.actions.act_on_run(&id, &request).await?;
    let action = match (request.action_type, request.phase) {
        (Some(RunActionType::ChangePhase), Some(phase)) => phase.as_str(),
        _ => "stop",
    };
    audit.record(action, "run", &id);
    Ok(done())
}

/// Approves a task, or replaces its annotations.
#[utoipa::path(put, path = "/api/v1alpha/runs/{runid}/tasks/{taskid}/actions", tag = "runs",
    request_body = RunTaskActionsRequest, responses((status = 200, description = "It is done.")))]
pub(super) async fn act_on_task(
    Opened(state): Opened<State>,
    Segment(run_id): Segment<1>,
    Segment(task_id): Segment<3>,
    audit: Audit,
    Json(request): Json<RunTaskActionsRequest>,
) -> Reply {
    let acting = state.actions.act_on_task(&run_id, &task_id, &request);
    acting.await?;
    let action = match request.action_type {
        Some(RunTaskActionType::Approve) => "approve",
        _ => "annotate",
    };
    audit.record(action, "task", &task_id);
    Ok(done())
}

/// A token for change groups.
#[utoipa::path(get, path = "/api/v1alpha/changegroups", tag = "runs", params(
    ("changegroup" = Option<Vec<String>>, Query, description = "Groups that the token is for."),
), responses((status = 200, description = "The token.", body = String)))]
pub(super) async fn change_groups(Opened(state): Opened<State>, parameters: Parameters) -> Reply {
    let groups = parameters.values(CHANGE_GROUP);
    Ok(ok(&state.actions.token(&groups)?))
}
