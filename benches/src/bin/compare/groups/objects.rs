//! Durable commits of 1 KiB with the log in objects: in a directory, and in storage that takes 30 ms for each request.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use benches::{COMMITTED_VALUE_BYTES, entry_id, entry_value};
use object_store::ObjectStore;
use ost::{Create, ObjectPath, Ost, PosixStore, Throttle, ThrottlingStore};

use super::commits::{commit, directory, synced_objects};
use crate::options::Options;
use crate::report::{Report, Unit};
use crate::samples::percentile;
use crate::subjects::{Datamanager, RAW, SlateDb};

const DELAY: Duration = Duration::from_millis(30);

pub(super) async fn measure(
    options: &Options,
    place: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    for (name, delay) in [("in a directory", Duration::ZERO), ("30 ms away", DELAY)] {
        for writers in [1, 64] {
            let work = format!("commit, log in objects {name}, {writers} writers");
            let directory = |store: &str| directory(place, &format!("{store}-{writers}-{delay:?}"));
            let objects = delayed(Arc::new(PosixStore::new(directory("ours")?)?), delay);
            let store = Datamanager::in_objects(objects).await?;
            commit(options, &work, writers, &store, report).await?;
            let objects = delayed(synced_objects(&directory("slatedb")?)?, delay);
            let store = SlateDb::open(objects).await?;
            commit(options, &work, writers, &store, report).await?;
            if writers == 1 {
                let objects = delayed(Arc::new(PosixStore::new(directory("raw")?)?), delay);
                create(options, &work, objects, report).await?;
            }
        }
    }
    Ok(())
}

fn delayed(objects: Arc<dyn ObjectStore>, delay: Duration) -> Arc<dyn ObjectStore> {
    if delay.is_zero() {
        return objects;
    }
    let throttle = Throttle {
        per_request: delay,
        ..Throttle::default()
    };
    let sleep = Arc::new(|duration| Box::pin(tokio::time::sleep(duration)) as _);
    Arc::new(ThrottlingStore::new(objects, throttle, sleep))
}

/// One create-if-absent of an object of 1 KiB, again and again.
async fn create(
    options: &Options,
    work: &str,
    objects: Arc<dyn ObjectStore>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let ost = Ost::from_object_store(objects, "")?;
    let started = Instant::now();
    let mut micros = Vec::new();
    while started.elapsed() < options.duration() {
        let number = micros.len() as u64;
        let path = ObjectPath::parse(&format!("raw/{}", entry_id(number)))?;
        let value = entry_value(number, COMMITTED_VALUE_BYTES);
        let began = Instant::now();
        let created = ost.create(&path, value).await?;
        micros.push(began.elapsed().as_secs_f64() * 1e6);
        ensure!(created == Create::Created, "{path} was there");
    }
    let rate = micros.len() as f64 / started.elapsed().as_secs_f64();
    report.add(work, RAW, Unit::PerSecond, rate);
    report.add(
        &format!("{work}, p50"),
        RAW,
        Unit::Micros,
        percentile(&mut micros, 50),
    );
    Ok(())
}
