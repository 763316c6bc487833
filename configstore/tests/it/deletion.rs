//! Deleting trees.

use configstore::api::{AddOrgMemberRequest, CreateUserTokenRequest, MemberRole};
use configstore::client::{Client, ValueParent};

use crate::host::{
    Fill, Server, assert_not_found, assert_unknown, linked_account_request, project_request,
    secret_request, settings, variable_request, wait_until,
};
use crate::stored::{count, documents};

/// A tree with one of everything below an owner.
async fn fill(client: &Client, owner: &str) {
    client.add_group(owner, "pg01").await;
    let group = format!("{owner}/pg01");
    client.add_group(&group, "pg02").await;
    let deep = format!("{group}/pg02");
    client.add_project(&deep, "project01").await;
    let project = format!("{deep}/project01");
    for parent in [
        ValueParent::ProjectGroup(owner),
        ValueParent::ProjectGroup(&deep),
        ValueParent::Project(&project),
    ] {
        client
            .create_secret(parent, &secret_request("s01", "a", "1"))
            .await
            .unwrap();
        client
            .create_variable(parent, &variable_request("v01", "a", "1"))
            .await
            .unwrap();
    }
}

/// Field case AP-18: what lay below was left behind.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let server = Server::start(&settings).await;
    let client = server.client();
    client.add_remote_source("rs01").await;
    for by_id in [false, true] {
        let user = client.add_user("user01").await;
        let org = client.add_org("org01").await;
        let role = AddOrgMemberRequest {
            role: Some(MemberRole::Owner),
        };
        client
            .put_org_member("org01", "user01", &role)
            .await
            .unwrap();
        let request = CreateUserTokenRequest {
            token_name: "t".to_owned(),
        };
        client.create_token("user01", &request).await.unwrap();
        client
            .create_linked_account("user01", &linked_account_request("rs01", "1"))
            .await
            .unwrap();
        fill(&client, "user/user01").await;
        fill(&client, "org/org01").await;
        let group = client
            .project_group("org/org01/pg01")
            .await
            .unwrap()
            .project_group
            .id;
        let project = client
            .project("user/user01/pg01/pg02/project01")
            .await
            .unwrap()
            .project
            .id;
        match by_id {
            true => {
                client.delete_project(&project).await.unwrap();
                client.delete_project_group(&group).await.unwrap();
                client.delete_org(&org.id).await.unwrap();
                client.delete_user(&user.id).await.unwrap();
            }
            false => {
                client.delete_org("org01").await.unwrap();
                client.delete_user("user01").await.unwrap();
            }
        }
        assert_not_found(client.project(&project).await);
        assert_not_found(client.project_group(&group).await);
        assert_unknown(client.secrets(ValueParent::Project(&project), true).await);
        assert_unknown(
            client
                .create_project(&project_request(&group, "project09"))
                .await,
        );
    }
    server.stop().await.unwrap();
    let left = documents(&settings).await;
    // Those that were not deleted.
    assert_eq!(
        left.keys().collect::<Vec<_>>(),
        ["remotesource", "secretkey"]
    );
}

/// More than one transaction takes: the rest was to be deleted by the next start, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_tree_cannot_be_reached_at_once_and_goes_in_several_transactions() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let server = Server::start(&settings).await;
    let client = server.client();
    client.add_user("user01").await;
    server.stop().await.unwrap();
    crate::stored::add_projects(&settings, "user/user01", 2_500).await;
    // Left behind by a process that was stopped in the middle of it.
    crate::stored::remove_root_only(&settings, "user01").await;
    assert_eq!(count(&settings, "project").await, 2_500);
    let server = Server::start(&settings).await;
    let client = server.client();
    assert_not_found(client.project_group("user/user01").await);
    client.add_user("user01").await;
    assert!(
        client
            .project_group_projects("user/user01")
            .await
            .unwrap()
            .is_empty()
    );
    wait_until("everything is gone", async || {
        let exported = crate::transfer::export(&client, "native").await;
        let text = String::from_utf8(exported).unwrap();
        !text.contains("{\"type\":\"project\"") && !text.contains("{\"type\":\"deletion\"")
    })
    .await;
    server.stop().await.unwrap();
    assert_eq!(count(&settings, "project").await, 0);

    // And from the beginning through the API.
    crate::stored::add_projects(&settings, "user/user01", 2_500).await;
    let server = Server::start(&settings).await;
    let client = server.client();
    client.delete_user("user01").await.unwrap();
    server.stop().await.unwrap();
    assert_eq!(count(&settings, "project").await, 0);
    assert_eq!(count(&settings, "deletion").await, 0);
}
