//! References and names.

use gateway_client::api::{CreateOrgRequest, CreateUserRequest, UpdateProjectRequest, Visibility};
use gateway_client::{Error, ErrorKind, RunsFilter, RunsOf, ValuesOf};

use crate::host::{
    Fill, User, World, assert_kind, group_request, project_request, secret_request,
    variable_request,
};

/// Field case AP-11: references with slashes failed on some routes, or were decoded twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_and_a_path_mean_the_same_on_every_route() {
    let world = World::new().await;
    let User { client, user, .. } = world.user("user01").await;
    client
        .add_group("user/user01", "group-01", Visibility::Private)
        .await;
    client
        .add_project("user/user01/group-01", "project-01", Visibility::Private)
        .await;
    let group = client.project_group("user/user01/group-01").await.unwrap();
    let project = client
        .project("user/user01/group-01/project-01")
        .await
        .unwrap();
    for reference in ["user/user01/group-01", group.id.as_str()] {
        assert_eq!(client.project_group(reference).await.unwrap(), group);
        assert_eq!(
            client.project_group_projects(reference).await.unwrap(),
            std::slice::from_ref(&project)
        );
        assert!(
            client
                .project_group_subgroups(reference)
                .await
                .unwrap()
                .is_empty()
        );
        values(&client, ValuesOf::ProjectGroup(reference)).await;
    }
    for reference in ["user/user01/group-01/project-01", project.id.as_str()] {
        assert_eq!(client.project(reference).await.unwrap(), project);
        assert_eq!(
            client
                .update_project(reference, &UpdateProjectRequest::default())
                .await
                .unwrap(),
            project
        );
        let filter = RunsFilter::default();
        assert!(
            client
                .runs(RunsOf::Project(reference), &filter)
                .await
                .unwrap()
                .is_empty()
        );
        values(&client, ValuesOf::Project(reference)).await;
        assert!(
            client
                .badge(reference, Some("feature/a"))
                .await
                .unwrap()
                .contains(">unknown<")
        );
    }
    for reference in ["user01", user.id.as_str()] {
        assert_eq!(client.user(reference).await.unwrap().id, user.id);
        assert!(
            client
                .runs(RunsOf::User(reference), &RunsFilter::default())
                .await
                .unwrap()
                .is_empty()
        );
    }
    // What looks like a reference and is none.
    for reference in [
        "user%2Fuser01%2Fgroup-01",
        "user/user01/group-01/nothing",
        "org/user01",
        "00000000-0000-0000-0000-000000000000",
    ] {
        assert_kind(client.project(reference).await, ErrorKind::NotFound);
        assert_kind(client.project_group(reference).await, ErrorKind::NotFound);
    }
}

async fn values(client: &gateway_client::Client, of: ValuesOf<'_>) {
    client
        .create_secret(of, &secret_request("s1", "k", "v"))
        .await
        .unwrap();
    client
        .create_variable(of, &variable_request("v1", "s1", "k"))
        .await
        .unwrap();
    client
        .update_secret(of, "s1", &secret_request("s1", "k", "w"))
        .await
        .unwrap();
    client
        .update_variable(of, "v1", &variable_request("v1", "s1", "k"))
        .await
        .unwrap();
    assert_eq!(
        client.secrets(of, Default::default()).await.unwrap().len(),
        1
    );
    assert_eq!(
        client
            .variables(of, Default::default())
            .await
            .unwrap()
            .len(),
        1
    );
    client.delete_variable(of, "v1").await.unwrap();
    client.delete_secret(of, "s1").await.unwrap();
}

/// Vectors of section 13.2 of the reference, and field case AP-20.
#[tokio::test(flavor = "multi_thread")]
async fn names_are_the_same_everywhere() {
    let world = World::new().await;
    let User { client, .. } = world.user("user01").await;
    let admin = world.admin();
    let parent = "user/user01";
    for name in [
        "bar",
        "foo-bar",
        "foo-bar-baz",
        "foo1",
        "foo-1",
        "foo-1-bar",
        "f12oo-bar33",
        "cba7b810-9dad-11d1-80b4-00c04fd430c",
        "cba7b810-9dad-11d1-80b4000c04fd430c8",
        "cba7b8109dad11d180b400c04fd430c89",
        "cba7b8109dad11d180b400c04fd430c",
    ] {
        client.add_group(parent, name, Visibility::Private).await;
        client
            .add_project(&format!("{parent}/{name}"), name, Visibility::Private)
            .await;
        client.add_org(name, Visibility::Private).await;
    }
    for name in [
        "",
        "a",
        "foo bar",
        " foo bar",
        "foo bar ",
        "-bar",
        "bar-",
        "-foo-bar",
        "foo-bar-",
        "foo--bar",
        "foo.bar",
        "foo_bar",
        "foo#bar",
        "foo/bar",
        "1foobar",
        "ünicode",
        "cba7b810-9dad-11d1-80b4-00c04fd430c8",
        "{cba7b810-9dad-11d1-80b4-00c04fd430c8}",
        "urn:uuid:cba7b810-9dad-11d1-80b4-00c04fd430c8",
        "cba7b8109dad11d180b400c04fd430c8",
    ] {
        let refused = |result: Result<(), Error>| {
            let error = assert_kind(result, ErrorKind::Invalid);
            assert!(!error.to_string().is_empty(), "{name}");
        };
        let private = Visibility::Private;
        refused(
            client
                .create_project_group(&group_request(parent, name, private.clone()))
                .await
                .map(drop),
        );
        refused(
            client
                .create_project(&project_request(parent, name, private.clone()))
                .await
                .map(drop),
        );
        let org = CreateOrgRequest {
            name: name.to_owned(),
            visibility: Some(private),
        };
        refused(client.create_org(&org).await.map(drop));
        let user = CreateUserRequest {
            username: name.to_owned(),
        };
        refused(admin.create_user(&user).await.map(drop));
        let of = ValuesOf::ProjectGroup(parent);
        refused(
            client
                .create_secret(of, &secret_request(name, "k", "v"))
                .await
                .map(drop),
        );
        refused(
            client
                .create_variable(of, &variable_request(name, "s", "k"))
                .await
                .map(drop),
        );
    }
}

/// Field cases AP-17 and AP-18.
#[tokio::test(flavor = "multi_thread")]
async fn renames_collide_only_with_others_and_deletes_take_all_that_is_below() {
    let world = World::new().await;
    let User { client, .. } = world.user("user01").await;
    for name in ["project01", "project02"] {
        client.add_project("", name, Visibility::Private).await;
    }
    let rename = |name: &str| UpdateProjectRequest {
        name: Some(name.to_owned()),
        ..Default::default()
    };
    let path = "user/user01/project01";
    client
        .update_project(path, &rename("project01"))
        .await
        .unwrap();
    let error = assert_kind(
        client.update_project(path, &rename("project02")).await,
        ErrorKind::Invalid,
    );
    assert_eq!(error.code(), "already_exists");
    client
        .update_project(path, &rename("project03"))
        .await
        .unwrap();
    client
        .add_project("", "project01", Visibility::Private)
        .await;
    // The group of a user belongs to the user.
    assert_kind(
        client.delete_project_group("user/user01").await,
        ErrorKind::Invalid,
    );

    client.add_org("org01", Visibility::Private).await;
    client
        .add_group("org/org01", "group01", Visibility::Private)
        .await;
    client
        .add_project("org/org01/group01", "project01", Visibility::Private)
        .await;
    let project = client.project("org/org01/group01/project01").await.unwrap();
    assert_kind(
        client.delete_project_group("org/org01").await,
        ErrorKind::Invalid,
    );
    client.delete_org("org01").await.unwrap();
    assert_kind(client.project(&project.id).await, ErrorKind::NotFound);
    assert_kind(client.project_group("org/org01").await, ErrorKind::NotFound);
    client.add_org("org01", Visibility::Private).await;
    assert!(
        client
            .project_group_subgroups("org/org01")
            .await
            .unwrap()
            .is_empty()
    );
}

/// The reference's defect 10: runs of others could be seen with `../`. And a project could be moved into the tree of others.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_out_of_his_own() {
    let world = World::new().await;
    let (first, second) = (world.user("user01").await, world.user("user02").await);
    first
        .client
        .add_project("", "project01", Visibility::Private)
        .await;
    for subgroup in ["../x", "/project/x", "branch/../../x", "branch", ".."] {
        let filter = RunsFilter {
            subgroup: subgroup.to_owned(),
            ..Default::default()
        };
        let runs = first
            .client
            .runs(RunsOf::Project("user/user01/project01"), &filter)
            .await;
        match subgroup {
            "branch" => assert!(runs.unwrap().is_empty()),
            _ => drop(assert_kind(runs, ErrorKind::Invalid)),
        }
    }
    let update = UpdateProjectRequest {
        parent_ref: Some("user/user02".to_owned()),
        ..Default::default()
    };
    assert_kind(
        first
            .client
            .update_project("user/user01/project01", &update)
            .await,
        ErrorKind::Forbidden,
    );
    assert!(
        second
            .client
            .project_group_projects("user/user02")
            .await
            .unwrap()
            .is_empty()
    );
}
