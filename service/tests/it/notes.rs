//! A small server: notes by id, a counter, and a stream.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use datamanager::{Conversion, DataManager, ExportFormat, LogKind};
use futures::{StreamExt, stream};
use prometheus::IntGauge;
use serde::{Deserialize, Serialize};
use service::{Audit, Context, Error, Json, Opened, Options, Service, StoreOptions, json};

/// What stands before each text as it is stored, and does not leave in format agola.
const SEALED: &str = "sealed:";
pub(crate) const TYPE: &str = "note";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Note {
    pub(crate) id: String,
    pub(crate) text: String,
}

pub(crate) struct Notes;

pub(crate) fn options(directory: &Path) -> Options {
    let mut store = StoreOptions::new("notes", "notesdata", directory);
    store.settings.maintain = false;
    Options::new(store)
}

/// Several servers can have a store in this directory at once.
pub(crate) fn shared_options(directory: &Path) -> Options {
    let mut options = options(directory);
    options.store.as_mut().unwrap().log = Some(LogKind::Object);
    options
}

impl Service for Notes {
    type State = DataManager;

    fn name(&self) -> &'static str {
        "notes"
    }

    async fn start(&self, store: DataManager) -> Result<DataManager, Error> {
        Ok(store)
    }

    fn routes(&self, routes: &mut web::ServiceConfig) {
        routes
            .service(
                web::resource("/notes/{id}")
                    .get(get_note)
                    .put(put_note)
                    .delete(delete_note),
            )
            .service(web::resource("/counter").get(get_counter).post(count))
            .service(web::resource("/slow").put(slow))
            .service(web::resource("/number/{number}").get(number))
            .service(web::resource("/ticks").get(ticks));
    }

    fn export_conversion(&self, _: &DataManager, format: ExportFormat) -> Option<Conversion> {
        (format == ExportFormat::Agola).then(|| -> Conversion {
            Arc::new(|mut entry| {
                let sealed = std::str::from_utf8(&entry.value)?;
                let text = sealed.strip_prefix(SEALED).ok_or("not sealed")?.to_owned();
                entry.value = text.into();
                Ok(entry)
            })
        })
    }

    fn import_conversion(&self, _: &DataManager, format: ExportFormat) -> Option<Conversion> {
        Some(Arc::new(move |mut entry| {
            if entry.data_type != TYPE {
                return Err(format!("type {:?} is not known", entry.data_type).into());
            }
            if format == ExportFormat::Agola {
                let text = std::str::from_utf8(&entry.value)?;
                entry.value = format!("{SEALED}{text}").into();
            }
            Ok(entry)
        }))
    }
}

async fn get_note(
    Opened(store): Opened<DataManager>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let id = id.into_inner();
    let Some(sealed) = store.get_raw(TYPE, &id).await? else {
        return Err(Error::not_found(format!("there is no note {id:?}")));
    };
    let text = String::from_utf8_lossy(&sealed);
    let text = text.trim_start_matches(SEALED).to_owned();
    Ok(json::reply(
        actix_web::http::StatusCode::OK,
        &Note { id, text },
    ))
}

async fn put_note(
    Opened(store): Opened<DataManager>,
    id: web::Path<String>,
    audit: Audit,
    Json(note): Json<Note>,
) -> Result<HttpResponse, Error> {
    let id = id.into_inner();
    let sealed = format!("{SEALED}{}", note.text);
    store.put_raw(TYPE, &id, sealed).await?;
    audit.record("put", TYPE, &id);
    Ok(HttpResponse::NoContent().finish())
}

async fn delete_note(
    Opened(store): Opened<DataManager>,
    id: web::Path<String>,
) -> Result<HttpResponse, Error> {
    store.delete_raw(TYPE, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn read_counter(store: &DataManager) -> Result<u64, Error> {
    let stored = store.get_raw("counter", "it").await?;
    let text = String::from_utf8_lossy(stored.as_deref().unwrap_or(b"0")).into_owned();
    Ok(text.parse().unwrap_or(0))
}

async fn get_counter(Opened(store): Opened<DataManager>) -> Result<HttpResponse, Error> {
    let value = read_counter(&store).await?;
    Ok(json::reply(actix_web::http::StatusCode::OK, &value))
}

async fn count(Opened(store): Opened<DataManager>) -> Result<HttpResponse, Error> {
    let value = store
        .update(|mut transaction| async move {
            let stored = transaction.get_raw("counter", "it").await?;
            let text = String::from_utf8_lossy(stored.as_deref().unwrap_or(b"0")).into_owned();
            let value = text.parse::<u64>().unwrap_or(0) + 1;
            transaction.put_raw("counter", "it", value.to_string())?;
            Ok::<u64, Error>(value)
        })
        .await?;
    Ok(json::reply(actix_web::http::StatusCode::OK, &value))
}

/// A write that takes a second.
async fn slow(Opened(store): Opened<DataManager>) -> Result<HttpResponse, Error> {
    store.put_raw("slow", "begun", "x").await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    store.put_raw("slow", "done", "x").await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn number(number: web::Path<u32>) -> HttpResponse {
    json::reply(actix_web::http::StatusCode::OK, &*number)
}

/// A line at once, and then nothing until the server stops. `dm_test_followers` counts those who are there.
async fn ticks(context: Context) -> HttpResponse {
    let follower = Follower::of(&context);
    let first = stream::once(async { Bytes::from_static(b"tick\n") });
    let ticks = context.until_stopped(first.chain(stream::pending()));
    let ticks = ticks.map(move |tick| {
        let _ = &follower;
        Ok::<_, Error>(tick)
    });
    HttpResponse::Ok().streaming(ticks)
}

struct Follower(IntGauge);

impl Follower {
    fn of(context: &Context) -> Follower {
        let gauge = IntGauge::new("dm_test_followers", "Streams that are open.").unwrap();
        // All of them have the one that came first.
        let gauge = match context.metrics().register(Box::new(gauge.clone())) {
            Ok(()) => {
                GAUGES
                    .lock()
                    .unwrap()
                    .insert(context.instance().to_owned(), gauge.clone());
                gauge
            }
            Err(_) => GAUGES.lock().unwrap()[context.instance()].clone(),
        };
        gauge.inc();
        Follower(gauge)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.dec();
    }
}

static GAUGES: Mutex<BTreeMap<String, IntGauge>> = Mutex::new(BTreeMap::new());
