//! Runs and their tasks.

use service::Opened;

use super::parts::{
    Forced, Optional, Parameters, Reply, RunNumber, RunsOf, Segment, Sent, done, ok,
};
use crate::Error;
use crate::actions::{Gateway, RunsFilter};
use crate::api::{
    RunActionsRequest, RunResponse, RunSummaryResponse, RunTaskActionsRequest, RunTaskResponse,
};

/// The runs of a project, or of a user.
#[utoipa::path(get, path = "/api/v1alpha/projects/{projectref}/runs", tag = "runs", params(
    ("phase" = Option<String>, Query, description = "Only in this phase; may be given several times."),
    ("result" = Option<String>, Query, description = "Only with this result; may be given several times."),
    ("subgroup" = Option<String>, Query, description = "Only of this part, as `branch/main`, `tag/v1` or `pr/12`, with escaped names."),
    ("start" = Option<u64>, Query, description = "Begins behind the run with this number."),
    ("limit" = Option<u64>, Query, description = "At most so many, and not more than 40. Default 25."),
    ("asc" = Option<String>, Query, description = "Oldest first; only its presence counts."),
), responses((status = 200, description = "The answer.", body = [RunSummaryResponse])))]
pub(super) async fn list(
    Opened(gateway): Opened<Gateway>,
    who: Forced,
    RunsOf(owner): RunsOf,
    parameters: Parameters,
) -> Reply {
    let filter = filter(&parameters)?;
    let answer = gateway.runs(&who.caller, &owner, &filter).await?;
    Ok(ok(&answer))
}

/// A run.
#[utoipa::path(get, path = "/api/v1alpha/projects/{projectref}/runs/{runnumber}", tag = "runs", responses((status = 200, description = "The answer.", body = RunResponse)))]
pub(super) async fn one(
    Opened(gateway): Opened<Gateway>,
    Optional(caller): Optional,
    RunsOf(owner): RunsOf,
    RunNumber(number): RunNumber,
) -> Reply {
    let answer = gateway.run(caller.as_ref(), &owner, number).await?;
    Ok(ok(&answer))
}

/// Restarts, cancels or stops a run. Answers the new run, or the run as it was before.
#[utoipa::path(put, path = "/api/v1alpha/projects/{projectref}/runs/{runnumber}/actions", tag = "runs", request_body = RunActionsRequest, responses((status = 200, description = "The answer.", body = RunResponse)))]
pub(super) async fn act(
    Opened(gateway): Opened<Gateway>,
    RunsOf(owner): RunsOf,
    RunNumber(number): RunNumber,
    Sent { who, body }: Sent<RunActionsRequest>,
) -> Reply {
    let answer = gateway
        .act_on_run(&who.caller, &owner, number, &body)
        .await?;
    let action = body.action_type.map(|action| action.as_str());
    who.record(
        action.unwrap_or_default(),
        "run",
        &format!("{owner:?} {number}"),
    );
    Ok(ok(&answer))
}

/// A task of a run.
#[utoipa::path(get, path = "/api/v1alpha/projects/{projectref}/runs/{runnumber}/tasks/{taskid}", tag = "runs", responses((status = 200, description = "The answer.", body = RunTaskResponse)))]
pub(super) async fn task(
    Opened(gateway): Opened<Gateway>,
    Optional(caller): Optional,
    RunsOf(owner): RunsOf,
    RunNumber(number): RunNumber,
    Segment(task): Segment<5>,
) -> Reply {
    let answer = gateway
        .run_task(caller.as_ref(), &owner, number, &task)
        .await?;
    Ok(ok(&answer))
}

/// Approves a task.
#[utoipa::path(put, path = "/api/v1alpha/projects/{projectref}/runs/{runnumber}/tasks/{taskid}/actions", tag = "runs", request_body = RunTaskActionsRequest, responses((status = 200, description = "It is done.")))]
pub(super) async fn act_on_task(
    Opened(gateway): Opened<Gateway>,
    RunsOf(owner): RunsOf,
    RunNumber(number): RunNumber,
    Segment(task): Segment<5>,
    Sent { who, body }: Sent<RunTaskActionsRequest>,
) -> Reply {
    gateway
        .act_on_task(&who.caller, &owner, number, &task, &body)
        .await?;
    who.record("approve", "task", &task);
    Ok(done())
}

fn filter(parameters: &Parameters) -> Result<RunsFilter, Error> {
    fn names<T: std::str::FromStr<Err = service::api::UnknownName>>(
        parameters: &Parameters,
        name: &str,
    ) -> Result<Vec<T>, Error> {
        let values = parameters.values(name);
        let values = values.iter().filter(|value| !value.is_empty());
        let parsed = values.map(|value| {
            value.parse().map_err(|cause: T::Err| {
                Error::bad_request(format!("the parameter {name}: {cause}"))
            })
        });
        parsed.collect()
    }
    Ok(RunsFilter {
        phases: names(parameters, "phase")?,
        results: names(parameters, "result")?,
        subgroup: parameters.value("subgroup").to_owned(),
        start: parameters.number("start")?,
        limit: parameters.number("limit")?,
        ascending: parameters.flag("asc"),
    })
}
