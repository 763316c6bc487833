//! The routes of an executor.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures::{StreamExt, stream};
use runservice::api::ExecutorTask;

use super::Shared;

/// How long a server may take to send what it has.
const FLUSH_PAUSE: Duration = Duration::from_millis(50);

/// The bytes of the archive that a step has saved.
pub(crate) fn archive_of(task: &str, step: u32) -> Vec<u8> {
    format!("archive of step {step} of {task}\n")
        .repeat(20)
        .into_bytes()
}

/// Starts a server of its own threads.
pub(super) fn start(listener: TcpListener, shared: Arc<Shared>) -> ServerHandle {
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::from(shared.clone()))
            .app_data(web::PayloadConfig::new(16 * 1024 * 1024))
            .route("/api/v1alpha/executor", web::post().to(push))
            .route("/api/v1alpha/executor/logs", web::get().to(log))
            .route("/api/v1alpha/executor/archives", web::get().to(archive))
    })
    .workers(1)
    .disable_signals()
    .listen(listener)
    .unwrap()
    .run();
    let handle = server.handle();
    tokio::spawn(server);
    handle
}

async fn push(shared: web::Data<Shared>, body: Bytes) -> HttpResponse {
    shared.thawed().await;
    let shared = shared.into_inner();
    if shared.faults.refuses_pushes.load(Ordering::SeqCst) {
        return HttpResponse::InternalServerError().finish();
    }
    match serde_json::from_slice::<ExecutorTask>(&body) {
        Ok(task) => {
            shared.take(task);
            HttpResponse::Ok().finish()
        }
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}

fn parameter(request: &HttpRequest, name: &str) -> Option<String> {
    let url = reqwest::Url::parse(&format!("http://x/?{}", request.query_string())).unwrap();
    let mut pairs = url.query_pairs();
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// What is answered instead of what was asked for.
fn fault(shared: &Shared) -> Option<HttpResponse> {
    let status = shared.faults.statuses.lock().unwrap().pop()?;
    let status = actix_web::http::StatusCode::from_u16(status).unwrap();
    Some(HttpResponse::build(status).finish())
}

async fn log(shared: web::Data<Shared>, request: HttpRequest) -> HttpResponse {
    shared.thawed().await;
    if let Some(response) = fault(&shared) {
        return response;
    }
    let task = parameter(&request, "taskid").and_then(|id| shared.tasks.get(&id));
    let place = parameter(&request, "step").map(|step| step.parse().unwrap());
    let follows = parameter(&request, "follow").is_some();
    let Some((task, (whole, _))) = task.and_then(|task| Some((task.clone(), task.log(place, 0)?)))
    else {
        return HttpResponse::NotFound().finish();
    };
    if !follows {
        return whole_or_cut(&shared, whole);
    }
    let changes = task.changes();
    let body = stream::unfold(
        (changes, 0, false),
        move |(mut changes, sent, has_ended)| {
            let task = task.clone();
            async move {
                if has_ended {
                    return None;
                }
                loop {
                    changes.mark_unchanged();
                    let (piece, has_ended) = task.log(place, sent)?;
                    if !piece.is_empty() || has_ended {
                        let sent = sent + piece.len();
                        return Some((
                            Ok::<_, std::io::Error>(Bytes::from(piece)),
                            (changes, sent, has_ended),
                        ));
                    }
                    changes.changed().await.ok()?;
                }
            }
        },
    );
    HttpResponse::Ok().streaming(body)
}

async fn archive(shared: web::Data<Shared>, request: HttpRequest) -> HttpResponse {
    shared.thawed().await;
    if let Some(response) = fault(&shared) {
        return response;
    }
    let task = parameter(&request, "taskid").and_then(|id| shared.tasks.get(&id));
    let step = parameter(&request, "step").and_then(|step| step.parse().ok());
    match task.zip(step) {
        Some((task, step)) => whole_or_cut(&shared, archive_of(&task.name(), step)),
        None => HttpResponse::NotFound().finish(),
    }
}

fn whole_or_cut(shared: &Shared, body: Vec<u8>) -> HttpResponse {
    let mut cuts = shared.faults.cuts.lock().unwrap();
    if *cuts == 0 {
        return HttpResponse::Ok().body(body);
    }
    *cuts -= 1;
    let half = Bytes::copy_from_slice(&body[..body.len() / 2]);
    let cut = stream::iter([Ok(half)]).chain(stream::once(async {
        // Otherwise the server sends nothing at all, not even the half.
        tokio::time::sleep(FLUSH_PAUSE).await;
        Err(std::io::Error::other("cut"))
    }));
    HttpResponse::Ok()
        .no_chunking(u64::try_from(body.len()).unwrap())
        .streaming(cut.boxed())
}
