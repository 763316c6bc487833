//! Projects.

use configstore::api::{
    ConfigType, CreateUpdateProjectRequest, Parent, RemoteRepositoryConfigType, RunDefinition,
    Visibility,
};

use crate::host::{
    Fill, Server, assert_exists, assert_invalid, assert_not_found, assert_unknown,
    linked_account_request, project_request, user_request,
};

const OWNERS: [&str; 2] = ["user/user01", "org/org01"];

/// Test vectors 9 to 14.
#[tokio::test(flavor = "multi_thread")]
async fn projects_have_names_of_their_own_in_each_group() {
    let server = Server::new().await;
    let client = server.client();
    client.add_user("user01").await;
    client.add_org("org01").await;
    for owner in OWNERS {
        client.add_project(owner, "project01").await;
    }
    for owner in OWNERS {
        client.add_group(owner, "projectgroup01").await;
    }
    for owner in OWNERS {
        let path = format!("{owner}/projectgroup01");
        let project = client.add_project(&path, "project01").await;
        assert_eq!(project.place.path, format!("{path}/project01"));
        assert_eq!(project.place.parent_path, path);
        assert_eq!(
            (
                project.project.secret.len(),
                project.project.webhook_secret.len()
            ),
            (40, 40)
        );
        for reference in [project.place.path.as_str(), &project.project.id] {
            assert_eq!(client.project(reference).await.unwrap(), project);
        }
        // A group may have the name of a project.
        client.add_group(owner, "project01").await;
    }
    for owner in OWNERS {
        for parent in [owner.to_owned(), format!("{owner}/projectgroup01")] {
            let result = client
                .create_project(&project_request(&parent, "project01"))
                .await;
            let message = result.as_ref().unwrap_err().to_string();
            assert!(
                message.contains(&format!("{parent}/project01")),
                "{message}"
            );
            assert_exists(result);
        }
    }
    assert_unknown(
        client
            .create_project(&project_request("unexistentid", "project02"))
            .await,
    );
    assert_unknown(
        client
            .create_project(&project_request("user/user09", "project02"))
            .await,
    );
    assert_invalid(
        client
            .create_project(&project_request("", "project02"))
            .await,
    );
    let request = CreateUpdateProjectRequest {
        parent: Parent::new(ConfigType::User, "user/user01"),
        ..project_request("", "project02")
    };
    assert_invalid(client.create_project(&request).await);
    for reference in [
        "user/user01/project02",
        "user/user09/x",
        "user",
        "/",
        "x/y/z",
        "user/user01/",
        "user/user01",
    ] {
        assert_not_found(client.project(reference).await);
    }
}

/// Test vector 15.
#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_made_once_however_many_ask_for_it() {
    let server = Server::new().await;
    let client = server.client();
    client.add_user("user01").await;
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let client = server.client();
        attempts.spawn(async move {
            client
                .create_project(&project_request("user/user01", "project02"))
                .await
        });
    }
    let results = attempts.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for result in results.into_iter().filter(Result::is_err) {
        assert_exists(result);
    }
    assert_eq!(
        client
            .project_group_projects("user/user01")
            .await
            .unwrap()
            .len(),
        1
    );
}

/// Test vectors 16 to 18, and field case AP-17.
#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_renamed_and_moved() {
    let server = Server::new().await;
    let client = server.client();
    client.add_user("user01").await;
    let group = "user/user01/projectgroup01";
    client.add_group("user/user01", "projectgroup01").await;
    let first = client.add_project(group, "project01").await;
    client.add_project(group, "project02").await;
    client.add_project("user/user01", "project01").await;

    let path = format!("{group}/project02");
    client
        .update_project(&path, &project_request(group, "newproject02"))
        .await
        .unwrap();
    assert_not_found(client.project(&path).await);
    let path = format!("{group}/project01");
    let same = client
        .update_project(&path, &project_request(group, "project01"))
        .await
        .unwrap();
    assert_eq!(same, first);
    assert_exists(
        client
            .update_project(&path, &project_request(group, "newproject02"))
            .await,
    );
    assert_exists(
        client
            .update_project(&path, &project_request("user/user01", "project01"))
            .await,
    );
    let request = CreateUpdateProjectRequest {
        visibility: Some(Visibility::Private),
        ssh_private_key: "key".to_owned(),
        skip_ssh_host_key_check: true,
        pass_vars_to_forked_pr: true,
        run_config: Some(RunDefinition {
            format: "yaml".to_owned(),
            content: "runs: []\n".to_owned(),
        }),
        ..project_request("user/user01", "newproject01")
    };
    let moved = client.update_project(&path, &request).await.unwrap();
    assert_eq!(moved.project.run_config, request.run_config);
    for (format, content) in [("xml", "x"), ("yaml", ""), ("", "x")] {
        let wrong = CreateUpdateProjectRequest {
            run_config: Some(RunDefinition {
                format: format.to_owned(),
                content: content.to_owned(),
            }),
            ..project_request("user/user01", "newproject01")
        };
        assert_invalid(client.update_project(&first.project.id, &wrong).await);
    }
    assert_eq!(moved.project.id, first.project.id);
    assert_eq!(moved.project.secret, first.project.secret);
    assert_eq!(moved.project.webhook_secret, first.project.webhook_secret);
    assert_eq!(moved.project.ssh_private_key, "key");
    assert_eq!(moved.place.path, "user/user01/newproject01");
    assert_eq!(moved.place.global_visibility, Some(Visibility::Private));
    assert_eq!(client.project(&first.project.id).await.unwrap(), moved);
    // What is left out is reset.
    let request = project_request("user/user01", "newproject01");
    let reset = client
        .update_project(&first.project.id, &request)
        .await
        .unwrap();
    assert_eq!(reset.project.ssh_private_key, "");
    assert_eq!(reset.project.run_config, None);
    assert!(!reset.project.skip_ssh_host_key_check);
    assert_unknown(client.update_project(&path, &request).await);
    // To another owner too: whether that is allowed is for the gateway to say.
    client.add_org("org01").await;
    let moved = client
        .update_project(
            &first.project.id,
            &project_request("org/org01", "project01"),
        )
        .await
        .unwrap();
    assert_eq!(moved.place.owner_type, Some(ConfigType::Org));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_at_a_remote_source_needs_a_linked_account_of_it() {
    let server = Server::new().await;
    let client = server.client();
    client.add_user("user01").await;
    let source = client.add_remote_source("rs01").await;
    let other = client.add_remote_source("rs02").await;
    let account = client
        .create_linked_account("user01", &linked_account_request("rs01", "1"))
        .await
        .unwrap();
    let request = CreateUpdateProjectRequest {
        remote_repository_config_type: Some(RemoteRepositoryConfigType::RemoteSource),
        remote_source_id: source.id.clone(),
        linked_account_id: account.id.clone(),
        repository_id: "1".to_owned(),
        repository_path: "user/repo".to_owned(),
        ..project_request("user/user01", "project01")
    };
    for change in [
        (|request| request.remote_source_id.clear()) as fn(&mut CreateUpdateProjectRequest),
        |request| request.linked_account_id.clear(),
        |request| request.repository_id.clear(),
        |request| request.repository_path.clear(),
        |request| request.visibility = None,
        |request| request.remote_repository_config_type = None,
    ] {
        let mut changed = request.clone();
        change(&mut changed);
        assert_invalid(client.create_project(&changed).await);
    }
    let wrong = CreateUpdateProjectRequest {
        linked_account_id: "none".to_owned(),
        ..request.clone()
    };
    assert_unknown(client.create_project(&wrong).await);
    let wrong = CreateUpdateProjectRequest {
        remote_source_id: other.id,
        ..request.clone()
    };
    assert_invalid(client.create_project(&wrong).await);
    let project = client.create_project(&request).await.unwrap();
    assert_eq!(project.project.repository_path, "user/repo");
    client.delete_user("user01").await.unwrap();
    // The account is gone with its user.
    client.create_user(&user_request("user02")).await.unwrap();
    let orphan = CreateUpdateProjectRequest {
        parent: Parent::project_group("user/user02"),
        ..request
    };
    assert_unknown(client.create_project(&orphan).await);
}
