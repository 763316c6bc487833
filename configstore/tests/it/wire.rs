//! What goes over the wire, byte by byte.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::host::{Fill, Server};

async fn send(
    server: &Server,
    method: Method,
    path: &str,
    body: &str,
) -> (StatusCode, String, String) {
    let url = format!("{}/api/v1alpha{path}", server.url());
    let request = reqwest::Client::new()
        .request(method, url)
        .body(body.to_owned());
    let response = request.send().await.unwrap();
    let content_type = response.headers().get("content-type");
    let content_type = content_type.map(|value| value.to_str().unwrap().to_owned());
    assert!(
        response
            .headers()
            .get("access-control-allow-origin")
            .is_none()
    );
    (
        response.status(),
        content_type.unwrap_or_default(),
        response.text().await.unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_answers_are_those_of_agola() {
    let server = Server::new().await;
    let post = async |path: &str, body: &str| send(&server, Method::POST, path, body).await;
    let get = async |path: &str| send(&server, Method::GET, path, "").await;

    let (status, content_type, body) =
        post("/users", "{\"USER_NAME\":\"user01\",\"x\":1} trailing").await;
    assert_eq!(
        (status, content_type.as_str()),
        (StatusCode::CREATED, "application/json")
    );
    let user: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        user.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["id", "name", "secret"]
    );
    assert!(!body.ends_with('\n') && !body.contains(": "));
    let id = user["id"].as_str().unwrap();

    let (_, _, body) = post("/orgs", "{\"name\":\"org01\",\"visibility\":\"public\"}").await;
    let org: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        org.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["created_at", "id", "name", "visibility"]
    );

    let (status, _, body) = get("/projectgroups/user%2Fuser01").await;
    assert_eq!(status, StatusCode::OK);
    let group: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        group,
        json!({"id": group["id"], "parent": {"type": "user", "id": id}, "visibility": "public", "OwnerType": "user",
            "OwnerID": id, "Path": "user/user01", "ParentPath": "user/user01", "GlobalVisibility": "public"})
    );

    let request = json!({"Name": "project01", "Parent": {"type": "projectgroup", "id": "user/user01"},
        "Visibility": "public", "RemoteRepositoryConfigType": "manual", "RemoteSourceID": "", "SSHPrivateKey": "<&>"});
    let (status, _, body) = post("/projects", &request.to_string()).await;
    assert_eq!(status, StatusCode::CREATED);
    assert!(
        body.contains("\"ssh_private_key\":\"\\u003c\\u0026\\u003e\""),
        "{body}"
    );
    let project: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        project,
        json!({"id": project["id"], "name": "project01", "secret": project["secret"],
            "parent": {"type": "projectgroup", "id": group["id"]}, "visibility": "public",
            "remote_repository_config_type": "manual", "ssh_private_key": "<&>", "webhook_secret": project["webhook_secret"],
            "OwnerType": "user", "OwnerID": id, "Path": "user/user01/project01", "ParentPath": "user/user01",
            "GlobalVisibility": "public"})
    );

    let request = json!({"Name": "s01", "Type": "internal", "Data": {"k": "v"}});
    let (status, _, body) = post(
        "/projects/user%2Fuser01%2Fproject01/secrets",
        &request.to_string(),
    )
    .await;
    assert_eq!(status, StatusCode::CREATED);
    let mut secret: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        secret,
        json!({"id": secret["id"], "name": "s01", "parent": {"type": "project", "id": project["id"]},
            "type": "internal", "data": {"k": "v"}})
    );
    let (_, _, body) = get("/projects/user%2Fuser01%2Fproject01/secrets?tree").await;
    secret["ParentPath"] = json!("user/user01/project01");
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!([secret])
    );
    for (path, empty) in [
        ("/projects/user%2Fuser01%2Fproject01/variables", "[]"),
        ("/remotesources", "[]"),
        ("/users/user01/orgs", "[]"),
        ("/projectgroups/user%2Fuser01/subgroups", "[]"),
        ("/orgs/org01/members", "[]"),
    ] {
        assert_eq!(get(path).await.2, empty, "{path}");
    }
    let request = json!({"Role": "owner"}).to_string();
    let (status, ..) = send(&server, Method::PUT, "/orgs/org01/members/user01", &request).await;
    assert_eq!(status, StatusCode::CREATED);
    let (_, _, body) = get("/orgs/org01/members").await;
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!([{"User": user, "Role": "owner"}])
    );
    let (_, _, body) = get("/users/user01/orgs").await;
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!([{"Organization": org, "Role": "owner"}])
    );
    let (status, _, body) = send(&server, Method::DELETE, "/orgs/org01/members/user01", "").await;
    assert_eq!((status, body.as_str()), (StatusCode::NO_CONTENT, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_a_code_and_a_message() {
    let server = Server::new().await;
    let client = server.client();
    client.add_user("user01").await;
    for (method, path, body, status, code) in [
        (Method::GET, "/users/none", "", 404, "not_found"),
        (Method::GET, "/none", "", 404, "not_found"),
        (
            Method::PATCH,
            "/users/user01",
            "{}",
            405,
            "method_not_allowed",
        ),
        (Method::POST, "/users", "", 400, "bad_request"),
        (Method::POST, "/users", "null", 400, "bad_request"),
        (Method::POST, "/users", "[]", 400, "bad_request"),
        (
            Method::POST,
            "/users",
            "{\"user_name\":1}",
            400,
            "bad_request",
        ),
        (
            Method::POST,
            "/users",
            "{\"user_name\":\"user01\"}",
            400,
            "already_exists",
        ),
        (
            Method::POST,
            "/remotesources",
            "{\"Name\":\"rs\",\"APIURL\":\"x\",\"Type\":\"svn\"}",
            400,
            "bad_request",
        ),
        (Method::PUT, "/users/none", "{}", 400, "unknown_reference"),
        (
            Method::PUT,
            "/users/user01/linkedaccounts/none",
            "null",
            400,
            "bad_request",
        ),
        (Method::DELETE, "/orgs/none", "", 400, "unknown_reference"),
        (Method::GET, "/users?limit=-1", "", 400, "bad_request"),
        (
            Method::GET,
            "/users?limit=x&query_type=bytoken",
            "",
            400,
            "bad_request",
        ),
        (
            Method::GET,
            "/users?query_type=bytoken&token=x",
            "",
            404,
            "not_found",
        ),
        (
            Method::GET,
            "/projects/none/secrets",
            "",
            400,
            "unknown_reference",
        ),
        (
            Method::GET,
            "/projectgroups/none/projects",
            "",
            404,
            "not_found",
        ),
        (Method::POST, "/import", "x", 400, "not_in_maintenance"),
    ] {
        let (found, content_type, text) = send(&server, method.clone(), path, body).await;
        assert_eq!(found.as_u16(), status, "{method} {path} {body}: {text}");
        assert_eq!(content_type, "application/json");
        let error: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(error["code"], code, "{method} {path} {body}");
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
    }
    // Flags count by their presence, and unknown queries are lists.
    client.add_user("user02").await;
    for (query, first) in [
        ("asc=false", "user01"),
        ("asc", "user01"),
        ("", "user02"),
        ("query_type=x", "user02"),
        ("limit=%2B1", "user02"),
    ] {
        let (_, _, body) = send(&server, Method::GET, &format!("/users?{query}"), "").await;
        assert_eq!(
            serde_json::from_str::<Value>(&body).unwrap()[0]["name"],
            first,
            "{query}"
        );
    }
}

/// Field case AP-06: internal services do not give browsers access.
#[tokio::test(flavor = "multi_thread")]
async fn no_origin_is_let_in() {
    let server = Server::new().await;
    let url = format!("{}/api/v1alpha/users", server.url());
    for method in [Method::OPTIONS, Method::GET] {
        let request = reqwest::Client::new().request(method, &url);
        let request = request.header("origin", "https://example.com");
        let response = request
            .header("access-control-request-method", "GET")
            .send()
            .await
            .unwrap();
        assert!(
            response
                .headers()
                .keys()
                .all(|name| !name.as_str().starts_with("access-control"))
        );
    }
}

/// Every route of the reference is in the description, and nothing else but those of operations.
#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_every_route_and_is_the_one_that_is_checked_in() {
    let server = Server::new().await;
    service::testing::assert_description_is_complete(server.url(), 49).await;
    let directory = env!("CARGO_MANIFEST_DIR");
    service::testing::assert_description_is_checked_in(server.url(), directory).await;
}
