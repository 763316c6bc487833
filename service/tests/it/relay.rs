//! Bodies that are streams.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use service::client::Path;
use service::testing::{TestServer, wait_until};
use service::{Context, Error, Options, Service, relay};

/// Streams that say how many of them there are.
struct Streams {
    alive: Arc<()>,
}

impl Service for Streams {
    type State = ();

    fn name(&self) -> &'static str {
        "streams"
    }

    async fn start_without_store(&self, _: &Context) -> Result<(), Error> {
        Ok(())
    }

    fn routes(&self, routes: &mut web::ServiceConfig) {
        routes.route("/silent", web::get().to(nothing));
    }

    fn whole_routes(&self, routes: &mut web::ServiceConfig) {
        routes
            .app_data(self.alive.clone())
            .route("/api/v1alpha/silent", web::get().to(silent))
            .route("/api/v1alpha/broken", web::get().to(broken));
    }
}

async fn nothing() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

/// One piece, and then nothing for ever.
async fn silent(request: HttpRequest, context: Context) -> HttpResponse {
    let alive = request.app_data::<Arc<()>>().cloned();
    let pieces = stream::once(async { Ok(Bytes::from("first")) }).chain(stream::pending());
    let pieces = pieces.map(move |piece| {
        let _ = &alive;
        piece
    });
    HttpResponse::Ok().streaming(relay::outgoing(pieces.boxed(), &context, "a silent stream"))
}

async fn broken(context: Context) -> HttpResponse {
    let pieces = [
        Ok(Bytes::from("half of it")),
        Err(Error::unavailable("cut off")),
    ];
    let pieces = stream::iter(pieces).boxed();
    HttpResponse::Ok().streaming(relay::outgoing(pieces, &context, "a broken stream"))
}

/// Field case AP-14: the work behind a stream that is silent went on after its reader had left.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_reader_leaves_is_dropped_even_while_it_is_silent() {
    let alive = Arc::new(());
    let service = Streams {
        alive: alive.clone(),
    };
    let server = TestServer::ready(service, Options::without_store()).await;
    let idle = Arc::strong_count(&alive);
    let client = server.client();
    let mut readers = Vec::new();
    for _ in 0..20 {
        // The route with the whole path goes before the other one, which has no body.
        let mut pieces = client.follow(&Path::of(["silent"])).await.unwrap();
        assert_eq!(pieces.next().await.unwrap().unwrap(), "first");
        readers.push(pieces);
    }
    assert!(Arc::strong_count(&alive) >= idle + 20);
    drop(readers);
    wait_until("the streams are dropped", async || {
        Arc::strong_count(&alive) <= idle
    })
    .await;
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_is_not_taken_for_a_whole_one() {
    let service = Streams {
        alive: Arc::default(),
    };
    let server = TestServer::ready(service, Options::without_store()).await;
    // What came before the end may not have been sent any more.
    let client = server.client();
    let is_cut = match client.download(&Path::of(["broken"])).await {
        Ok(pieces) => pieces.collect::<Vec<_>>().await.pop().unwrap().is_err(),
        Err(_) => true,
    };
    assert!(is_cut);
    server.stop().await.unwrap();
}
