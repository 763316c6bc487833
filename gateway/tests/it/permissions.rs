//! Who may do what: each role against each route.
//!
//! Field case AP-16: private organizations could be read by others. Here nobody but members sees what is private, and all that
//! it holds; agola v0.7 showed groups, secrets and variables to everybody who had a token.

use gateway_client::api::{DefinitionFormat, MemberRole, UserCreateRunRequest, Visibility};
use gateway_client::{RunsOf, ValuesOf};
use reqwest::Method;
use serde_json::{Value, json};

use crate::host::{
    ADMIN_TOKEN, Fill, World, definition, one_run, run_request, secret_request, variable_request,
};

const ROLES: [&str; 6] = [
    "anonymous",
    "wrong token",
    "stranger",
    "member",
    "owner",
    "admin",
];

/// What is there before each request.
async fn fill(world: &World) {
    let admin = world.admin();
    // What is there already is refused, and so is what was changed in the meantime.
    for (org, visibility) in [
        ("private", Visibility::Private),
        ("public", Visibility::Public),
        ("gone", Visibility::Private),
    ] {
        let request = gateway_client::api::CreateOrgRequest {
            name: org.to_owned(),
            visibility: Some(visibility),
        };
        let _ = admin.create_org(&request).await;
        for (user, role) in [("owner", MemberRole::Owner), ("member", MemberRole::Member)] {
            admin.add_member(org, user, role).await;
        }
    }
    admin
        .add_member("private", "passing", MemberRole::Member)
        .await;
    let groups = [("org/private", "group01"), ("org/private/group01", "gone")];
    for (parent, name) in groups {
        let request = crate::host::group_request(parent, name, Visibility::Private);
        let _ = admin.create_project_group(&request).await;
    }
    for (parent, name, visibility) in [
        ("org/private/group01", "project01", Visibility::Private),
        ("org/private/group01", "gone01", Visibility::Private),
        ("org/public", "project02", Visibility::Public),
    ] {
        let request = crate::host::project_request(parent, name, visibility);
        let _ = admin.create_project(&request).await;
    }
    for of in [
        ValuesOf::Project("org/private/group01/project01"),
        ValuesOf::ProjectGroup("org/private/group01"),
    ] {
        for name in ["s1", "gone"] {
            let _ = admin
                .create_secret(of, &secret_request(name, "k", "v"))
                .await;
            let _ = admin
                .create_variable(of, &variable_request(name, "s1", "k"))
                .await;
        }
    }
    let request = gateway_client::api::CreateUserRequest {
        username: "gone".to_owned(),
    };
    let _ = admin.create_user(&request).await;
    let request = gateway_client::api::CreateUserTokenRequest {
        token_name: "gone".to_owned(),
    };
    let _ = admin.create_token("owner", &request).await;
    for name in ["rs01", "gone"] {
        let request = gateway_client::api::CreateRemoteSourceRequest {
            name: name.to_owned(),
            apiurl: "https://git.example.com".to_owned(),
            kind: "gitea".to_owned(),
            auth_type: "password".to_owned(),
            ..Default::default()
        };
        let _ = admin.create_remote_source(&request).await;
    }
}

/// A route, what is sent to it, and the statuses for each of [`ROLES`].
struct Row {
    method: Method,
    path: &'static str,
    body: Value,
    statuses: [u16; 6],
}

fn row(method: &str, path: &'static str, body: Value, statuses: [u16; 6]) -> Row {
    Row {
        method: method.parse().unwrap(),
        path,
        body,
        statuses,
    }
}

/// For everybody who is no member it is refused.
const MEMBERS: [u16; 6] = [401, 401, 403, 200, 200, 200];

fn rows() -> Vec<Row> {
    let none = Value::Null;
    let project =
        json!({"name": "NEW", "visibility": "private", "parent_ref": "org/private/group01"});
    let group = json!({"name": "NEW", "visibility": "private", "parent_ref": "org/private"});
    let secret = json!({"name": "NEW", "type": "internal", "data": {"a": "b"}});
    let variable = json!({"name": "NEW", "values": [{"secret_name": "s1", "secret_var": "k"}]});
    let run =
        json!({"branch": "main", "config": {"format": "yaml", "content": "runs: [{name: r}]"}});
    let source = json!({"name": "NEW", "apiurl": "https://x.example.com", "type": "gitea", "auth_type": "password"});
    let restart = json!({"action_type": "restart", "from_start": true});
    let mut rows = vec![
        row("GET", "/projectgroups/org%2Fprivate", none.clone(), MEMBERS),
        row(
            "GET",
            "/projectgroups/org%2Fprivate%2Fgroup01",
            none.clone(),
            MEMBERS,
        ),
        row(
            "GET",
            "/projectgroups/org%2Fprivate/subgroups",
            none.clone(),
            MEMBERS,
        ),
        row(
            "GET",
            "/projectgroups/org%2Fprivate%2Fgroup01/projects",
            none.clone(),
            MEMBERS,
        ),
        row(
            "GET",
            "/projectgroups/org%2Fpublic",
            none.clone(),
            [401, 401, 200, 200, 200, 200],
        ),
        row(
            "POST",
            "/projectgroups",
            group,
            [401, 401, 403, 403, 201, 201],
        ),
        row(
            "PUT",
            "/projectgroups/org%2Fprivate%2Fgroup01",
            json!({}),
            [401, 401, 403, 403, 201, 201],
        ),
        row(
            "DELETE",
            "/projectgroups/org%2Fprivate%2Fgroup01%2Fgone",
            none.clone(),
            [401, 401, 403, 403, 204, 204],
        ),
        row(
            "GET",
            "/projects/org%2Fprivate%2Fgroup01%2Fproject01",
            none.clone(),
            [403, 401, 403, 200, 200, 200],
        ),
        row(
            "GET",
            "/projects/org%2Fpublic%2Fproject02",
            none.clone(),
            [200, 401, 200, 200, 200, 200],
        ),
        row("POST", "/projects", project, [401, 401, 403, 403, 201, 201]),
        row(
            "PUT",
            "/projects/org%2Fprivate%2Fgroup01%2Fproject01",
            json!({}),
            [401, 401, 403, 403, 201, 201],
        ),
        row(
            "PUT",
            "/projects/org%2Fpublic%2Fproject02",
            json!({}),
            [401, 401, 403, 403, 201, 201],
        ),
        row(
            "DELETE",
            "/projects/org%2Fprivate%2Fgroup01%2Fgone01",
            none.clone(),
            [401, 401, 403, 403, 204, 204],
        ),
        row(
            "PUT",
            "/projects/org%2Fprivate%2Fgroup01%2Fproject01/reconfig",
            none.clone(),
            [401, 401, 403, 403, 400, 400],
        ),
        row(
            "PUT",
            "/projects/org%2Fprivate%2Fgroup01%2Fproject01/updaterepolinkedaccount",
            none.clone(),
            [401, 401, 403, 403, 400, 400],
        ),
        row(
            "POST",
            "/projects/org%2Fprivate%2Fgroup01%2Fproject01/createrun",
            run.clone(),
            [401, 401, 403, 403, 201, 201],
        ),
        row(
            "POST",
            "/projects/org%2Fpublic%2Fproject02/createrun",
            run.clone(),
            [401, 401, 403, 403, 201, 201],
        ),
        row(
            "GET",
            "/badges/org%2Fprivate%2Fgroup01%2Fproject01",
            none.clone(),
            [200; 6],
        ),
        row("GET", "/version", none.clone(), [200; 6]),
        row("GET", "/user", none.clone(), [401, 401, 200, 200, 200, 400]),
        row(
            "GET",
            "/user/orgs",
            none.clone(),
            [401, 401, 200, 200, 200, 400],
        ),
        row(
            "POST",
            "/user/createrun",
            run,
            [401, 401, 201, 201, 201, 400],
        ),
        row(
            "GET",
            "/users/owner",
            none.clone(),
            [401, 401, 200, 200, 200, 200],
        ),
        row(
            "GET",
            "/users",
            none.clone(),
            [401, 401, 403, 403, 403, 200],
        ),
        row(
            "POST",
            "/users",
            json!({"username": "NEW"}),
            [401, 401, 403, 403, 403, 201],
        ),
        row(
            "DELETE",
            "/users/gone",
            none.clone(),
            [401, 401, 403, 403, 403, 204],
        ),
        row(
            "POST",
            "/users/owner/tokens",
            json!({"token_name": "NEW"}),
            [401, 401, 400, 400, 201, 201],
        ),
        row(
            "DELETE",
            "/users/owner/tokens/gone",
            none.clone(),
            [401, 401, 400, 400, 204, 204],
        ),
        row(
            "DELETE",
            "/users/owner/linkedaccounts/none",
            none.clone(),
            [401, 401, 400, 400, 400, 400],
        ),
        row("GET", "/orgs/private", none.clone(), MEMBERS),
        row(
            "GET",
            "/orgs/public",
            none.clone(),
            [401, 401, 200, 200, 200, 200],
        ),
        row("GET", "/orgs", none.clone(), [401, 401, 200, 200, 200, 200]),
        row(
            "POST",
            "/orgs",
            json!({"name": "NEW", "visibility": "private"}),
            [401, 401, 201, 201, 201, 201],
        ),
        row(
            "DELETE",
            "/orgs/gone",
            none.clone(),
            [401, 401, 403, 403, 204, 204],
        ),
        row("GET", "/orgs/private/members", none.clone(), MEMBERS),
        row(
            "PUT",
            "/orgs/private/members/passing",
            json!({"role": "member"}),
            [401, 401, 403, 403, 200, 200],
        ),
        row(
            "DELETE",
            "/orgs/private/members/passing",
            none.clone(),
            [401, 401, 403, 403, 204, 204],
        ),
        row(
            "GET",
            "/remotesources",
            none.clone(),
            [200, 401, 200, 200, 200, 200],
        ),
        row(
            "GET",
            "/remotesources/rs01",
            none.clone(),
            [401, 401, 200, 200, 200, 200],
        ),
        row(
            "POST",
            "/remotesources",
            source,
            [401, 401, 403, 403, 403, 201],
        ),
        row(
            "PUT",
            "/remotesources/rs01",
            json!({"login_enabled": false}),
            [401, 401, 403, 403, 403, 201],
        ),
        row(
            "DELETE",
            "/remotesources/gone",
            none.clone(),
            [401, 401, 403, 403, 403, 204],
        ),
        row(
            "GET",
            "/admin/stores",
            none.clone(),
            [401, 401, 403, 403, 403, 200],
        ),
        row(
            "GET",
            "/maintenance/runservice",
            none.clone(),
            [401, 401, 403, 403, 403, 200],
        ),
        row(
            "GET",
            "/export/configstore",
            none.clone(),
            [401, 401, 403, 403, 403, 200],
        ),
    ];
    for values in [
        [
            "/projects/org%2Fprivate%2Fgroup01%2Fproject01/secrets",
            "/projects/org%2Fprivate%2Fgroup01%2Fproject01/secrets/s1",
            "/projects/org%2Fprivate%2Fgroup01%2Fproject01/secrets/gone",
        ],
        [
            "/projectgroups/org%2Fprivate%2Fgroup01/secrets",
            "/projectgroups/org%2Fprivate%2Fgroup01/secrets/s1",
            "/projectgroups/org%2Fprivate%2Fgroup01/secrets/gone",
        ],
        [
            "/projects/org%2Fprivate%2Fgroup01%2Fproject01/variables",
            "/projects/org%2Fprivate%2Fgroup01%2Fproject01/variables/s1",
            "/projects/org%2Fprivate%2Fgroup01%2Fproject01/variables/gone",
        ],
        [
            "/projectgroups/org%2Fprivate%2Fgroup01/variables",
            "/projectgroups/org%2Fprivate%2Fgroup01/variables/s1",
            "/projectgroups/org%2Fprivate%2Fgroup01/variables/gone",
        ],
    ] {
        let body = if values[0].contains("secrets") {
            &secret
        } else {
            &variable
        };
        let mut same = body.clone();
        same["name"] = json!("s1");
        rows.extend([
            row("GET", values[0], none.clone(), MEMBERS),
            row(
                "POST",
                values[0],
                body.clone(),
                [401, 401, 403, 403, 201, 201],
            ),
            row("PUT", values[1], same, [401, 401, 403, 403, 200, 200]),
            row(
                "DELETE",
                values[2],
                none.clone(),
                [401, 401, 403, 403, 204, 204],
            ),
        ]);
    }
    // Runs. TASK stands for the id of the task of the run.
    for (path, readers, owners) in [
        (
            "/projects/org%2Fprivate%2Fgroup01%2Fproject01/runs",
            [403, 401, 403, 200, 200, 200],
            [401, 401, 403, 403],
        ),
        (
            "/projects/org%2Fpublic%2Fproject02/runs",
            [200, 401, 200, 200, 200, 200],
            [401, 401, 403, 403],
        ),
        (
            "/users/owner/runs",
            [403, 401, 403, 403, 200, 200],
            [401, 401, 403, 403],
        ),
    ] {
        let leaked = |text: String| -> &'static str { text.leak() };
        let logs = readers.map(|status| if status == 200 { 404 } else { status });
        let mut list = readers;
        list[0] = 401;
        let with = |owner: u16, admin: u16| {
            let [anonymous, wrong, stranger, member] = owners;
            [anonymous, wrong, stranger, member, owner, admin]
        };
        rows.extend([
            row("GET", path, none.clone(), list),
            row("GET", leaked(format!("{path}/1")), none.clone(), readers),
            row(
                "GET",
                leaked(format!("{path}/1/tasks/TASK")),
                none.clone(),
                readers,
            ),
            row(
                "GET",
                leaked(format!("{path}/1/tasks/TASK/logs?step=0")),
                none.clone(),
                logs,
            ),
            row(
                "DELETE",
                leaked(format!("{path}/1/tasks/TASK/logs?step=0")),
                none.clone(),
                with(400, 400),
            ),
            row(
                "PUT",
                leaked(format!("{path}/1/actions")),
                restart.clone(),
                with(400, 400),
            ),
            row(
                "PUT",
                leaked(format!("{path}/1/tasks/TASK/actions")),
                json!({"action_type": "approve"}),
                with(200, 400),
            ),
        ]);
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_do_what_the_table_says_on_each_route() {
    let world = World::with(|settings| settings.authentication_failures.max = 0).await;
    let mut tokens = vec![None, Some("wrong".to_owned())];
    for name in ["stranger", "member", "owner", "passing"] {
        let user = world.user(name).await;
        if name != "passing" {
            tokens.push(Some(user.token));
        }
    }
    tokens.push(Some(ADMIN_TOKEN.to_owned()));
    fill(&world).await;
    let owner = world.client(tokens[4].as_ref().unwrap());
    let request = run_request(DefinitionFormat::Yaml, &one_run("r"));
    let mut tasks = std::collections::HashMap::new();
    for project in ["org/private/group01/project01", "org/public/project02"] {
        owner.project_create_run(project, &request).await.unwrap();
        let run = owner.run(RunsOf::Project(project), 1).await.unwrap();
        tasks.insert(
            project.replace('/', "%2F"),
            run.tasks.keys().next().unwrap().clone(),
        );
    }
    let request = UserCreateRunRequest {
        branch: "main".to_owned(),
        config: Some(definition(DefinitionFormat::Yaml, &one_run("r"))),
        ..Default::default()
    };
    owner.user_create_run(&request).await.unwrap();
    let run = owner.run(RunsOf::User("owner"), 1).await.unwrap();
    tasks.insert("owner".to_owned(), run.tasks.keys().next().unwrap().clone());

    let http = reqwest::Client::new();
    let mut wrong = Vec::new();
    let mut number = 0;
    for row in rows() {
        for ((role, token), expected) in ROLES.iter().zip(&tokens).zip(row.statuses) {
            number += 1;
            let task = tasks
                .iter()
                .find(|(owner, _)| row.path.contains(owner.as_str()));
            let path = match task {
                Some((_, id)) => row.path.replace("TASK", id),
                None => row.path.to_owned(),
            };
            let mut request = http.request(row.method.clone(), world.url(&path));
            if let Some(token) = token {
                request = request.header("Authorization", format!("token {token}"));
            }
            if !row.body.is_null() {
                request =
                    request.body(row.body.to_string().replace("NEW", &format!("new{number}")));
            }
            let response = request.send().await.unwrap();
            let status = response.status();
            if status.as_u16() != expected {
                let body = response.text().await.unwrap();
                wrong.push(format!(
                    "{} {path} as {role}: {status}, and not {expected}: {body}",
                    row.method
                ));
            }
            if status.is_success() && row.method != Method::GET {
                fill(&world).await;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Lists have what the caller may see, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn lists_leave_out_what_the_caller_may_not_see() {
    let world = World::new().await;
    let admin = world.admin();
    let (owner, stranger) = (world.user("owner").await, world.user("stranger").await);
    owner.client.add_org("org01", Visibility::Public).await;
    owner.client.add_org("org02", Visibility::Private).await;
    owner
        .client
        .add_project("org/org01", "public", Visibility::Public)
        .await;
    owner
        .client
        .add_project("org/org01", "private", Visibility::Private)
        .await;
    owner
        .client
        .add_group("org/org01", "hidden", Visibility::Private)
        .await;
    for (client, orgs, projects, groups) in [
        (&admin, vec!["org01", "org02"], 2, 1),
        (&owner.client, vec!["org01", "org02"], 2, 1),
        (&stranger.client, vec!["org01"], 1, 0),
    ] {
        let paging = gateway_client::Paging {
            ascending: true,
            ..Default::default()
        };
        let found = client.orgs(&paging).await.unwrap();
        let found: Vec<&str> = found.iter().map(|org| org.name.as_str()).collect();
        assert_eq!(found, orgs);
        assert_eq!(
            client
                .project_group_projects("org/org01")
                .await
                .unwrap()
                .len(),
            projects
        );
        assert_eq!(
            client
                .project_group_subgroups("org/org01")
                .await
                .unwrap()
                .len(),
            groups
        );
    }
}
