//! What executors tell and ask.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use bytes::Bytes;
use futures::{Stream, stream};
use service::{Audit, Context, Json, Opened, Segment};

use super::parts::{Reply, cut_at_stop, done, ok};
use crate::Error;
use crate::actions::ExecutorTasks;
use crate::api::{Executor, ExecutorTask};
use crate::server::State;

/// An executor tells that it lives, and about itself.
#[utoipa::path(post, path = "/api/v1alpha/executor/{executorid}", tag = "executors",
    request_body = Executor, responses((status = 200, description = "It is known.")))]
pub(super) async fn register(
    Opened(state): Opened<State>,
    Segment(id): Segment<1>,
    Json(mut executor): Json<Executor>,
) -> Reply {
    if executor.id.is_empty() {
        executor.id = id;
    }
    state.actions.register_executor(&executor).await?;
    Ok(done())
}

/// Removes an executor. Its tasks fail.
#[utoipa::path(delete, path = "/api/v1alpha/executor/{executorid}", tag = "executors",
    responses((status = 200, description = "It is not there, whether it was or not.")))]
pub(super) async fn remove(
    Opened(state): Opened<State>,
    Segment(id): Segment<1>,
    audit: Audit,
) -> Reply {
    state.actions.delete_executor(&id).await?;
    audit.record("delete", "executor", &id);
    Ok(done())
}

/// All tasks that an executor has to know.
#[utoipa::path(get, path = "/api/v1alpha/executor/{executorid}/tasks", tag = "executors",
    responses((status = 200, description = "The tasks.", body = [ExecutorTask])))]
pub(super) async fn tasks(
    Opened(state): Opened<State>,
    Segment(id): Segment<1>,
    context: Context,
) -> Reply {
    let mut tasks = state.actions.executor_tasks(&id).await?;
    // What keeps the list from beginning is told in the status.
    let first = tasks.next().await?;
    let pieces = Box::pin(pieces(tasks, first));
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .streaming(cut_at_stop(pieces, &context)))
}

/// A list in JSON, task by task: each may be large.
fn pieces(
    tasks: ExecutorTasks,
    first: Option<ExecutorTask>,
) -> impl Stream<Item = Result<Bytes, Error>> {
    /// What comes next.
    enum Next {
        First(Box<Option<ExecutorTask>>),
        Other,
        Nothing,
    }
    stream::try_unfold(
        (tasks, Next::First(Box::new(first))),
        |(mut tasks, next)| async move {
            let (task, before) = match next {
                Next::First(task) => (*task, "["),
                Next::Other => (tasks.next().await?, ","),
                Next::Nothing => return Ok(None),
            };
            let is_first = before == "[";
            let Some(task) = task else {
                let end = if is_first { "[]\n" } else { "]\n" };
                return Ok(Some((
                    Bytes::from_static(end.as_bytes()),
                    (tasks, Next::Nothing),
                )));
            };
            let mut piece = before.as_bytes().to_vec();
            serde_json::to_writer(&mut piece, &task).map_err(Error::internal)?;
            Ok(Some((Bytes::from(piece), (tasks, Next::Other))))
        },
    )
}

/// One task. Where there is none its executor forgets it.
#[utoipa::path(get, path = "/api/v1alpha/executor/{executorid}/tasks/{taskid}", tag = "executors",
    responses((status = 200, description = "The task.", body = ExecutorTask)))]
pub(super) async fn task(Opened(state): Opened<State>, Segment(id): Segment<3>) -> Reply {
    let task = state.actions.executor_task(&id).await?;
    let task = task.ok_or_else(|| Error::not_found("there is no such executor task"))?;
    Ok(ok(&task))
}

/// An executor tells how far it has come with a task.
#[utoipa::path(post, path = "/api/v1alpha/executor/{executorid}/tasks/{taskid}", tag = "executors",
    request_body = ExecutorTask, responses((status = 200, description = "It is known.")))]
pub(super) async fn report(
    Opened(state): Opened<State>,
    Segment(id): Segment<3>,
    Json(mut task): Json<ExecutorTask>,
) -> Reply {
    if task.id.is_empty() {
        task.id = id;
    }
    state.actions.report_task(&task).await?;
    Ok(done())
}
