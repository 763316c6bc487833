//! Which pages may call the API: what is answered. What browsers make of it is tested in `browser`.

use gateway::Settings;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response};

use crate::host::World;

const ALLOWED: &str = "https://app.example.com";
const OTHER: &str = "https://evil.example.com";

async fn world(origins: &[&str]) -> World {
    let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
    World::with(|settings| settings.web.allowed_origins = origins).await
}

async fn ask(world: &World, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = reqwest::Client::new().request(method, world.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn grant(headers: &HeaderMap) -> Option<&str> {
    assert!(!headers.contains_key("access-control-allow-credentials"));
    headers
        .get("access-control-allow-origin")
        .map(|value| value.to_str().unwrap())
}

/// Field case AP-05.
fn assert_varies(headers: &HeaderMap) {
    let vary = headers.get_all("vary").iter();
    let vary: Vec<String> = vary
        .map(|value| value.to_str().unwrap().to_ascii_lowercase())
        .collect();
    assert!(
        vary.iter().any(|value| value.contains("origin")),
        "{vary:?}"
    );
}

/// Field cases AP-03 and AP-05.
#[tokio::test(flavor = "multi_thread")]
async fn preflights_are_answered_before_anybody_is_asked_who_it_is() {
    let world = world(&[ALLOWED]).await;
    for (path, method) in [
        ("/user", "GET"),
        ("/users", "POST"),
        ("/projects/user%2Fa%2Fb", "DELETE"),
        ("/projects/user%2Fa%2Fb/runs/1/actions", "PUT"),
        ("/admin/stores", "GET"),
        ("/maintenance/configstore", "PUT"),
        ("/version", "GET"),
    ] {
        let headers = |origin| {
            [
                ("Origin", origin),
                ("Access-Control-Request-Method", method),
                (
                    "Access-Control-Request-Headers",
                    "authorization,content-type",
                ),
            ]
        };
        let allowed = ask(&world, Method::OPTIONS, path, &headers(ALLOWED)).await;
        assert!(
            allowed.status().is_success(),
            "{path}: {}",
            allowed.status()
        );
        assert_eq!(grant(allowed.headers()), Some(ALLOWED), "{path}");
        let granted = allowed.headers()["access-control-allow-headers"]
            .to_str()
            .unwrap();
        let granted = granted.to_ascii_lowercase();
        assert!(
            granted.contains("authorization") && granted.contains("content-type"),
            "{granted}"
        );
        let methods = allowed.headers()["access-control-allow-methods"]
            .to_str()
            .unwrap();
        assert!(methods.contains(method), "{methods}");
        assert_varies(allowed.headers());
        let other = ask(&world, Method::OPTIONS, path, &headers(OTHER)).await;
        assert_eq!(grant(other.headers()), None, "{path}");
    }
    // It opens no way around.
    let request = ask(&world, Method::GET, "/admin/stores", &[("Origin", ALLOWED)]).await;
    assert_eq!(request.status(), 401);
    // Only what the API needs.
    for (name, value) in [
        ("Access-Control-Request-Method", "PATCH"),
        ("Access-Control-Request-Headers", "x-other"),
    ] {
        let headers = [
            ("Origin", ALLOWED),
            ("Access-Control-Request-Method", "GET"),
            (name, value),
        ];
        // The later of two values with one name is sent as well, so PATCH is asked for by itself.
        let headers = if name == "Access-Control-Request-Method" {
            vec![headers[0], headers[2]]
        } else {
            headers.to_vec()
        };
        let refused = ask(&world, Method::OPTIONS, "/user", &headers).await;
        assert!(
            refused.status().is_client_error(),
            "{name}: {}",
            refused.status()
        );
    }
}

/// Field cases AP-02, AP-04 and AP-05.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_to_an_allowed_page_can_be_read_by_it_and_no_other_can() {
    let world = world(&["HTTPS://App.Example.com:443", "http://localhost:3000"]).await;
    let big = "x".repeat(2 * 1024 * 1024);
    let admin = ("Authorization", "token admintoken");
    for (what, method, path, authorization, body, status) in [
        ("good", Method::GET, "/version", None, "", 200),
        ("without a token", Method::GET, "/user", None, "", 401),
        (
            "a wrong token",
            Method::GET,
            "/user",
            Some(("Authorization", "token wrong")),
            "",
            401,
        ),
        (
            "not there",
            Method::GET,
            "/users/nobody",
            Some(admin),
            "",
            404,
        ),
        ("no route", Method::GET, "/nothing", Some(admin), "", 404),
        (
            "no method",
            Method::DELETE,
            "/version",
            Some(admin),
            "",
            405,
        ),
        ("no JSON", Method::POST, "/users", Some(admin), "{", 400),
        (
            "too much",
            Method::POST,
            "/users",
            Some(admin),
            big.as_str(),
            413,
        ),
        (
            "not clean",
            Method::GET,
            "/users/a%2F%2Fb",
            Some(admin),
            "",
            301,
        ),
        (
            "not yet",
            Method::POST,
            "/auth/login",
            None,
            "{\"remote_source_name\": \"x\"}",
            0,
        ),
    ] {
        for (origin, expected) in [
            (Some(ALLOWED), Some(ALLOWED)),
            (Some("http://localhost:3000"), Some("http://localhost:3000")),
            (Some(OTHER), None),
            (Some("https://app.example.com:8443"), None),
            (Some("http://app.example.com"), None),
            (Some("null"), None),
            (None, None),
        ] {
            let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
            let mut request = client
                .build()
                .unwrap()
                .request(method.clone(), world.url(path))
                .body(body.to_owned());
            if let Some((name, value)) = authorization {
                request = request.header(name, value);
            }
            if let Some(origin) = origin {
                request = request.header("Origin", origin);
            }
            let response = request.send().await.unwrap();
            if status != 0 {
                assert_eq!(response.status(), status, "{what}");
            }
            assert_eq!(grant(response.headers()), expected, "{what}, {origin:?}");
            assert_varies(response.headers());
        }
    }
}

/// Field cases AP-01 and AP-06.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_nothing_is_said_about_other_origins_nor_by_the_services() {
    let off = World::new().await;
    let preflight = [
        ("Origin", ALLOWED),
        ("Access-Control-Request-Method", "GET"),
    ];
    let response = ask(&off, Method::GET, "/version", &preflight[..1]).await;
    assert_eq!(grant(response.headers()), None);
    let response = ask(&off, Method::OPTIONS, "/version", &preflight).await;
    assert_eq!(
        (response.status().as_u16(), grant(response.headers())),
        (405, None)
    );

    let all = world(&["*"]).await;
    let response = ask(&all, Method::GET, "/version", &preflight[..1]).await;
    assert_eq!(grant(response.headers()), Some("*"));
    for url in [all.configstore.url(), all.runservice.url()] {
        let url = format!("{url}/api/v1alpha/maintenance");
        for method in [Method::GET, Method::OPTIONS] {
            let request = reqwest::Client::new().request(method, &url);
            let response = request
                .header("Origin", ALLOWED)
                .header("Access-Control-Request-Method", "GET");
            assert_eq!(grant(response.send().await.unwrap().headers()), None);
        }
    }
}

/// Field case AP-01.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_origin_stops_the_start() {
    for origin in [
        "",
        "https://*",
        "https://*.example.com",
        "example.com",
        "https://a.example.com/",
        "null",
    ] {
        let mut settings = Settings::default();
        settings.web.allowed_origins = vec![origin.to_owned()];
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let error = gateway::run(listener, &settings, std::future::pending())
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("gateway.web.allowedOrigins"),
            "{origin}: {error}"
        );
    }
}
