//! The log of changes.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::api::CALLER;
use crate::{Context, Error, context};

const CALLER_CHARACTERS_MAX: usize = 128;

/// Writes down who changed what: a line of the log with target `audit` for each change. Handlers take it as an argument.
#[derive(Clone, Debug)]
pub struct Audit {
    context: Context,
    caller: String,
}

impl Audit {
    /// For a server that knows better who asks than the request says.
    pub fn new(context: Context, caller: impl Into<String>) -> Audit {
        Audit {
            context,
            caller: caller.into(),
        }
    }

    /// Notes a change that has been committed: `action` (`create`, `update`, `delete`, …) of the thing `id` of a kind.
    /// None of them may be a secret.
    pub fn record(&self, action: &str, kind: &str, id: &str) {
        let store = self.context.store().ok();
        let position = store.map(|store| store.position().to_string());
        log::info!(
            target: "audit", instance = self.context.instance(), caller = self.caller, action = action, kind = kind,
            id = id, position = position;
            "{action} {kind} {id:?}"
        );
    }
}

impl FromRequest for Audit {
    type Error = Error;
    type Future = Ready<Result<Audit, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(context::of(request).map(|context| Audit {
            context,
            caller: caller(request),
        }))
    }
}

/// Who asks: what the request says of itself, and where it comes from.
fn caller(request: &HttpRequest) -> String {
    let address = request.peer_addr().map(|address| address.ip().to_string());
    let address = address.unwrap_or_default();
    let named = request.headers().get(CALLER);
    let named = named.and_then(|value| value.to_str().ok());
    match named {
        Some(named) => {
            let named: String = named.chars().take(CALLER_CHARACTERS_MAX).collect();
            format!("{named} ({address})")
        }
        None => address,
    }
}
