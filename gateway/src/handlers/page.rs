//! The page for people, which is part of the program. It is a client of the API like any other.

use actix_web::HttpResponse;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{ServiceConfig, get, resource};

/// All that the page may do: run its own scripts and call this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const ICON: &str = "image/svg+xml";

/// Files of the page, each with its type, found at `/assets/` and the name it has in the directory `page`.
macro_rules! assets {
    ($($name:literal: $kind:expr,)*) => {
        &[$(($name, $kind, include_str!(concat!("../../page/", $name)))),*]
    };
}

const ASSETS: &[(&str, &str, &str)] = assets! {
    "api.js": SCRIPT,
    "app.js": SCRIPT,
    "dom.js": SCRIPT,
    "graph.js": SCRIPT,
    "icon.svg": ICON,
    "log.js": SCRIPT,
    "operator.js": SCRIPT,
    "parts.js": SCRIPT,
    "projects.js": SCRIPT,
    "run.js": SCRIPT,
    "runs.js": SCRIPT,
    "sign-in.js": SCRIPT,
    "style.css": STYLE,
    "task.js": SCRIPT,
};

pub(super) fn routes(config: &mut ServiceConfig) {
    let index = include_str!("../../page/index.html");
    config.service(resource("/").route(get().to(move || async move { file(HTML, index) })));
    for (name, kind, content) in ASSETS {
        let route = get().to(move || async move { file(kind, content) });
        config.service(resource(format!("/assets/{name}")).route(route));
    }
}

fn file(kind: &'static str, content: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, kind))
        // The files change with the program, and have to fit each other.
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(content)
}
