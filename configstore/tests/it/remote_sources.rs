//! Remote sources.

use configstore::api::{AuthType, CreateUpdateRemoteSourceRequest, RemoteSourceType};
use configstore::client::ListOptions;

use crate::host::{
    Fill, Server, assert_exists, assert_invalid, assert_not_found, assert_unknown,
    remote_source_request,
};

/// Test vectors 33 to 37, and field case AP-17.
#[tokio::test(flavor = "multi_thread")]
async fn remote_sources_are_made_and_changed() {
    let server = Server::new().await;
    let client = server.client();
    let made = client.add_remote_source("rs01").await;
    assert_exists(
        client
            .create_remote_source(&remote_source_request("rs01"))
            .await,
    );
    let renamed = client
        .update_remote_source("rs01", &remote_source_request("rs02"))
        .await
        .unwrap();
    assert_eq!(renamed.id, made.id);
    assert_not_found(client.remote_source("rs01").await);

    client.add_remote_source("rs01").await;
    let request = CreateUpdateRemoteSourceRequest {
        apiurl: "https://api01.example.com".to_owned(),
        ssh_host_key: "host key".to_owned(),
        login_enabled: Some(false),
        ..remote_source_request("rs01")
    };
    let changed = client.update_remote_source("rs01", &request).await.unwrap();
    assert_eq!(changed.apiurl, "https://api01.example.com");
    // It was dropped.
    assert_eq!(changed.ssh_host_key, "host key");
    assert_eq!(
        (changed.registration_enabled, changed.login_enabled),
        (None, Some(false))
    );
    let read = client.remote_source(&changed.id).await.unwrap();
    assert_eq!(
        (read.registration_enabled, read.login_enabled),
        (Some(true), Some(false))
    );
    assert_eq!(read.client_secret, "clientsecret");
    assert_exists(
        client
            .update_remote_source("rs01", &remote_source_request("rs02"))
            .await,
    );
    assert_unknown(
        client
            .update_remote_source("rs09", &remote_source_request("rs09"))
            .await,
    );
    let sources = client.remote_sources(&ListOptions::all()).await.unwrap();
    assert_eq!(
        sources
            .iter()
            .map(|source| &source.name[..])
            .collect::<Vec<_>>(),
        ["rs01", "rs02"]
    );

    // By id too.
    client
        .update_remote_source(&made.id, &remote_source_request("rs02"))
        .await
        .unwrap();
    client.delete_remote_source(&made.id).await.unwrap();
    client.delete_remote_source("rs01").await.unwrap();
    assert_unknown(client.delete_remote_source("rs01").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_remote_source_needs_is_checked() {
    let server = Server::new().await;
    let client = server.client();
    for change in [
        (|request| request.apiurl.clear()) as fn(&mut CreateUpdateRemoteSourceRequest),
        |request| request.kind = None,
        |request| request.auth_type = None,
        |request| request.oauth2_client_id.clear(),
        |request| request.oauth2_client_secret.clear(),
        |request| {
            request.kind = Some(RemoteSourceType::Github);
            request.auth_type = Some(AuthType::Password);
        },
        |request| {
            request.kind = Some(RemoteSourceType::Gitlab);
            request.auth_type = Some(AuthType::Password);
        },
    ] {
        let mut request = remote_source_request("rs01");
        change(&mut request);
        assert_invalid(client.create_remote_source(&request).await);
    }
    let request = CreateUpdateRemoteSourceRequest {
        auth_type: Some(AuthType::Password),
        oauth2_client_id: String::new(),
        oauth2_client_secret: String::new(),
        ..remote_source_request("rs01")
    };
    client.create_remote_source(&request).await.unwrap();
}
