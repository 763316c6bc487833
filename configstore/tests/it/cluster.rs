//! Several instances of the service on one store.

use std::path::{Path, PathBuf};

use configstore::{SecretKeySettings, Settings};
use tempfile::TempDir;

/// The place of a store that several instances share.
pub(crate) struct Cluster {
    directory: TempDir,
    /// Where the log is an etcd.
    #[cfg(feature = "etcd")]
    pub(crate) etcd: Option<datamanager::testing::Etcd>,
}

impl Cluster {
    /// One whose log is in objects of a directory.
    pub(crate) fn with_object_log() -> Cluster {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("key"), "1f".repeat(32)).unwrap();
        Cluster {
            directory,
            #[cfg(feature = "etcd")]
            etcd: None,
        }
    }

    /// One whose log is in an etcd.
    #[cfg(feature = "etcd")]
    pub(crate) fn with_etcd() -> Cluster {
        use datamanager::testing::{Etcd, EtcdOptions};
        let mut cluster = Cluster::with_object_log();
        cluster.etcd = Some(Etcd::start(EtcdOptions::new()).unwrap());
        cluster
    }

    /// Settings of an instance with an empty directory of its own.
    pub(crate) fn settings(&self, name: &str) -> Settings {
        let mut settings = Settings::default();
        settings.server.data_dir = self.path(name);
        settings.server.object_storage.kind = "posix".to_owned();
        settings.server.object_storage.path = self.path("storage");
        settings.secret_keys = vec![SecretKeySettings {
            id: "k1".to_owned(),
            key_file: self.path("key"),
        }];
        settings.server.log = "object".to_owned();
        #[cfg(feature = "etcd")]
        if let Some(etcd) = &self.etcd {
            settings.server.log = String::new();
            settings.server.etcd = Some(service::config::Etcd {
                endpoints: etcd.endpoints().join(","),
                ..Default::default()
            });
        }
        settings
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// Runs a test on each kind of log that several instances can share.
macro_rules! on_each_shared_log {
    ($($(#[$meta:meta])* $name:ident,)+) => {
        mod object_log {
            $(
                $(#[$meta])*
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    super::$name($crate::cluster::Cluster::with_object_log()).await;
                }
            )+
        }

        #[cfg(feature = "etcd")]
        mod etcd {
            $(
                $(#[$meta])*
                #[tokio::test(flavor = "multi_thread")]
                async fn $name() {
                    match datamanager::testing::Etcd::can_run() {
                        Ok(true) => super::$name($crate::cluster::Cluster::with_etcd()).await,
                        Ok(false) => eprintln!("NOT RUN: there is no etcd"),
                        Err(error) => panic!("{error}"),
                    }
                }
            )+
        }
    };
}

pub(crate) use on_each_shared_log;
