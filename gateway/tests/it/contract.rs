//! Field case AP-21: client and server differed in a method, a path or a type. Every function of the client is called.

use futures::TryStreamExt;
use gateway_client::api::{
    CreateProjectRequest, CreateRemoteSourceRequest, CreateUserLaRequest, CreateUserRequest,
    CreateUserTokenRequest, DefinitionFormat, LoginUserRequest, MemberRole, RegisterUserRequest,
    RunPhase, RunResult, RunTaskStatus, UpdateProjectGroupRequest, UpdateProjectRequest,
    UpdateRemoteSourceRequest, UserCreateRunRequest, Visibility,
};
use gateway_client::{
    Client, ErrorKind, ListOptions, LogStep, Paging, RunsFilter, RunsOf, ValuesOf,
};

use crate::executor::Executor;
use crate::host::{
    Fill, User, World, assert_kind, definition, one_run, project_request, run_request,
    secret_request, variable_request, wait_until,
};

#[tokio::test(flavor = "multi_thread")]
async fn every_function_of_the_client_works() {
    let world = World::new().await;
    let admin = world.admin();
    let user = world.user("user01").await;
    assert_eq!(admin.version().await.unwrap().service, "gateway");
    assert!(admin.openapi().await.unwrap()["paths"].is_object());
    users(&admin, &user).await;
    remote_sources(&admin, &user.client).await;
    organizations(&user.client, &admin).await;
    groups_and_projects(&user.client).await;
    for of in [
        ValuesOf::Project("org/org01/group01/project01"),
        ValuesOf::ProjectGroup("org/org01/group01"),
    ] {
        values(&user.client, of).await;
    }
    runs(&world, &user.client).await;
    user.client
        .delete_project("org/org01/group01/project01")
        .await
        .unwrap();
    user.client
        .delete_project_group("org/org01/group01")
        .await
        .unwrap();
    user.client.delete_org("org01").await.unwrap();
    operators(&admin).await;
}

async fn users(admin: &Client, user: &User) {
    assert_eq!(
        user.client.current_user().await.unwrap(),
        user.client.user("user01").await.unwrap()
    );
    assert_eq!(admin.user(&user.user.id).await.unwrap().tokens, ["t1"]);
    let request = CreateUserRequest {
        username: "user02".to_owned(),
    };
    admin.create_user(&request).await.unwrap();
    let paging = Paging {
        start: "user01".to_owned(),
        limit: Some(5),
        ascending: true,
    };
    let users = admin.users(&paging).await.unwrap();
    let users: Vec<&str> = users.iter().map(|user| user.username.as_str()).collect();
    assert_eq!(users, ["user02"]);
    let request = CreateUserTokenRequest {
        token_name: "t2".to_owned(),
    };
    let token = user
        .client
        .create_token("user01", &request)
        .await
        .unwrap()
        .token;
    assert!(!token.is_empty());
    user.client.delete_token("user01", "t2").await.unwrap();
    admin.delete_user("user02").await.unwrap();
}

/// What needs a git provider is told so.
async fn remote_sources(admin: &Client, user: &Client) {
    let request = CreateRemoteSourceRequest {
        name: "rs00".to_owned(),
        apiurl: "https://git.example.com".to_owned(),
        kind: "gitea".to_owned(),
        auth_type: "password".to_owned(),
        ..Default::default()
    };
    admin.create_remote_source(&request).await.unwrap();
    let update = UpdateRemoteSourceRequest {
        name: Some("rs01".to_owned()),
        ..Default::default()
    };
    let source = admin.update_remote_source("rs00", &update).await.unwrap();
    assert!(source.login_enabled && source.registration_enabled);
    assert_eq!(user.remote_source("rs01").await.unwrap(), source);
    assert_eq!(
        user.remote_sources(&Paging::default()).await.unwrap(),
        [source]
    );
    let login = LoginUserRequest {
        remote_source_name: "rs01".to_owned(),
        ..Default::default()
    };
    assert_kind(user.login(&login).await, ErrorKind::Unsupported);
    assert_kind(user.authorize(&login).await, ErrorKind::Unsupported);
    let register = RegisterUserRequest {
        username: "user09".to_owned(),
        remote_source_name: "rs01".to_owned(),
        ..Default::default()
    };
    assert_kind(user.register(&register).await, ErrorKind::Unsupported);
    assert_kind(user.oauth2_callback("c", "s").await, ErrorKind::Unsupported);
    let link = CreateUserLaRequest {
        remote_source_name: "rs01".to_owned(),
        ..Default::default()
    };
    assert_kind(
        user.create_linked_account("user01", &link).await,
        ErrorKind::Unsupported,
    );
    assert_kind(
        user.delete_linked_account("user01", "none").await,
        ErrorKind::Invalid,
    );
    // Field case AP-22: a project that could not be set up at its source was half there, and its name taken.
    let project = CreateProjectRequest {
        repo_path: "team/web".to_owned(),
        remote_source_name: "rs01".to_owned(),
        ..project_request("", "project09", Visibility::Private)
    };
    assert_kind(user.create_project(&project).await, ErrorKind::Unsupported);
    let path = "user/user01/project09";
    assert_kind(user.project(path).await, ErrorKind::NotFound);
    user.add_project("", "project09", Visibility::Private).await;
    user.delete_project(path).await.unwrap();
    // Without an account there.
    assert_kind(user.remote_repositories("rs01").await, ErrorKind::Invalid);
    admin.delete_remote_source("rs01").await.unwrap();
}

/// Vector I26 of the reference, too.
async fn organizations(user: &Client, admin: &Client) {
    for (name, visibility) in [
        ("org01", Visibility::Public),
        ("org02", Visibility::Private),
        ("org03", Visibility::Public),
    ] {
        admin.add_org(name, visibility).await;
    }
    admin
        .add_member("org01", "user01", MemberRole::Member)
        .await;
    let added = admin
        .add_org_member("org02", "user01", MemberRole::Owner)
        .await
        .unwrap();
    assert_eq!(
        (added.user.username.as_str(), added.role),
        ("user01", Some(MemberRole::Owner))
    );
    let orgs = user.current_user_orgs().await.unwrap();
    let orgs: Vec<_> = orgs
        .into_iter()
        .map(|org| (org.organization.name, org.organization.visibility, org.role))
        .collect();
    assert_eq!(
        orgs,
        [
            (
                "org01".to_owned(),
                Some(Visibility::Public),
                Some(MemberRole::Member)
            ),
            (
                "org02".to_owned(),
                Some(Visibility::Private),
                Some(MemberRole::Owner)
            ),
        ]
    );
    // AP-19: adding a member again changes the role.
    admin.add_member("org01", "user01", MemberRole::Owner).await;
    let members = user.org_members("org01").await.unwrap();
    assert_eq!(
        (members.members.len(), members.members[0].role.clone()),
        (1, Some(MemberRole::Owner))
    );
    assert_eq!(user.org("org01").await.unwrap(), members.organization);
    assert_eq!(user.orgs(&Paging::default()).await.unwrap().len(), 3);
    user.remove_org_member("org02", "user01").await.unwrap();
    for org in ["org02", "org03"] {
        admin.delete_org(org).await.unwrap();
    }
}

async fn groups_and_projects(user: &Client) {
    user.add_group("org/org01", "group00", Visibility::Public)
        .await;
    let update = UpdateProjectGroupRequest {
        name: Some("group01".to_owned()),
        ..Default::default()
    };
    let group = user
        .update_project_group("org/org01/group00", &update)
        .await
        .unwrap();
    assert_eq!(
        (group.path.as_str(), group.parent_path.as_str()),
        ("org/org01/group01", "org/org01")
    );
    assert_eq!(user.project_group(&group.id).await.unwrap(), group);
    assert_eq!(
        user.project_group_subgroups("org/org01").await.unwrap(),
        [group]
    );
    user.add_project("org/org01/group01", "project01", Visibility::Public)
        .await;
    let path = "org/org01/group01/project01";
    // Vector I3 of the reference.
    for flag in [true, false] {
        let update = UpdateProjectRequest {
            pass_vars_to_forked_pr: Some(flag),
            ..Default::default()
        };
        let updated = user.update_project(path, &update).await.unwrap();
        assert_eq!(updated.pass_vars_to_forked_pr, flag);
        assert_eq!(user.project(path).await.unwrap(), updated);
    }
    assert_eq!(
        user.project_group_projects("org/org01/group01")
            .await
            .unwrap()
            .len(),
        1
    );
    assert!(user.reconfigure_project(path).await.is_err());
    assert!(user.update_project_linked_account(path).await.is_err());
}

async fn values(user: &Client, of: ValuesOf<'_>) {
    let made = secret_request("s0", "k", "v");
    let made = user.create_secret(of, &made).await.unwrap();
    let renamed = secret_request("s1", "k", "w");
    let secret = user.update_secret(of, "s0", &renamed).await.unwrap();
    assert_eq!(secret.id, made.id);
    let listed = ListOptions::default();
    assert_eq!(user.secrets(of, listed).await.unwrap(), [secret]);
    user.create_variable(of, &variable_request("v0", "s1", "k"))
        .await
        .unwrap();
    let variable = user
        .update_variable(of, "v0", &variable_request("v1", "s1", "k"))
        .await
        .unwrap();
    assert!(!variable.values[0].matching_secret_parent_path.is_empty());
    let all = ListOptions {
        tree: true,
        remove_overridden: true,
    };
    assert_eq!(user.variables(of, all).await.unwrap(), [variable]);
    user.delete_variable(of, "v1").await.unwrap();
    user.delete_secret(of, "s1").await.unwrap();
}

async fn runs(world: &World, user: &Client) {
    let path = "org/org01/group01/project01";
    let of = RunsOf::Project(path);
    let mut events = user.run_events(of, None).await.unwrap();
    let request = run_request(DefinitionFormat::Yaml, &one_run("run01"));
    let created = user.project_create_run(path, &request).await.unwrap();
    assert_eq!(
        (created.runs[0].number, created.runs[0].name.as_str()),
        (1, "run01")
    );
    let event = events.try_next().await.unwrap().unwrap();
    assert_eq!(event.number, 1);
    drop(events);
    wait_until("the run runs", async || {
        user.run(of, 1).await.unwrap().phase == RunPhase::Running
    })
    .await;
    let mut repeated = user.run_events(of, Some(&event.sequence)).await.unwrap();
    assert_eq!(repeated.try_next().await.unwrap().unwrap().number, 1);
    let task = user
        .run(of, 1)
        .await
        .unwrap()
        .tasks
        .into_keys()
        .next()
        .unwrap();
    user.approve_task(of, 1, &task).await.unwrap();
    let approved = user.run_task(of, 1, &task).await.unwrap();
    assert!(
        approved.approval_annotations["approvers"].contains(&user.current_user().await.unwrap().id)
    );

    let executor = Executor::start(world, "log of step 0\n").await;
    wait_until("the run has ended", async || {
        let run = user.run(of, 1).await.unwrap();
        run.phase == RunPhase::Finished && run.result == RunResult::Success
    })
    .await;
    let done = user.run_task(of, 1, &task).await.unwrap();
    assert_eq!((done.status, done.steps.len()), (RunTaskStatus::Success, 1));
    for log in [
        user.log(of, 1, &task, LogStep::Step(0))
            .await
            .unwrap()
            .try_collect::<Vec<_>>()
            .await,
        user.follow_log(of, 1, &task, LogStep::Step(0))
            .await
            .unwrap()
            .try_collect::<Vec<_>>()
            .await,
        user.log(of, 1, &task, LogStep::Setup)
            .await
            .unwrap()
            .try_collect::<Vec<_>>()
            .await,
    ] {
        assert_eq!(log.unwrap().concat(), b"log of step 0\n");
    }
    // Vectors I16 to I19 of the reference.
    assert_kind(
        user.log(of, 1, &task, LogStep::Step(99)).await,
        ErrorKind::NotFound,
    );
    assert_kind(
        user.delete_log(of, 1, &task, LogStep::Step(99)).await,
        ErrorKind::NotFound,
    );
    wait_until("the logs are archived", async || {
        user.run_task(of, 1, &task).await.unwrap().steps[0].log_archived
    })
    .await;
    user.delete_log(of, 1, &task, LogStep::Step(0))
        .await
        .unwrap();
    assert_kind(
        user.log(of, 1, &task, LogStep::Step(0)).await,
        ErrorKind::NotFound,
    );
    executor.leave(world).await;

    let again = user.restart_run(of, 1, true).await.unwrap();
    assert_eq!(again.number, 2);
    wait_until("the second run runs", async || {
        user.run(of, 2).await.unwrap().phase == RunPhase::Running
    })
    .await;
    // One at a time in a group.
    user.project_create_run(path, &request).await.unwrap();
    assert_eq!(
        user.cancel_run(of, 3).await.unwrap().phase,
        RunPhase::Queued
    );
    assert_eq!(user.run(of, 3).await.unwrap().phase, RunPhase::Cancelled);
    user.stop_run(of, 2).await.unwrap();
    let executor = Executor::start(world, "").await;
    let filter = RunsFilter {
        phases: vec![RunPhase::Cancelled, RunPhase::Finished],
        subgroup: "branch/main".to_owned(),
        limit: Some(10),
        ascending: true,
        ..Default::default()
    };
    wait_until("all runs have ended", async || {
        user.runs(of, &filter).await.unwrap().len() == 3
    })
    .await;
    drop(executor);
    assert_eq!(user.run(of, 2).await.unwrap().result, RunResult::Stopped);
    assert!(
        user.badge(path, Some("main"))
            .await
            .unwrap()
            .contains(">failed<")
    );
    assert!(user.badge(path, None).await.unwrap().starts_with("<svg"));

    let request = UserCreateRunRequest {
        branch: "develop".to_owned(),
        config: Some(definition(
            DefinitionFormat::Json,
            r#"{"runs": [{"name": "direct"}]}"#,
        )),
        ..Default::default()
    };
    assert_eq!(
        user.user_create_run(&request).await.unwrap().runs[0].name,
        "direct"
    );
    let runs = user
        .runs(RunsOf::User("user01"), &RunsFilter::default())
        .await
        .unwrap();
    assert_eq!(runs[0].annotations["branch"], "develop");
}

async fn operators(admin: &Client) {
    let stores = admin.stores().await.unwrap();
    let services: Vec<&str> = stores.iter().map(|store| store.service.as_str()).collect();
    assert_eq!(services, ["configstore", "runservice"]);
    assert!(
        stores
            .iter()
            .all(|store| store.error.is_none() && store.instances.len() == 1)
    );
    for service in ["configstore", "runservice"] {
        let export: Vec<bytes::Bytes> = admin
            .export(service, "native")
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        admin.enable_maintenance(service).await.unwrap();
        wait_until("the service is in maintenance", async || {
            admin.maintenance(service).await.unwrap().current_mode == "maintenance"
        })
        .await;
        let pieces = futures::stream::iter(export.into_iter().map(Ok::<_, std::io::Error>));
        admin.import(service, pieces).await.unwrap();
        admin.disable_maintenance(service).await.unwrap();
        wait_until("the service is normal again", async || {
            admin.maintenance(service).await.unwrap().current_mode == "normal"
        })
        .await;
    }
    assert_eq!(admin.user("user01").await.unwrap().username, "user01");
}
