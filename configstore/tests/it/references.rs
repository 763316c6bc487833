//! References and names in paths.

use configstore::api::CreateUserTokenRequest;
use configstore::client::ValueParent;
use reqwest::StatusCode;

use crate::host::{
    Fill, Server, assert_invalid, assert_unknown, group_request, org_request, project_request,
    remote_source_request, secret_request, user_request, variable_request,
};

/// Field case AP-11: references with slashes failed on some routes, or were decoded twice.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_takes_an_id_a_name_and_a_path_alike() {
    let server = Server::new().await;
    let client = server.client();
    let long = format!("A{}-9", "z".repeat(300));
    for name in ["Abc-XYZ-0123456789", "a1", &long] {
        let user = client.add_user(name).await;
        assert_eq!(
            client.user(name).await.unwrap(),
            client.user(&user.id).await.unwrap()
        );
        let org = client.add_org(name).await;
        assert_eq!(
            client.org(name).await.unwrap(),
            client.org(&org.id).await.unwrap()
        );
        let group = client.add_group(&format!("org/{name}"), name).await;
        let (path, id) = (group.place.path.clone(), group.project_group.id.clone());
        assert_eq!(path, format!("org/{name}/{name}"));
        let project = client.add_project(&id, name).await;
        let below = client.add_group(&path, "below").await;
        for reference in [&path, &id] {
            assert_eq!(client.project_group(reference).await.unwrap(), group);
            assert_eq!(
                client.project_group_subgroups(reference).await.unwrap(),
                std::slice::from_ref(&below)
            );
            assert_eq!(
                client.project_group_projects(reference).await.unwrap(),
                std::slice::from_ref(&project)
            );
            let request = group_request(&format!("org/{name}"), name);
            assert_eq!(
                client
                    .update_project_group(reference, &request)
                    .await
                    .unwrap(),
                group
            );
            values(&client, ValueParent::ProjectGroup(reference)).await;
        }
        for reference in [&project.place.path, &project.project.id] {
            assert_eq!(client.project(reference).await.unwrap(), project);
            let request = project_request(&path, name);
            assert_eq!(
                client.update_project(reference, &request).await.unwrap(),
                project
            );
            values(&client, ValueParent::Project(reference)).await;
        }
        client.delete_project(&project.place.path).await.unwrap();
        client.add_project(&path, name).await;
        client.delete_project_group(&path).await.unwrap();
    }

    async fn values(client: &configstore::client::Client, parent: ValueParent<'_>) {
        client
            .create_secret(parent, &secret_request("s-01", "a", "1"))
            .await
            .unwrap();
        assert_eq!(client.secrets(parent, true).await.unwrap().len(), 1);
        client.delete_secret(parent, "s-01").await.unwrap();
        client
            .create_variable(parent, &variable_request("v-01", "a", "1"))
            .await
            .unwrap();
        assert_eq!(client.variables(parent, true).await.unwrap().len(), 1);
        client.delete_variable(parent, "v-01").await.unwrap();
    }
}

/// Names of tokens are free: one that had to be escaped could be made and not deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_decoded_once() {
    let server = Server::new().await;
    let client = server.client();
    client.add_user("user01").await;
    for name in [
        "a/b", "%2F", "a%252Fb", "a b+c", "ü/☃", "?#&=", "a.b", "..a", "'\"<>",
    ] {
        let request = CreateUserTokenRequest {
            token_name: name.to_owned(),
        };
        client.create_token("user01", &request).await.unwrap();
        assert!(
            client
                .user("user01")
                .await
                .unwrap()
                .tokens
                .contains_key(name)
        );
        assert_unknown(client.delete_token("user01", &format!("{name}x")).await);
        client.delete_token("user01", name).await.unwrap();
    }
    client.add_group("user/user01", "pg01").await;
    for (path, status) in [
        ("/projectgroups/user%2Fuser01%2Fpg01", StatusCode::OK),
        ("/projectgroups/user%2fuser01%2fpg01", StatusCode::OK),
        (
            "/projectgroups/user%252Fuser01%252Fpg01",
            StatusCode::NOT_FOUND,
        ),
        (
            "/projectgroups/user%2Fuser01%2F%2Fpg01",
            StatusCode::NOT_FOUND,
        ),
        (
            "/projectgroups/%2Fuser%2Fuser01%2Fpg01",
            StatusCode::NOT_FOUND,
        ),
        (
            "/projectgroups/user%2Fuser01%2F..%2Fuser01",
            StatusCode::NOT_FOUND,
        ),
        ("/projectgroups/a%25zz", StatusCode::NOT_FOUND),
        ("/projectgroups/a%zz", StatusCode::BAD_REQUEST),
        ("/projectgroups/%FF", StatusCode::BAD_REQUEST),
        ("/projectgroups/%00", StatusCode::NOT_FOUND),
        ("/projects/user%2Fuser01", StatusCode::NOT_FOUND),
        ("/users/user%2Fuser01", StatusCode::NOT_FOUND),
        ("/users/user01/orgs/x", StatusCode::NOT_FOUND),
        ("/none", StatusCode::NOT_FOUND),
    ] {
        let url = format!("{}/api/v1alpha{path}", server.url());
        let found = raw_get(&url).await;
        assert_eq!(found, status, "{path}");
    }
}

/// As it stands: clients of URLs take out what they think that nobody means.
async fn raw_get(url: &str) -> StatusCode {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap();
    StatusCode::from_bytes(status.as_bytes()).unwrap()
}

/// Field case AP-20: names that break paths or look like ids.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_cannot_be_are_refused_with_a_reason_wherever_one_is_given() {
    let server = Server::new().await;
    let client = server.client();
    client.add_user("user01").await;
    client.add_project("user/user01", "project01").await;
    let parent = ValueParent::Project("user/user01/project01");
    let too_long = "a".repeat(513);
    for name in [
        "",
        "a",
        "1a",
        "a-",
        "-a",
        "a--b",
        "a_b",
        "a.b",
        "a/b",
        "a b",
        "añb",
        "☃☃",
        "a\0b",
        "cba7b810-9dad-11d1-80b4-00c04fd430c8",
        "cba7b8109dad11d180b400c04fd430c8",
        &too_long,
    ] {
        assert_invalid(client.create_user(&user_request(name)).await);
        assert_invalid(client.create_org(&org_request(name)).await);
        assert_invalid(
            client
                .create_project_group(&group_request("user/user01", name))
                .await,
        );
        assert_invalid(
            client
                .create_project(&project_request("user/user01", name))
                .await,
        );
        assert_invalid(
            client
                .create_remote_source(&remote_source_request(name))
                .await,
        );
        assert_invalid(
            client
                .create_secret(parent, &secret_request(name, "a", "1"))
                .await,
        );
        assert_invalid(
            client
                .create_variable(parent, &variable_request(name, "a", "1"))
                .await,
        );
    }
    // The limit of 40 characters came after v0.7.
    let long = format!("u{}", "x".repeat(40));
    client.add_user(&long).await;
}
