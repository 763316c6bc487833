//! Durable commits of 1 KiB with the log in etcd.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use benches::{RawEtcd, WRITERS};
use datamanager::{DataManager, EtcdOptions};

use super::commits::{commit, directory};
use crate::options::Options;
use crate::report::{Report, Unit};
use crate::samples::percentile;
use crate::subjects::{Datamanager, RAW};

pub(super) async fn measure(
    options: &Options,
    place: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let url = options.etcd.as_deref().context("--etcd names none")?;
    // Nothing of an earlier run is under it.
    let run = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
    let mut raw = RawEtcd::connect(url, &format!("/compare/{run}/raw")).await?;
    let mut micros = raw.commit_for(options.duration()).await?;
    let p50 = percentile(&mut micros, 50);
    let rate = micros.len() as f64 / options.duration().as_secs_f64();
    for writers in WRITERS {
        let work = format!("commit, log in etcd, {writers} writers");
        let directory = directory(place, &format!("ours-{writers}"))?;
        let directory = directory
            .to_str()
            .context("the directory's name is no UTF-8")?;
        let etcd = EtcdOptions::new(url, &format!("/compare/{run}/{writers}"))?;
        let store = Datamanager::open(DataManager::builder(directory)?.etcd(etcd)).await?;
        commit(options, &work, writers, &store, report).await?;
        // Of one client, which has one transaction on its way.
        report.add(&work, RAW, Unit::PerSecond, rate);
        report.add(&format!("{work}, p50"), RAW, Unit::Micros, p50);
    }
    Ok(())
}
