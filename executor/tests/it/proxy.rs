//! A proxy between executor and service that spoils some of the requests.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures::{StreamExt, stream};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    /// It is answered by this status, and the service does not hear of it.
    Refuse(u16),
    /// The service does what it asks for, and the answer is lost.
    LoseAnswer,
    /// The answer breaks off after half of its content.
    CutAnswer,
    /// It is not answered for a long time.
    Hang,
}

type Judge = dyn Fn(&str, &str, &[u8]) -> Fate + Send + Sync;

struct Shared {
    service_url: String,
    client: reqwest::Client,
    judge: Box<Judge>,
}

/// A proxy that runs until it is dropped.
pub(crate) struct Proxy {
    url: String,
    server: actix_web::dev::ServerHandle,
}

impl Proxy {
    /// One before the service at a URL, with what becomes of a request by its method, its path with the query, and its body.
    pub(crate) fn start(
        service_url: &str,
        judge: impl Fn(&str, &str, &[u8]) -> Fate + Send + Sync + 'static,
    ) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = web::Data::from(Arc::new(Shared {
            service_url: service_url.to_owned(),
            client: reqwest::Client::new(),
            judge: Box::new(judge),
        }));
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let system = actix_web::rt::System::new();
            system.block_on(async move {
                let app = move || {
                    App::new()
                        .app_data(shared.clone())
                        .app_data(web::PayloadConfig::new(64 * 1024 * 1024))
                        .default_service(web::to(forward))
                };
                let server = HttpServer::new(app)
                    .workers(2)
                    .disable_signals()
                    .listen(listener)
                    .unwrap()
                    .run();
                tell.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Proxy {
            url,
            server: told.recv().unwrap(),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn forward(
    request: HttpRequest,
    body: web::Bytes,
    shared: web::Data<Shared>,
) -> HttpResponse {
    let path = request.uri().to_string();
    let fate = (shared.judge)(request.method().as_str(), &path, &body);
    match fate {
        Fate::Refuse(status) => {
            let status = actix_web::http::StatusCode::from_u16(status).unwrap();
            return HttpResponse::build(status).finish();
        }
        Fate::Hang => tokio::time::sleep(Duration::from_secs(300)).await,
        _ => {}
    }
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes()).unwrap();
    let url = format!("{}{path}", shared.service_url);
    let mut forwarded = shared.client.request(method, url).body(body);
    for (name, value) in request.headers() {
        if !["host", "content-length", "transfer-encoding", "connection"].contains(&name.as_str()) {
            forwarded = forwarded.header(name.as_str(), value.as_bytes());
        }
    }
    let Ok(answer) = forwarded.send().await else {
        return HttpResponse::BadGateway().finish();
    };
    let status = actix_web::http::StatusCode::from_u16(answer.status().as_u16()).unwrap();
    if fate == Fate::LoseAnswer {
        return HttpResponse::BadGateway().finish();
    }
    let mut response = HttpResponse::build(status);
    for name in ["content-type", "cache-control"] {
        if let Some(value) = answer.headers().get(name) {
            response.insert_header((name, value.as_bytes()));
        }
    }
    if fate == Fate::CutAnswer {
        let whole = answer.bytes().await.unwrap_or_default();
        let half: Result<Bytes, std::io::Error> = Ok(whole.slice(..whole.len() / 2));
        let end = Err(std::io::Error::other("cut off"));
        return response.streaming(stream::iter([half, end]));
    }
    response.streaming(
        answer
            .bytes_stream()
            .map(|piece| piece.map_err(std::io::Error::other)),
    )
}
