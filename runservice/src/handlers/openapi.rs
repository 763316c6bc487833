//! The description of the routes.

use utoipa::OpenApi;

use super::{caches, events, executors, logs, runs};

/// The description of all routes of this service but those that every server has.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    service::openapi::complete(Routes::openapi(), |parameter| match parameter {
        "group" => "The path of a group, with its slashes escaped.",
        "runcounter" => "The number of a run among those of its root group.",
        "key" => "A key of at most 200 characters.",
        _ => "An id.",
    })
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "runservice",
        description = "Runs, their tasks and logs, caches, and the executors."
    ),
    components(schemas(service::api::ErrorBody)),
    paths(
        runs::list,
        runs::create,
        runs::list_of_group,
        runs::one_of_group,
        runs::one,
        runs::act,
        runs::act_on_task,
        runs::change_groups,
        events::follow,
        logs::read,
        logs::remove,
        logs::archive,
        caches::look,
        caches::read,
        caches::write,
        executors::register,
        executors::remove,
        executors::tasks,
        executors::task,
        executors::report,
    )
)]
struct Routes;
