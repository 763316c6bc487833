//! Users, linked accounts and tokens.

use configstore::ErrorKind;
use configstore::api::{
    CreateUserRequest, CreateUserTokenRequest, UpdateUserLaRequest, UpdateUserRequest,
};
use configstore::client::ListOptions;

use crate::host::{
    Fill, Server, assert_exists, assert_invalid, assert_not_found, assert_unknown,
    linked_account_request, user_request,
};

/// Test vectors 6 to 8.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_given_once_however_many_ask_for_it() {
    let server = Server::new().await;
    let client = server.client();
    let user = client.add_user("user01").await;
    assert_eq!(user.secret.len(), 40);
    assert_exists(client.create_user(&user_request("user01")).await);
    let mut attempts = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let client = server.client();
        attempts.spawn(async move { client.create_user(&user_request("user02")).await });
    }
    let results = attempts.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for result in results.into_iter().filter(Result::is_err) {
        assert_exists(result);
    }
    assert_eq!(client.user_names().await, ["user01", "user02"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_found_by_id_name_token_and_account_and_are_listed_page_by_page() {
    let server = Server::new().await;
    let client = server.client();
    let mut users = Vec::new();
    for number in 0..25 {
        users.push(client.add_user(&format!("user{number:02}")).await);
    }
    let third = &users[3];
    assert_eq!(client.user("user03").await.unwrap(), *third);
    assert_eq!(client.user(&third.id).await.unwrap(), *third);
    // Only the spelling that is stored is an id.
    assert_not_found(client.user(&third.id.to_uppercase()).await);
    assert_not_found(client.user(&format!("{{{}}}", third.id)).await);
    assert_not_found(client.user("USER03").await);

    let names = async |options: &ListOptions| {
        let users = client.users(options).await.unwrap();
        users.into_iter().map(|user| user.name).collect::<Vec<_>>()
    };
    let mut options = ListOptions::default();
    assert_eq!(
        names(&options).await,
        (15..25)
            .rev()
            .map(|n| format!("user{n:02}"))
            .collect::<Vec<_>>()
    );
    options.start = Some("user15".to_owned());
    assert_eq!(names(&options).await[0], "user14");
    options.limit = Some(100);
    options.start = None;
    assert_eq!(names(&options).await.len(), 20);
    options.ascending = true;
    // The name need not exist.
    options.start = Some("user03x".to_owned());
    assert_eq!(names(&options).await[0], "user04");
    assert_eq!(names(&ListOptions::all()).await.len(), 25);

    let token = client
        .create_token(
            "user03",
            &CreateUserTokenRequest {
                token_name: "to ken/1 %2F".to_owned(),
            },
        )
        .await
        .unwrap()
        .token;
    assert_eq!(token.len(), 40);
    let found = client.user_by_token(&token).await.unwrap();
    assert_eq!(found.id, third.id);
    // The name is told, and the value is not known to anybody.
    assert_eq!(found.tokens["to ken/1 %2F"], "");
    assert_not_found(client.user_by_token("").await);
    assert_not_found(client.user_by_token(&token.to_uppercase()).await);

    let source = client.add_remote_source("rs01").await;
    let account = client
        .create_linked_account("user03", &linked_account_request("rs01", "0123"))
        .await
        .unwrap();
    assert_eq!(
        client.user_by_linked_account(&account.id).await.unwrap().id,
        third.id
    );
    assert_eq!(
        client
            .user_by_remote_user("0123", &source.id)
            .await
            .unwrap()
            .id,
        third.id
    );
    // Ids of remote users are text.
    assert_not_found(client.user_by_remote_user("123", &source.id).await);
    assert_not_found(client.user_by_remote_user("0123", "rs01").await);
}

/// Field case AP-17: a user could not be updated with its own name, and any name was accepted.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_renamed_within_the_rules() {
    let server = Server::new().await;
    let client = server.client();
    let user = client.add_user("user01").await;
    client.add_user("user02").await;
    let name = |name: &str| UpdateUserRequest {
        user_name: name.to_owned(),
    };
    assert_eq!(
        client.update_user("user01", &name("user01")).await.unwrap(),
        user
    );
    assert_eq!(client.update_user("user01", &name("")).await.unwrap(), user);
    assert_exists(client.update_user("user01", &name("user02")).await);
    assert_invalid(client.update_user("user01", &name("no name")).await);
    assert_unknown(client.update_user("user03", &name("user04")).await);
    let renamed = client.update_user("user01", &name("user03")).await.unwrap();
    assert_eq!(renamed.id, user.id);
    // The paths of what is below follow, and the old name is free.
    assert_eq!(
        client
            .project_group("user/user03")
            .await
            .unwrap()
            .place
            .owner_id,
        user.id
    );
    assert_not_found(client.project_group("user/user01").await);
    client.add_user("user01").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_user_is_linked_once() {
    let server = Server::new().await;
    let client = server.client();
    client.add_remote_source("rs01").await;
    client.add_remote_source("rs02").await;
    client.add_user("user01").await;
    let request = CreateUserRequest {
        user_name: "user02".to_owned(),
        create_user_la_request: Some(linked_account_request("rs01", "1")),
    };
    let user = client.create_user(&request).await.unwrap();
    let account = user.linked_accounts.values().next().unwrap().clone();
    assert_eq!(account.remote_username, "name of 1");
    assert_eq!(
        account.oauth_2_access_token_expires_at.to_string(),
        "2030-01-02T03:04:05.5Z"
    );
    assert_eq!(client.user("user02").await.unwrap(), user);

    assert_exists(
        client
            .create_linked_account("user01", &linked_account_request("rs01", "1"))
            .await,
    );
    assert_exists(
        client
            .create_linked_account("user02", &linked_account_request("rs01", "1"))
            .await,
    );
    client
        .create_linked_account("user01", &linked_account_request("rs02", "1"))
        .await
        .unwrap();
    assert_unknown(
        client
            .create_linked_account("user01", &linked_account_request("rs03", "1"))
            .await,
    );
    assert_invalid(
        client
            .create_linked_account("user01", &linked_account_request("", "1"))
            .await,
    );
    assert_unknown(
        client
            .create_linked_account("user09", &linked_account_request("rs01", "2"))
            .await,
    );
    // None of a refused creation stays.
    let clash = CreateUserRequest {
        user_name: "user03".to_owned(),
        ..request
    };
    assert_exists(client.create_user(&clash).await);
    assert_not_found(client.user("user03").await);

    let update = UpdateUserLaRequest {
        remote_user_id: "2".to_owned(),
        oauth2_access_token: "new".to_owned(),
        ..Default::default()
    };
    assert_unknown(
        client
            .update_linked_account("user01", &account.id, &update)
            .await,
    );
    let updated = client
        .update_linked_account("user02", &account.id, &update)
        .await
        .unwrap();
    assert_eq!(updated.oauth2_access_token, "new");
    assert_eq!(updated.oauth2_refresh_token, "");
    assert!(updated.oauth_2_access_token_expires_at.is_zero());
    assert_eq!(
        client.user("user02").await.unwrap().linked_accounts[&account.id],
        updated
    );

    client.delete_remote_source("rs01").await.unwrap();
    assert_unknown(
        client
            .update_linked_account("user02", &account.id, &update)
            .await,
    );
    client
        .delete_linked_account("user02", &account.id)
        .await
        .unwrap();
    assert_unknown(client.delete_linked_account("user02", &account.id).await);
    assert!(
        client
            .user("user02")
            .await
            .unwrap()
            .linked_accounts
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_until_it_or_its_user_is_deleted() {
    let server = Server::new().await;
    let client = server.client();
    client.add_user("user01").await;
    client.add_user("user02").await;
    let request = |name: &str| CreateUserTokenRequest {
        token_name: name.to_owned(),
    };
    let first = client
        .create_token("user01", &request("t1"))
        .await
        .unwrap()
        .token;
    let second = client
        .create_token("user01", &request("a/b%2Fc ü"))
        .await
        .unwrap()
        .token;
    client.create_token("user02", &request("t1")).await.unwrap();
    assert_exists(client.create_token("user01", &request("t1")).await);
    assert_invalid(client.create_token("user01", &request("")).await);
    assert_unknown(client.create_token("user03", &request("t1")).await);
    assert_unknown(client.delete_token("user01", "t2").await);
    client.delete_token("user01", "a/b%2Fc ü").await.unwrap();
    assert_not_found(client.user_by_token(&second).await);
    client.delete_user("user01").await.unwrap();
    assert_not_found(client.user_by_token(&first).await);
    let error = client.user("user01").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::NotFound, "not_found")
    );
}
