//! The routes: each parses, calls one action, and renders.

mod openapi;
mod organizations;
mod parts;
mod project_groups;
mod projects;
mod remote_sources;
mod secrets;
mod users;
mod variables;

pub(crate) use openapi::openapi;

use actix_web::web::{ServiceConfig, delete, get, post, put, resource};

/// Adds all routes below `/api/v1alpha` but those that every server has.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(
            resource("/users")
                .route(get().to(users::list))
                .route(post().to(users::create)),
        )
        .service(
            resource("/users/{userref}")
                .route(get().to(users::one))
                .route(put().to(users::update))
                .route(delete().to(users::remove)),
        )
        .service(resource("/users/{userref}/orgs").route(get().to(users::orgs)))
        .service(
            resource("/users/{userref}/linkedaccounts")
                .route(post().to(users::create_linked_account)),
        )
        .service(
            resource("/users/{userref}/linkedaccounts/{laid}")
                .route(put().to(users::update_linked_account))
                .route(delete().to(users::remove_linked_account)),
        )
        .service(resource("/users/{userref}/tokens").route(post().to(users::create_token)))
        .service(
            resource("/users/{userref}/tokens/{tokenname}").route(delete().to(users::remove_token)),
        )
        .service(
            resource("/orgs")
                .route(get().to(organizations::list))
                .route(post().to(organizations::create)),
        )
        .service(
            resource("/orgs/{orgref}")
                .route(get().to(organizations::one))
                .route(delete().to(organizations::remove)),
        )
        .service(resource("/orgs/{orgref}/members").route(get().to(organizations::members)))
        .service(
            resource("/orgs/{orgref}/members/{userref}")
                .route(put().to(organizations::put_member))
                .route(delete().to(organizations::remove_member)),
        )
        .service(resource("/projectgroups").route(post().to(project_groups::create)))
        .service(
            resource("/projectgroups/{projectgroupref}")
                .route(get().to(project_groups::one))
                .route(put().to(project_groups::update))
                .route(delete().to(project_groups::remove)),
        )
        .service(
            resource("/projectgroups/{projectgroupref}/subgroups")
                .route(get().to(project_groups::subgroups)),
        )
        .service(
            resource("/projectgroups/{projectgroupref}/projects")
                .route(get().to(project_groups::projects)),
        )
        .service(resource("/projects").route(post().to(projects::create)))
        .service(
            resource("/projects/{projectref}")
                .route(get().to(projects::one))
                .route(put().to(projects::update))
                .route(delete().to(projects::remove)),
        )
        .service(
            resource("/projectgroups/{projectgroupref}/secrets")
                .route(get().to(secrets::list_of_group))
                .route(post().to(secrets::create_in_group)),
        )
        .service(
            resource("/projectgroups/{projectgroupref}/secrets/{secretname}")
                .route(put().to(secrets::update_in_group))
                .route(delete().to(secrets::remove_from_group)),
        )
        .service(
            resource("/projects/{projectref}/secrets")
                .route(get().to(secrets::list_of_project))
                .route(post().to(secrets::create_in_project)),
        )
        .service(
            resource("/projects/{projectref}/secrets/{secretname}")
                .route(put().to(secrets::update_in_project))
                .route(delete().to(secrets::remove_from_project)),
        )
        .service(
            resource("/projectgroups/{projectgroupref}/variables")
                .route(get().to(variables::list_of_group))
                .route(post().to(variables::create_in_group)),
        )
        .service(
            resource("/projectgroups/{projectgroupref}/variables/{variablename}")
                .route(put().to(variables::update_in_group))
                .route(delete().to(variables::remove_from_group)),
        )
        .service(
            resource("/projects/{projectref}/variables")
                .route(get().to(variables::list_of_project))
                .route(post().to(variables::create_in_project)),
        )
        .service(
            resource("/projects/{projectref}/variables/{variablename}")
                .route(put().to(variables::update_in_project))
                .route(delete().to(variables::remove_from_project)),
        )
        .service(
            resource("/remotesources")
                .route(get().to(remote_sources::list))
                .route(post().to(remote_sources::create)),
        )
        .service(
            resource("/remotesources/{remotesourceref}")
                .route(get().to(remote_sources::one))
                .route(put().to(remote_sources::update))
                .route(delete().to(remote_sources::remove)),
        );
}
