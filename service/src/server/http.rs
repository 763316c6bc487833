//! The part of a server that has the socket.

use std::future::ready;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{CLOSE_TIMEOUT, around, tls};
use crate::config::{Limits, Web};
use crate::{Context, Error, json};

/// Connections that wait for being accepted.
const BACKLOG: u32 = 1024;

/// How requests are taken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpOptions {
    /// TLS. The address is not looked at: [`bind`](crate::bind) makes the socket.
    pub web: Web,
    /// A file with the token that callers have to show. Without one everybody is let in.
    pub bearer_token_file: Option<PathBuf>,
    /// What requests may take.
    pub limits: Limits,
    /// How long a stop may take. Default 10 s.
    pub shutdown_timeout: Duration,
    /// Threads that answer requests. The default is one for each processor.
    pub workers: Option<usize>,
}

/// Plain HTTP, no token.
impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions {
            web: Web::default(),
            bearer_token_file: None,
            limits: Limits::default(),
            shutdown_timeout: Duration::from_secs(10),
            workers: None,
        }
    }
}

/// A socket that is being served. One that is dropped ends at once.
pub(super) struct Http {
    context: Context,
    server: JoinHandle<std::io::Result<()>>,
    handle: ServerHandle,
    shutdown_timeout: Duration,
}

impl Http {
    pub(super) fn begin(
        listener: TcpListener,
        name: &str,
        options: &HttpOptions,
        context: Context,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Result<Http, Error> {
        let certificate = match options.web.tls {
            true => Some(tls::Certificate::load(name, &options.web)?),
            false => None,
        };
        let address = listener.local_addr().map_err(Error::internal)?;
        let tls = certificate.as_ref().map(tls::Certificate::server_config);
        let server = http_server(listener, &context, options, tls.transpose()?, routes)?;
        let handle = server.handle();
        let server = tokio::spawn(server);
        if let Some(certificate) = certificate {
            tokio::spawn(certificate.keep_current(context.clone()));
        }
        log::info!(
            instance = context.instance(), address:% = address, tls = options.web.tls;
            "{name} listens on {address}"
        );
        Ok(Http {
            context,
            server,
            handle,
            shutdown_timeout: options.shutdown_timeout,
        })
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Why it has ended by itself.
    pub(super) async fn ended(&mut self) -> Error {
        match (&mut self.server).await {
            Ok(Err(cause)) => Error::internal(cause),
            Ok(Ok(())) | Err(_) => Error::internal("the HTTP server has ended by itself"),
        }
    }

    /// Takes no more requests, and has those that run answered. Returns when all of the server has to have ended.
    pub(super) async fn stop(&mut self) -> Instant {
        let instance = self.context.instance();
        let deadline = Instant::now() + self.shutdown_timeout;
        log::info!(instance = instance; "stopping");
        self.context.stop();
        // The server itself gives up a little earlier, so that there is time for the rest.
        let stopped = tokio::time::timeout_at(deadline, self.handle.stop(true)).await;
        if stopped.is_err() {
            log::warn!(instance = instance; "requests were still being answered at the end of the time for stopping");
            self.server.abort();
        }
        deadline
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.context.stop();
        self.server.abort();
    }
}

fn http_server(
    listener: TcpListener,
    context: &Context,
    options: &HttpOptions,
    tls: Option<rustls::ServerConfig>,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> Result<Server, Error> {
    let context = context.clone();
    let factory = move || {
        App::new()
            .app_data(context.clone())
            .configure(json::extractors)
            .configure(routes.clone())
            .default_service(web::to(|| {
                ready(Err::<HttpResponse, Error>(around::nothing_here()))
            }))
            .wrap(from_fn(around::handle))
    };
    let limits = &options.limits;
    let stop_timeout = options.shutdown_timeout.saturating_sub(CLOSE_TIMEOUT);
    let mut server = HttpServer::new(factory)
        .disable_signals()
        .backlog(BACKLOG)
        .keep_alive(limits.keep_alive)
        .client_request_timeout(limits.head_timeout)
        // Also how long what is left of a body is read and dropped behind an answer that came early.
        .client_disconnect_timeout(limits.body_timeout)
        .max_connections(limits.connections_max)
        // Who has gone is noticed also while there is nothing to send.
        .h1_allow_half_closed(false)
        .shutdown_timeout(stop_timeout.as_secs().max(1));
    if let Some(workers) = options.workers {
        server = server.workers(workers.max(1));
    }
    let server = match tls {
        Some(tls) => server
            .tls_handshake_timeout(limits.head_timeout)
            .listen_rustls_0_23(listener, tls),
        None => server.listen(listener),
    };
    server.map(HttpServer::run).map_err(Error::internal)
}

/// A name that no other instance has.
pub(super) fn instance_name(service: &str) -> Result<String, Error> {
    let random = getrandom::u32().map_err(|cause| Error::internal(cause.to_string()))?;
    Ok(format!("{service}-{random:08x}"))
}
