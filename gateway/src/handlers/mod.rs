//! The routes: each parses, calls one action, and renders.

mod about;
mod admin;
mod auth;
mod badges;
mod logs;
mod openapi;
mod organizations;
mod page;
mod parts;
mod project_groups;
mod projects;
mod remote_sources;
mod runs;
mod users;
mod values;

pub(crate) use openapi::openapi;

use actix_web::web::{ServiceConfig, delete, get, post, put, resource};

/// Those beside the API.
pub(crate) fn other_routes(config: &mut ServiceConfig) {
    page::routes(config);
    config
        .service(resource("/metrics").route(get().to(about::metrics)))
        .service(resource("/webhooks").route(post().to(about::needs_git)))
        .service(
            resource("/repos/{rest:.*}")
                .route(get().to(about::needs_git))
                .route(post().to(about::needs_git)),
        );
}

/// Those below `/api/v1alpha`.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/version").route(get().to(about::version)))
        .service(resource("/openapi.json").route(get().to(about::openapi)))
        .service(resource("/badges/{projectref}").route(get().to(badges::one)));
    groups_and_projects(config);
    values(config, "/projects/{projectref}");
    values(config, "/projectgroups/{projectgroupref}");
    runs(config, "/projects/{projectref}");
    runs(config, "/users/{userref}");
    people(config);
    remote_sources(config);
    operators(config);
}

fn groups_and_projects(config: &mut ServiceConfig) {
    config
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
        .service(resource("/projects/{projectref}/reconfig").route(put().to(projects::reconfigure)))
        .service(
            resource("/projects/{projectref}/updaterepolinkedaccount")
                .route(put().to(projects::update_linked_account)),
        )
        .service(
            resource("/projects/{projectref}/createrun").route(post().to(projects::create_run)),
        );
}

fn values(config: &mut ServiceConfig, owner: &str) {
    config
        .service(
            resource(format!("{owner}/secrets"))
                .route(get().to(values::secrets))
                .route(post().to(values::create_secret)),
        )
        .service(
            resource(format!("{owner}/secrets/{{secretname}}"))
                .route(put().to(values::update_secret))
                .route(delete().to(values::remove_secret)),
        )
        .service(
            resource(format!("{owner}/variables"))
                .route(get().to(values::variables))
                .route(post().to(values::create_variable)),
        )
        .service(
            resource(format!("{owner}/variables/{{variablename}}"))
                .route(put().to(values::update_variable))
                .route(delete().to(values::remove_variable)),
        );
}

fn runs(config: &mut ServiceConfig, owner: &str) {
    let runs = format!("{owner}/runs");
    config
        .service(resource(runs.clone()).route(get().to(runs::list)))
        .service(resource(format!("{runs}/events")).route(get().to(logs::events)))
        .service(resource(format!("{runs}/{{runnumber}}")).route(get().to(runs::one)))
        .service(resource(format!("{runs}/{{runnumber}}/actions")).route(put().to(runs::act)))
        .service(
            resource(format!("{runs}/{{runnumber}}/tasks/{{taskid}}")).route(get().to(runs::task)),
        )
        .service(
            resource(format!("{runs}/{{runnumber}}/tasks/{{taskid}}/actions"))
                .route(put().to(runs::act_on_task)),
        )
        .service(
            resource(format!("{runs}/{{runnumber}}/tasks/{{taskid}}/logs"))
                .route(get().to(logs::read))
                .route(delete().to(logs::remove)),
        );
}

fn people(config: &mut ServiceConfig) {
    config
        .service(resource("/user").route(get().to(users::current)))
        .service(resource("/user/orgs").route(get().to(users::orgs)))
        .service(resource("/user/createrun").route(post().to(users::create_run)))
        .service(
            resource("/user/remoterepos/{remotesourceref}")
                .route(get().to(users::remote_repositories)),
        )
        .service(
            resource("/users")
                .route(get().to(users::list))
                .route(post().to(users::create)),
        )
        .service(
            resource("/users/{userref}")
                .route(get().to(users::one))
                .route(delete().to(users::remove)),
        )
        .service(
            resource("/users/{userref}/linkedaccounts")
                .route(post().to(users::create_linked_account)),
        )
        .service(
            resource("/users/{userref}/linkedaccounts/{laid}")
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
        );
}

fn remote_sources(config: &mut ServiceConfig) {
    config
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
        )
        .service(resource("/auth/login").route(post().to(auth::login)))
        .service(resource("/auth/authorize").route(post().to(auth::authorize)))
        .service(resource("/auth/register").route(post().to(auth::register)))
        .service(resource("/auth/oauth2/callback").route(get().to(about::needs_git)));
}

fn operators(config: &mut ServiceConfig) {
    config
        .service(resource("/admin/stores").route(get().to(admin::stores)))
        .service(
            resource("/maintenance/{servicename}")
                .route(get().to(admin::maintenance))
                .route(put().to(admin::enable_maintenance))
                .route(delete().to(admin::disable_maintenance)),
        )
        .service(resource("/export/{servicename}").route(get().to(admin::export)))
        .service(resource("/import/{servicename}").route(post().to(admin::import)));
}
