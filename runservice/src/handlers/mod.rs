//! The routes: each parses, calls one action, and renders.

mod caches;
mod events;
mod executors;
mod logs;
mod openapi;
mod parts;
mod runs;

pub(crate) use openapi::openapi;

use actix_web::web::{ServiceConfig, delete, get, head, post, put, resource};

/// Adds all routes below `/api/v1alpha` but those that every server has.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/runs")
                .route(get().to(runs::list))
                .route(post().to(runs::create)),
        )
        .service(resource("/runs/events").route(get().to(events::follow)))
        .service(resource("/runs/group/{group}").route(get().to(runs::list_of_group)))
        .service(resource("/runs/group/{group}/{runcounter}").route(get().to(runs::one_of_group)))
        .service(resource("/runs/{runid}").route(get().to(runs::one)))
        .service(resource("/runs/{runid}/actions").route(put().to(runs::act)))
        .service(
            resource("/runs/{runid}/tasks/{taskid}/actions").route(put().to(runs::act_on_task)),
        )
        .service(resource("/changegroups").route(get().to(runs::change_groups)))
        .service(
            resource("/logs")
                .route(get().to(logs::read))
                .route(delete().to(logs::remove)),
        )
        .service(resource("/executor/archives").route(get().to(logs::archive)))
        .service(
            resource("/executor/caches/{key}")
                .route(head().to(caches::look))
                .route(get().to(caches::read))
                .route(post().to(caches::write)),
        )
        .service(
            resource("/executor/{executorid}")
                .route(post().to(executors::register))
                .route(delete().to(executors::remove)),
        )
        .service(resource("/executor/{executorid}/tasks").route(get().to(executors::tasks)))
        .service(
            resource("/executor/{executorid}/tasks/{taskid}")
                .route(get().to(executors::task))
                .route(post().to(executors::report)),
        );
}
