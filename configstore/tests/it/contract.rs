//! Field case AP-21: client and server differed in a method, a path or a type. Every function of the client is called.

use configstore::api::{
    AddOrgMemberRequest, CreateUserTokenRequest, MemberRole, UpdateUserLaRequest, UpdateUserRequest,
};
use configstore::client::{Client, ListOptions, ValueParent};
use futures::TryStreamExt;

use crate::host::{
    Fill, Server, group_request, linked_account_request, org_request, project_request,
    remote_source_request, secret_request, variable_request,
};

#[tokio::test(flavor = "multi_thread")]
async fn every_function_of_the_client_works() {
    let server = Server::new().await;
    let client = server.client();
    client.ready().await.unwrap();
    client.add_remote_source("rs01").await;
    client
        .update_remote_source("rs01", &remote_source_request("rs01"))
        .await
        .unwrap();
    let source = client.remote_source("rs01").await.unwrap();
    assert_eq!(
        client
            .remote_sources(&ListOptions::default())
            .await
            .unwrap(),
        std::slice::from_ref(&source)
    );

    users(&client, &source.id).await;
    organizations(&client).await;
    for (parent, name) in [("org/org01", "pg01"), ("user/user01", "pg01")] {
        client
            .create_project_group(&group_request(parent, name))
            .await
            .unwrap();
    }
    let path = "org/org01/pg01";
    let group = client.project_group(path).await.unwrap();
    client
        .update_project_group(path, &group_request("org/org01", "pg01"))
        .await
        .unwrap();
    assert_eq!(
        client.project_group_subgroups("org/org01").await.unwrap(),
        [group]
    );
    client
        .create_project(&project_request(path, "project01"))
        .await
        .unwrap();
    let project = client.project("org/org01/pg01/project01").await.unwrap();
    client
        .update_project(
            "org/org01/pg01/project01",
            &project_request(path, "project01"),
        )
        .await
        .unwrap();
    assert_eq!(
        client.project_group_projects(path).await.unwrap(),
        [project]
    );
    values(&client, ValueParent::ProjectGroup(path)).await;
    values(&client, ValueParent::Project("org/org01/pg01/project01")).await;

    operations(&client).await;
    client
        .delete_project("org/org01/pg01/project01")
        .await
        .unwrap();
    client.delete_project_group(path).await.unwrap();
    client.delete_org("org01").await.unwrap();
    client.delete_user("user01").await.unwrap();
    client.delete_remote_source("rs01").await.unwrap();
}

async fn users(client: &Client, source_id: &str) {
    client.add_user("user00").await;
    let name = UpdateUserRequest {
        user_name: "user01".to_owned(),
    };
    let user = client.update_user("user00", &name).await.unwrap();
    assert_eq!(client.users(&ListOptions::all()).await.unwrap(), [user]);
    let request = CreateUserTokenRequest {
        token_name: "t1".to_owned(),
    };
    let token = client.create_token("user01", &request).await.unwrap().token;
    let account = client
        .create_linked_account("user01", &linked_account_request("rs01", "1"))
        .await
        .unwrap();
    let update = UpdateUserLaRequest {
        remote_user_id: "2".to_owned(),
        ..Default::default()
    };
    client
        .update_linked_account("user01", &account.id, &update)
        .await
        .unwrap();
    let user = client.user("user01").await.unwrap();
    assert_eq!(client.user_by_token(&token).await.unwrap(), user);
    assert_eq!(
        client.user_by_linked_account(&account.id).await.unwrap(),
        user
    );
    assert_eq!(
        client.user_by_remote_user("2", source_id).await.unwrap(),
        user
    );
    client.delete_token("user01", "t1").await.unwrap();
    client
        .delete_linked_account("user01", &account.id)
        .await
        .unwrap();
}

async fn organizations(client: &Client) {
    let org = client.create_org(&org_request("org01")).await.unwrap();
    assert_eq!(client.org("org01").await.unwrap(), org);
    assert_eq!(client.orgs(&ListOptions::default()).await.unwrap(), [org]);
    let role = AddOrgMemberRequest {
        role: Some(MemberRole::Owner),
    };
    client
        .put_org_member("org01", "user01", &role)
        .await
        .unwrap();
    assert_eq!(client.org_members("org01").await.unwrap().len(), 1);
    assert_eq!(client.user_orgs("user01").await.unwrap().len(), 1);
    client.delete_org_member("org01", "user01").await.unwrap();
}

async fn values(client: &Client, parent: ValueParent<'_>) {
    client
        .create_secret(parent, &secret_request("s01", "a", "1"))
        .await
        .unwrap();
    client
        .update_secret(parent, "s01", &secret_request("s02", "a", "1"))
        .await
        .unwrap();
    assert_eq!(client.secrets(parent, false).await.unwrap().len(), 1);
    assert_eq!(client.secrets(parent, true).await.unwrap().len(), 1);
    client.delete_secret(parent, "s02").await.unwrap();
    client
        .create_variable(parent, &variable_request("v01", "s", "a"))
        .await
        .unwrap();
    client
        .update_variable(parent, "v01", &variable_request("v02", "s", "a"))
        .await
        .unwrap();
    assert_eq!(client.variables(parent, true).await.unwrap().len(), 1);
    client.delete_variable(parent, "v02").await.unwrap();
}

async fn operations(client: &Client) {
    assert_eq!(client.instances().await.unwrap().len(), 1);
    client.enable_maintenance().await.unwrap();
    assert!(client.maintenance().await.unwrap().since.is_some());
    for format in ["agola", "native"] {
        let pieces: Vec<_> = client
            .export(format)
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        client
            .import(futures::stream::iter(
                pieces.into_iter().map(Ok::<_, configstore::Error>),
            ))
            .await
            .unwrap();
    }
    client.disable_maintenance().await.unwrap();
    let position = client.position().unwrap();
    client.remember(position);
}
