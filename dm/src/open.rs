//! Opening the store that the command line names.

use anyhow::Context;
use datamanager::{Builder, DataManager, Settings};
use url::form_urlencoded;

use crate::cli::StoreArgs;
use crate::exit::Reason;

impl StoreArgs {
    /// What to open, not opened yet.
    pub(crate) fn builder(&self) -> anyhow::Result<Builder> {
        let mut builder = Builder::from_url(&self.url())
            .map_err(Reason::argument)
            .with_context(|| format!("--store {:?}", self.store))?
            .name("dm")
            .settings(self.settings());
        if let Some(log) = self.log {
            builder = builder.log(log);
        }
        self.etcd.add_to(builder)
    }

    /// The settings that the command line names; all others are at their defaults.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        settings.disk_cache_directory = self.disk_cache.clone();
        if let Some(bytes) = self.disk_cache_bytes {
            settings.disk_cache_bytes = bytes;
        }
        settings
    }

    /// Opens the store for writing, and makes it if the place is empty.
    pub(crate) async fn open(&self) -> anyhow::Result<DataManager> {
        Ok(self.builder()?.open().await?)
    }

    /// Opens the store for reading, beside whoever writes.
    pub(crate) async fn open_read_only(&self) -> anyhow::Result<DataManager> {
        Ok(self.builder()?.read_only().open().await?)
    }

    /// The URL, with the base path as a part of its query.
    fn url(&self) -> String {
        let Some(base_path) = &self.base_path else {
            return self.store.clone();
        };
        let parameter: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("base_path", base_path)
            .finish();
        let separator = if self.store.contains('?') { '&' } else { '?' };
        format!("{}{separator}{parameter}", self.store)
    }
}
