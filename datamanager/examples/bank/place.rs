//! Where the store is, and its log.

use std::path::Path;

use anyhow::Context;
use datamanager::{Builder, DataManager, LogKind};

use crate::options::Options;

/// A store that many processes write to.
#[derive(Clone)]
pub(crate) struct Place {
    url: String,
    etcd: Option<String>,
}

impl Place {
    /// What the command line says, or else a store in `directory`.
    pub(crate) fn of_bank(options: &Options, directory: &Path) -> Place {
        let temporary = || format!("file://{}", directory.display());
        Place {
            url: options.store.clone().unwrap_or_else(temporary),
            etcd: options.etcd.clone(),
        }
    }

    /// What the bank has told a teller.
    pub(crate) fn of_teller(options: &Options) -> anyhow::Result<Place> {
        let url = options.store.clone().context("a teller needs --store")?;
        let etcd = options.etcd.clone();
        Ok(Place { url, etcd })
    }

    /// The arguments from which [`Place::of_teller`] makes the same place.
    pub(crate) fn arguments(&self) -> Vec<&str> {
        let mut arguments = vec!["--store", &self.url];
        if let Some(etcd) = &self.etcd {
            arguments.extend(["--etcd", etcd]);
        }
        arguments
    }

    /// Opens the store as one of many processes.
    pub(crate) async fn open(&self, name: &str) -> anyhow::Result<DataManager> {
        let builder = DataManager::builder(&self.url)?.name(name);
        let builder = match &self.etcd {
            Some(endpoints) => in_etcd(builder, endpoints, &self.url)?,
            None => builder.log(LogKind::Object),
        };
        Ok(builder.open().await?)
    }
}

/// Each store has a prefix of its own, so that one etcd serves many banks.
#[cfg(feature = "etcd")]
fn in_etcd(builder: Builder, endpoints: &str, url: &str) -> anyhow::Result<Builder> {
    let place: String = url
        .chars()
        .map(|character| match character.is_ascii_alphanumeric() {
            true => character,
            false => '-',
        })
        .collect();
    let options = datamanager::EtcdOptions::new(endpoints, &format!("/bank/{place}"))?;
    Ok(builder.etcd(options))
}

#[cfg(not(feature = "etcd"))]
fn in_etcd(_: Builder, _: &str, _: &str) -> anyhow::Result<Builder> {
    anyhow::bail!("--etcd needs a build with --features etcd, and that needs protoc")
}
