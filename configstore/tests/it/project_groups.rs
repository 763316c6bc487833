//! Project groups.

use configstore::api::{ConfigType, CreateUpdateProjectGroupRequest, Visibility};
use configstore::client::ValueParent;

use crate::host::{
    Fill, Server, assert_exists, assert_invalid, assert_not_found, assert_unknown, group_request,
    owner, secret_request, variable_request,
};

/// Test vectors 19 to 23.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_renamed_and_moved_but_not_into_itself() {
    let server = Server::new().await;
    let client = server.client();
    client.add_user("user01").await;
    let root = client
        .project_group("user/user01")
        .await
        .unwrap()
        .project_group;
    for name in ["pg01", "pg02", "pg03"] {
        client.add_group("user/user01", name).await;
    }
    client.add_group("user/user01/pg01", "pg01").await;
    client.add_group("user/user01/pg02", "pg01").await;
    assert_exists(
        client
            .create_project_group(&group_request("user/user01", "pg01"))
            .await,
    );

    let update = async |group: &str, parent: &str, name: &str| {
        client
            .update_project_group(group, &group_request(parent, name))
            .await
    };
    let renamed = update("user/user01/pg03", "user/user01", "newpg03")
        .await
        .unwrap();
    assert_eq!(renamed.place.path, "user/user01/newpg03");
    // With the name that it has.
    update("user/user01/newpg03", &root.id, "newpg03")
        .await
        .unwrap();
    assert_exists(update("user/user01/pg02/pg01", "user/user01", "pg01").await);
    let moved = update("user/user01/pg02/pg01", "user/user01", "newpg01")
        .await
        .unwrap();
    assert_eq!(moved.project_group.parent.id, root.id);
    assert_invalid(update("user/user01/pg02", "user/user01/pg02", "pg02").await);
    assert_invalid(update("user/user01/pg01", "user/user01/pg01/pg01", "pg02").await);
    // There the name is what is told.
    assert_exists(update("user/user01/pg01", "user/user01/pg01", "pg01").await);
    assert_unknown(update("user/user01/pg01", "user/user01/none", "pg01").await);
    assert_unknown(update("user/user01/none", "user/user01", "pg09").await);

    let mut names: Vec<String> = Vec::new();
    for group in client.project_group_subgroups("user/user01").await.unwrap() {
        assert_eq!(group.place.parent_path, "user/user01");
        names.push(group.project_group.name);
    }
    assert_eq!(names, ["newpg01", "newpg03", "pg01", "pg02"]);
    assert_not_found(client.project_group_subgroups("user/user01/none").await);
    assert_not_found(client.project_group_projects("none").await);
}

/// Test vectors 24 to 27.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_root_group_only_the_visibility_changes() {
    let server = Server::new().await;
    let client = server.client();
    let user = client.add_user("user01").await;
    client.add_group("user/user01", "pg01").await;
    let root = client.project_group("user/user01").await.unwrap();
    assert_eq!(root.place.path, root.place.parent_path);
    assert_eq!(root.project_group.name, "");
    let good = CreateUpdateProjectGroupRequest {
        name: String::new(),
        parent: owner(ConfigType::User, &user.id),
        visibility: Some(Visibility::Private),
    };
    for request in [
        CreateUpdateProjectGroupRequest {
            name: "rootpg".to_owned(),
            parent: owner(ConfigType::ProjectGroup, &user.id),
            ..good.clone()
        },
        CreateUpdateProjectGroupRequest {
            parent: owner(ConfigType::User, "user/user01/pg01"),
            ..good.clone()
        },
        CreateUpdateProjectGroupRequest {
            parent: owner(ConfigType::User, "user01"),
            ..good.clone()
        },
        CreateUpdateProjectGroupRequest {
            parent: owner(ConfigType::Org, &user.id),
            ..good.clone()
        },
        CreateUpdateProjectGroupRequest {
            name: "rootpgnewname".to_owned(),
            ..good.clone()
        },
        CreateUpdateProjectGroupRequest {
            visibility: None,
            ..good.clone()
        },
    ] {
        assert_invalid(client.update_project_group("user/user01", &request).await);
    }
    // None can be made.
    assert_invalid(client.create_project_group(&good).await);
    client
        .update_project_group("user/user01", &good)
        .await
        .unwrap();
    let changed = client.project_group("user/user01").await.unwrap();
    assert_eq!(changed.project_group.visibility, Some(Visibility::Private));
    let below = client.project_group("user/user01/pg01").await.unwrap();
    assert_eq!(below.project_group.visibility, Some(Visibility::Public));
    assert_eq!(below.place.global_visibility, Some(Visibility::Private));
}

/// Test vectors 28 and 29.
#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_deleted_with_all_in_it_and_a_root_group_is_not() {
    let server = Server::new().await;
    let client = server.client();
    client.add_org("org01").await;
    let group = client
        .add_group("org/org01", "projectgroup01")
        .await
        .project_group;
    let below = client
        .add_group("org/org01/projectgroup01", "subprojectgroup01")
        .await
        .project_group;
    assert_invalid(client.delete_project_group("org/org01").await);
    client.delete_project_group(&group.id).await.unwrap();
    for reference in [
        group.id.as_str(),
        &below.id,
        "org/org01/projectgroup01/subprojectgroup01",
    ] {
        assert_not_found(client.project_group(reference).await);
    }
    assert_unknown(client.delete_project_group(&group.id).await);
}

/// Test vector 30.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_again_has_nothing_of_what_was_deleted() {
    let server = Server::new().await;
    let client = server.client();
    client.add_org("org01").await;
    let path = "org/org01/projectgroup01/subprojectgroup01/project01";
    let mut projects = Vec::new();
    for _ in 0..2 {
        client.add_group("org/org01", "projectgroup01").await;
        let group = client
            .add_group("org/org01/projectgroup01", "subprojectgroup01")
            .await;
        let project = client.add_project(&group.place.path, "project01").await;
        let request = secret_request("secret01", "secret01", "secretvar01");
        let secret = client
            .create_secret(ValueParent::Project(path), &request)
            .await
            .unwrap();
        let request = variable_request("variable01", "secret01", "secretvar01");
        let variable = client
            .create_variable(ValueParent::Project(path), &request)
            .await
            .unwrap();
        for reference in [group.place.path.as_str(), &group.project_group.id] {
            let found = client.project_group_projects(reference).await.unwrap();
            assert_eq!(found, std::slice::from_ref(&project));
        }
        for reference in [path, &project.project.id] {
            let found = client
                .secrets(ValueParent::Project(reference), false)
                .await
                .unwrap();
            assert_eq!(
                found.iter().map(|found| &found.secret).collect::<Vec<_>>(),
                [&secret]
            );
            let found = client
                .variables(ValueParent::Project(reference), false)
                .await
                .unwrap();
            assert_eq!(
                found
                    .iter()
                    .map(|found| &found.variable)
                    .collect::<Vec<_>>(),
                [&variable]
            );
        }
        projects.push(project.project.id);
        if projects.len() == 1 {
            client
                .delete_project_group("org/org01/projectgroup01")
                .await
                .unwrap();
        }
    }
    assert_ne!(projects[0], projects[1]);
    assert_unknown(
        client
            .secrets(ValueParent::Project(&projects[0]), false)
            .await,
    );
}
