//! What clients do with runs and their tasks.

use datamanager::Transaction;
use service::api::Time;

use super::{Actions, parse_token};
use crate::api::{
    RunActionType, RunActionsRequest, RunPhase, RunTask, RunTaskActionType, RunTaskActionsRequest,
};
use crate::store::{Reading, RunDocument};
use crate::worker::Duty;
use crate::{Error, error};

impl Actions {
    /// Starts, cancels or stops a run.
    pub(crate) async fn act_on_run(
        &self,
        run_id: &str,
        request: &RunActionsRequest,
    ) -> Result<(), Error> {
        let token = parse_token(&request.change_groups_update_tokens)?;
        let kind = request.action_type;
        let kind = kind.ok_or_else(|| Error::bad_request("the action_type is missing"))?;
        self.database()
            .write_with_token(token.as_ref(), async |transaction| {
                let mut document = active_run(transaction, run_id).await?;
                match kind {
                    RunActionType::ChangePhase => {
                        change_phase(transaction, &mut document, request.phase)?;
                    }
                    RunActionType::Stop => stop(&mut document)?,
                }
                transaction.put(&document)?;
                Ok(())
            })
            .await?;
        self.due(Duty::Run(run_id.to_owned()));
        self.due(Duty::Publish);
        Ok(())
    }

    /// Approves a task, or replaces its annotations.
    pub(crate) async fn act_on_task(
        &self,
        run_id: &str,
        task_id: &str,
        request: &RunTaskActionsRequest,
    ) -> Result<(), Error> {
        let token = parse_token(&request.change_groups_update_tokens)?;
        let kind = request.action_type;
        let kind = kind.ok_or_else(|| Error::bad_request("the action_type is missing"))?;
        self.database()
            .write_with_token(token.as_ref(), async |transaction| {
                let mut document = active_run(transaction, run_id).await?;
                let task = document.run.tasks.get_mut(task_id).ok_or_else(|| {
                    let message = format!("run {run_id:?} has no such task");
                    Error::bad_request(message).with_code("unknown_task")
                })?;
                match kind {
                    RunTaskActionType::SetAnnotations => {
                        task.annotations.clone_from(&request.annotations);
                    }
                    RunTaskActionType::Approve => approve(task)?,
                }
                transaction.put(&document)?;
                Ok(())
            })
            .await?;
        self.due(Duty::Run(run_id.to_owned()));
        Ok(())
    }
}

/// A run that is not archived.
async fn active_run(transaction: &mut Transaction, run_id: &str) -> Result<RunDocument, Error> {
    let document = Reading::get::<RunDocument>(transaction, run_id).await?;
    let document = document.ok_or_else(|| error::no_run(run_id))?;
    match document.run.archived {
        true => Err(wrong_phase(&document, "it is archived")),
        false => Ok(document),
    }
}

fn wrong_phase(document: &RunDocument, why: &str) -> Error {
    let message = format!("this cannot be done with run {:?}: {why}", document.id);
    Error::bad_request(message).with_code("wrong_phase")
}

fn change_phase(
    transaction: &mut Transaction,
    document: &mut RunDocument,
    phase: Option<RunPhase>,
) -> Result<(), Error> {
    let run = &mut document.run;
    let phase = match phase {
        Some(phase @ (RunPhase::Running | RunPhase::Cancelled)) => phase,
        _ => {
            let accepted = "a phase can be changed to running or cancelled alone";
            return Err(Error::bad_request(accepted));
        }
    };
    if run.phase != RunPhase::Queued {
        let why = format!("it is {}, not queued", run.phase);
        return Err(wrong_phase(document, &why));
    }
    run.phase = phase;
    match phase {
        RunPhase::Running => run.start_time = Some(Time::now()),
        _ => run.end_time = Some(Time::now()),
    }
    let result = run.result;
    document.note_event(transaction, phase, result)
}

fn stop(document: &mut RunDocument) -> Result<(), Error> {
    if document.run.phase != RunPhase::Running {
        let why = format!("it is {}, not running", document.run.phase);
        return Err(wrong_phase(document, &why));
    }
    document.run.stop = true;
    for task in document.run.tasks.values_mut() {
        task.waiting_approval = false;
    }
    Ok(())
}

fn approve(task: &mut RunTask) -> Result<(), Error> {
    let refused = |why: &str| {
        let message = format!("task {:?} {why}", task.id);
        Err(Error::bad_request(message).with_code("no_approval"))
    };
    if task.approved {
        return refused("is approved already");
    }
    if !task.waiting_approval {
        return refused("does not wait for approval");
    }
    task.approved = true;
    task.waiting_approval = false;
    Ok(())
}
