//! Who asks.

use gateway_client::ErrorKind;
use gateway_client::api::Visibility;
use reqwest::StatusCode;

use crate::host::{ADMIN_TOKEN, Fill, World, assert_kind, wait_until};

async fn status(world: &World, path: &str, authorization: Option<&str>) -> StatusCode {
    let mut request = reqwest::Client::new().get(world.url(path));
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    request.send().await.unwrap().status()
}

/// Field case AP-07: a wrong token fell through to another login, or to anonymous.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_credential_is_refused_wherever_credentials_are_looked_at() {
    let world = World::with(|settings| settings.authentication_failures.max = 0).await;
    let user = world.user("user01").await;
    user.client
        .add_project("", "public", Visibility::Public)
        .await;
    let project = "/projects/user%2Fuser01%2Fpublic";
    let good = format!("token {}", user.token);
    for (authorization, expected) in [
        (None, 200),
        (Some(good.as_str()), 200),
        (Some(good.replace("token", "TOKEN").as_str()), 200),
        (Some("token admintoken"), 200),
        (Some("token wrong"), 401),
        (Some("token "), 401),
        (Some("bearer wrong"), 401),
        (Some("bearer a.b.c"), 401),
        (Some(good.replace("token ", "token  ").as_str()), 401),
        // Another scheme counts as nothing.
        (Some("Basic dXNlcjpwYXNz"), 200),
    ] {
        let found = status(&world, project, authorization).await;
        assert_eq!(found, expected, "{authorization:?}");
    }
    // The header goes before the parameter, whatever it is.
    let parameter = format!("/user?access_token=token%20{}", user.token);
    for (path, authorization, expected) in [
        (parameter.as_str(), None, 200),
        (parameter.as_str(), Some("token wrong"), 401),
        (parameter.as_str(), Some("Basic x"), 401),
        ("/user?access_token=wrong", None, 401),
        ("/user", None, 401),
    ] {
        let found = status(&world, path, authorization).await;
        assert_eq!(found, expected, "{path} {authorization:?}");
    }
    // Where nobody is asked for one, none is looked at.
    assert_eq!(status(&world, "/version", Some("token wrong")).await, 200);
}

/// A token that was deleted, or whose user was, is none any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_its_deletion_and_with_its_user() {
    let world = World::new().await;
    let admin = world.admin();
    let (first, second) = (world.user("user01").await, world.user("user02").await);
    admin.delete_token("user01", "t1").await.unwrap();
    assert_kind(first.client.current_user().await, ErrorKind::Unauthorized);
    admin.delete_user("user02").await.unwrap();
    assert_kind(second.client.current_user().await, ErrorKind::Unauthorized);
}

/// The reference's defect 4: without a token of the administrator no token of a user was accepted.
#[tokio::test(flavor = "multi_thread")]
async fn the_administrator_finds_the_token_in_a_file_if_the_configuration_has_none() {
    let world = World::with(|settings| settings.admin_token.clear()).await;
    let file = world.directory().join("gateway").join("admin-token");
    let token = std::fs::read_to_string(&file).unwrap();
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    assert!(token.trim().len() >= 32);
    let admin = world.client(token.trim());
    assert!(
        admin
            .users(&gateway_client::Paging::default())
            .await
            .unwrap()
            .is_empty()
    );
    assert_kind(
        world.client(ADMIN_TOKEN).stores().await,
        ErrorKind::Unauthorized,
    );
    assert_kind(world.client("").stores().await, ErrorKind::Unauthorized);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_too_often_has_to_wait_and_others_do_not() {
    let world = World::with(|settings| settings.authentication_failures.max = 5).await;
    let user = world.user("user01").await;
    user.client.current_user().await.unwrap();
    user.client.current_user().await.unwrap();
    let wrong = world.client("wrong");
    let mut kinds = Vec::new();
    for _ in 0..8 {
        kinds.push(wrong.current_user().await.unwrap_err().kind());
    }
    assert_eq!(kinds[..5], [ErrorKind::Unauthorized; 5]);
    assert_eq!(kinds[5..], [ErrorKind::TooManyRequests; 3]);
    // A token that is known to be good is accepted from there all the same.
    user.client.current_user().await.unwrap();
    world.admin().stores().await.unwrap();
    world.anonymous().version().await.unwrap();
}

/// Field case AP-10: a token in the query came into the log of requests.
#[tokio::test(flavor = "multi_thread")]
async fn no_token_comes_into_the_log() {
    let world = World::new().await;
    let user = world.user("user01").await;
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let log = world.directory().join("log");
    let mut gateway = tokio::process::Command::new(env!("CARGO_BIN_EXE_gateway"))
        .env("DM_GATEWAY__ADMIN_TOKEN", ADMIN_TOKEN)
        .env("DM_GATEWAY__CONFIGSTORE_URL", world.configstore.url())
        .env("DM_GATEWAY__RUNSERVICE_URL", world.runservice.url())
        .env(
            "DM_GATEWAY__WEB__LISTEN_ADDRESS",
            format!("127.0.0.1:{port}"),
        )
        .env("DM_GATEWAY__DEBUG", "true")
        .stderr(std::fs::File::create(&log).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let url = format!("http://127.0.0.1:{port}/api/v1alpha");
    let ask = async |path: &str| {
        let answer = reqwest::get(format!("{url}{path}")).await;
        answer.is_ok_and(|answer| answer.status().is_success())
    };
    wait_until("the program answers", async || ask("/version").await).await;
    let path = format!("/user?access_token=token%20{}", user.token);
    assert!(ask(&path).await);
    assert!(!ask("/user?access_token=token%20wrongtoken").await);
    wait_until("the requests are in the log", async || {
        std::fs::read_to_string(&log)
            .unwrap()
            .matches("/api/v1alpha/user")
            .count()
            >= 2
    })
    .await;
    gateway.kill().await.unwrap();
    let log = std::fs::read_to_string(&log).unwrap();
    for secret in [user.token.as_str(), "wrongtoken", ADMIN_TOKEN] {
        assert!(!log.contains(secret), "{log}");
    }
}
