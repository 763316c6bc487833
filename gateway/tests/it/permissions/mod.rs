//! Who may do what: each role against each route.
//!
//! Field case AP-16: private organizations could be read by others. Here nobody but members sees what is private, and all that
//! it holds; agola v0.7 showed groups, secrets and variables to everybody who had a token.

mod table;

use gateway_client::api::{
    CreateRemoteSourceRequest, CreateUserRequest, CreateUserTokenRequest, DefinitionFormat,
    MemberRole, UserCreateRunRequest, Visibility,
};
use gateway_client::{Client, RunsOf, ValuesOf};
use reqwest::Method;

use crate::host::{
    ADMIN_TOKEN, Fill, World, definition, group_request, one_run, project_request, run_request,
    secret_request, variable_request,
};

const GROUP: ValuesOf<'static> = ValuesOf::ProjectGroup("org/private/group01");
const PROJECT: ValuesOf<'static> = ValuesOf::Project("org/private/group01/project01");

/// What is always there.
async fn fill(admin: &Client) {
    for (org, visibility) in [
        ("private", Visibility::Private),
        ("public", Visibility::Public),
    ] {
        add_org(admin, org, visibility).await;
    }
    admin
        .add_group("org/private", "group01", Visibility::Private)
        .await;
    for (parent, name, visibility) in [
        ("org/private/group01", "project01", Visibility::Private),
        ("org/public", "project02", Visibility::Public),
    ] {
        admin.add_project(parent, name, visibility).await;
    }
    for of in [GROUP, PROJECT] {
        let secret = secret_request("s1", "k", "v");
        admin.create_secret(of, &secret).await.unwrap();
        let variable = variable_request("s1", "s1", "k");
        admin.create_variable(of, &variable).await.unwrap();
    }
    admin
        .create_remote_source(&source_request("rs01"))
        .await
        .unwrap();
    fill_again(admin).await;
}

async fn add_org(admin: &Client, name: &str, visibility: Visibility) {
    admin.add_org(name, visibility).await;
    for (user, role) in [("owner", MemberRole::Owner), ("member", MemberRole::Member)] {
        admin.add_member(name, user, role).await;
    }
}

/// What requests delete. What is there already is refused.
async fn fill_again(admin: &Client) {
    if admin.org("gone").await.is_err() {
        add_org(admin, "gone", Visibility::Private).await;
    }
    let role = MemberRole::Member;
    let _ = admin.add_org_member("private", "passing", role).await;
    let group = group_request("org/private/group01", "gone", Visibility::Private);
    let _ = admin.create_project_group(&group).await;
    let project = project_request("org/private/group01", "gone01", Visibility::Private);
    let _ = admin.create_project(&project).await;
    for of in [GROUP, PROJECT] {
        let secret = secret_request("gone", "k", "v");
        let _ = admin.create_secret(of, &secret).await;
        let variable = variable_request("gone", "s1", "k");
        let _ = admin.create_variable(of, &variable).await;
    }
    let user = CreateUserRequest {
        username: "gone".to_owned(),
    };
    let _ = admin.create_user(&user).await;
    let token = CreateUserTokenRequest {
        token_name: "gone".to_owned(),
    };
    let _ = admin.create_token("owner", &token).await;
    let _ = admin.create_remote_source(&source_request("gone")).await;
}

fn source_request(name: &str) -> CreateRemoteSourceRequest {
    CreateRemoteSourceRequest {
        name: name.to_owned(),
        apiurl: "https://git.example.com".to_owned(),
        kind: "gitea".to_owned(),
        auth_type: "password".to_owned(),
        ..Default::default()
    }
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
    let admin = world.admin();
    fill(&admin).await;
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
    for row in table::rows() {
        for ((role, token), expected) in table::ROLES.iter().zip(&tokens).zip(&row.statuses) {
            number += 1;
            let owner = tasks.keys().find(|owner| row.path.contains(owner.as_str()));
            let task = owner.map_or("", |owner| tasks[owner].as_str());
            let path = row.path.replace("TASK", task);
            let mut request = http.request(row.method.clone(), world.url(&path));
            if let Some(token) = token {
                request = request.header("Authorization", format!("token {token}"));
            }
            if !row.body.is_empty() {
                request = request.body(row.body.replace("NEW", &format!("new{number}")));
            }
            let response = request.send().await.unwrap();
            let status = response.status();
            if status.as_u16() != *expected {
                let body = response.text().await.unwrap();
                wrong.push(format!(
                    "{} {path} as {role}: {status}, and not {expected}: {body}",
                    row.method
                ));
            }
            if status.is_success() && row.method == Method::DELETE {
                fill_again(&admin).await;
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
