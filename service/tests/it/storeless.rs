//! A server that works without a store.

use actix_web::{HttpResponse, web};
use service::client::Path;
use service::testing::TestServer;
use service::{Context, Error, ErrorKind, Opened, Options, Service};

struct Greeter;

impl Service for Greeter {
    type State = String;

    fn name(&self) -> &'static str {
        "greeter"
    }

    async fn start_without_store(&self, context: &Context) -> Result<String, Error> {
        Ok(format!("hello from {}", context.instance()))
    }

    fn routes(&self, routes: &mut web::ServiceConfig) {
        routes.route("/greeting", web::get().to(greet));
    }
}

async fn greet(Opened(greeting): Opened<String>) -> HttpResponse {
    HttpResponse::Ok().json(greeting)
}

#[tokio::test]
async fn a_server_without_a_store_has_its_own_routes_and_none_about_a_store() {
    let server = TestServer::ready(Greeter, Options::without_store()).await;
    let client = server.client();
    let greeting: String = client.get(&Path::of(["greeting"])).await.unwrap();
    assert!(greeting.starts_with("hello from greeter-"), "{greeting}");
    assert_eq!(client.position(), None);
    let described: serde_json::Value = client.get(&Path::of(["openapi.json"])).await.unwrap();
    let paths = &described["paths"];
    assert!(paths.get("/readyz").is_some(), "{paths}");
    assert!(paths.get("/api/v1alpha/export").is_none(), "{paths}");
    for path in ["maintenance", "instances", "export"] {
        let answer = client.get::<serde_json::Value>(&Path::of([path])).await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::NotFound, "{path}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_needs_a_store_does_not_run_without_one() {
    struct Needy;
    impl Service for Needy {
        type State = ();
        fn name(&self) -> &'static str {
            "needy"
        }
        fn routes(&self, _: &mut web::ServiceConfig) {}
    }
    let server = TestServer::start(Needy, Options::without_store());
    let error = server.ended().await.unwrap_err();
    assert!(
        error.chain().contains("without a store"),
        "{}",
        error.chain()
    );
}
