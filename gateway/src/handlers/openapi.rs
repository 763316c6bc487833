//! The description of the routes.

use utoipa::OpenApi;
use utoipa::openapi::Paths;

use super::{
    about, admin, auth, badges, logs, organizations, project_groups, projects, remote_sources,
    runs, users, values,
};

/// Routes that are described for projects, and that others have too: what their paths begin with there, and what of the
/// projects' lies below it.
const SHARED: [(&str, &[&str]); 2] = [
    ("/users/{userref}", &["/runs"]),
    (
        "/projectgroups/{projectgroupref}",
        &["/secrets", "/variables"],
    ),
];

/// What every route may answer, beside what those of all servers may.
const FAILURES: [(&str, &str); 3] = [
    ("403", "The caller may not do this."),
    (
        "429",
        "Too many tokens that are none came from the same address.",
    ),
    ("501", "This needs a git provider."),
];

/// The description of all routes.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Routes::openapi();
    for (owner, below) in SHARED {
        share(&mut document.paths, owner, below);
    }
    let document = service::openapi::with_failures(document, &FAILURES);
    service::openapi::complete(document, |parameter| match parameter {
        "projectref" | "projectgroupref" => "An id, or a path whose slashes are escaped.",
        "userref" | "orgref" | "remotesourceref" => "An id or a name.",
        "runnumber" => "The number of a run among those of its owner.",
        "laid" | "taskid" => "An id.",
        "servicename" => "`configstore` or `runservice`.",
        _ => "A name.",
    })
}

/// Adds the routes of projects that lie below one of these paths for another owner.
fn share(paths: &mut Paths, owner: &str, below: &[&str]) {
    const PROJECT: &str = "/api/v1alpha/projects/{projectref}";
    let shared = paths.paths.iter().filter_map(|(path, item)| {
        let rest = path.strip_prefix(PROJECT)?;
        let is_shared = below.iter().any(|below| rest.starts_with(below));
        is_shared.then(|| (format!("/api/v1alpha{owner}{rest}"), item.clone()))
    });
    let shared: Vec<_> = shared.collect();
    paths.paths.extend(shared);
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "gateway",
        description = "The API in front of the services: authentication, permissions, and one answer of what they say."
    ),
    components(schemas(service::api::ErrorBody)),
    paths(
        about::version,
        about::openapi,
        about::metrics,
        badges::one,
        project_groups::one,
        project_groups::subgroups,
        project_groups::projects,
        project_groups::create,
        project_groups::update,
        project_groups::remove,
        projects::one,
        projects::create,
        projects::update,
        projects::remove,
        projects::reconfigure,
        projects::update_linked_account,
        projects::create_run,
        values::secrets,
        values::create_secret,
        values::update_secret,
        values::remove_secret,
        values::variables,
        values::create_variable,
        values::update_variable,
        values::remove_variable,
        runs::list,
        runs::one,
        runs::act,
        runs::task,
        runs::act_on_task,
        logs::read,
        logs::remove,
        logs::events,
        users::current,
        users::one,
        users::list,
        users::create,
        users::remove,
        users::orgs,
        users::create_run,
        users::remote_repositories,
        users::create_linked_account,
        users::remove_linked_account,
        users::create_token,
        users::remove_token,
        organizations::one,
        organizations::list,
        organizations::create,
        organizations::remove,
        organizations::members,
        organizations::put_member,
        organizations::remove_member,
        remote_sources::one,
        remote_sources::list,
        remote_sources::create,
        remote_sources::update,
        remote_sources::remove,
        auth::login,
        auth::authorize,
        auth::register,
        admin::stores,
        admin::maintenance,
        admin::enable_maintenance,
        admin::disable_maintenance,
        admin::export,
        admin::import,
    )
)]
struct Routes;
