//! Opening the store that a configuration describes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use datamanager::{Builder, DataManager, ErrorKind, LogKind, Settings};
use ost::{AccessKey, Ost, OstOptions, OstUrl};

use crate::Error;
use crate::config::{self, Etcd, ObjectStorage};

/// The pause behind the first attempt to open a store that does not answer; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Which store a server has, and where.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreOptions {
    /// The section of the configuration, for messages.
    pub section: String,
    /// The directory or prefix of the store in the directory or bucket.
    pub base_path: String,
    /// The prefix of the store in etcd. The default is the name of the section.
    pub etcd_prefix: String,
    /// Where the data is if `object_storage` names no place.
    pub data_dir: PathBuf,
    /// The place of the data.
    pub object_storage: ObjectStorage,
    /// The etcd that has the log. The default is none: the log is in files of the directory, or in objects of the bucket.
    pub etcd: Option<Etcd>,
    /// Where the log of a new store is, unless it is in etcd: `object` lets several instances share a directory.
    pub log: Option<LogKind>,
    /// Numbers of the store.
    pub settings: Settings,
}

impl StoreOptions {
    /// A store in a directory, with its log in files there.
    pub fn new(
        section: impl Into<String>,
        base_path: impl Into<String>,
        data_dir: impl Into<PathBuf>,
    ) -> StoreOptions {
        let section = section.into();
        StoreOptions {
            etcd_prefix: section.clone(),
            section,
            base_path: base_path.into(),
            data_dir: data_dir.into(),
            object_storage: ObjectStorage::default(),
            etcd: None,
            log: None,
            settings: Settings::default(),
        }
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.section)
    }

    /// How the store is opened. The data directory is made.
    ///
    /// # Errors
    /// A directory that cannot be written, a storage or an etcd that cannot be: the key is named.
    pub fn builder(&self) -> Result<Builder, Error> {
        let mut builder =
            Builder::from_ost(self.place(&self.base_path)?).settings(self.settings.clone());
        if let Some(log) = self.log {
            builder = builder.log(log);
        }
        match &self.etcd {
            Some(etcd) => self.with_etcd(builder, etcd),
            None => Ok(builder),
        }
    }

    /// The objects below a path in the directory or bucket: the store's own, or others beside it. The data directory is made.
    ///
    /// # Errors
    /// As [`StoreOptions::builder`].
    pub fn place(&self, base_path: &str) -> Result<Ost, Error> {
        make_directory(&self.key("dataDir"), &self.data_dir)?;
        let url = OstUrl::parse(&self.url(base_path)?);
        let place = url.and_then(|url| url.open(&self.ost_options()));
        place.map_err(|cause| {
            let what = "the object storage of the store cannot be used";
            Error::bad_request(format!("{}: {what}", self.section)).with_source(cause)
        })
    }

    /// The URL of the place.
    fn url(&self, base_path: &str) -> Result<String, Error> {
        let storage = &self.object_storage;
        match storage.kind.as_str() {
            "" => Ok(directory_url(&self.data_dir, base_path)),
            "posix" => {
                let key = self.key("objectStorage.path");
                if storage.path.as_os_str().is_empty() {
                    return Err(config::missing(&key, "a directory is expected"));
                }
                make_directory(&key, &storage.path)?;
                Ok(directory_url(&storage.path, base_path))
            }
            "s3" => {
                if storage.bucket.is_empty() {
                    let key = self.key("objectStorage.bucket");
                    return Err(config::missing(&key, "the name of a bucket is expected"));
                }
                Ok(format!("s3://{}/{base_path}", storage.bucket))
            }
            other => {
                let accepted =
                    "\"posix\", \"s3\" and nothing, for the data directory, are accepted";
                Err(config::invalid(
                    &self.key("objectStorage.type"),
                    other,
                    accepted,
                ))
            }
        }
    }

    fn ost_options(&self) -> OstOptions {
        let storage = &self.object_storage;
        let mut options = OstOptions::default();
        if storage.kind != "s3" {
            return options;
        }
        if !storage.endpoint.is_empty() {
            let scheme = if storage.disable_tls { "http" } else { "https" };
            options.endpoint = Some(match storage.endpoint.contains("://") {
                true => storage.endpoint.clone(),
                false => format!("{scheme}://{}", storage.endpoint),
            });
        }
        if !storage.location.is_empty() {
            options.region = Some(storage.location.clone());
        }
        if !storage.access_key.is_empty() {
            options.access_key = Some(AccessKey {
                id: storage.access_key.clone(),
                secret: storage.secret_access_key.clone(),
            });
        }
        options
    }

    #[cfg(feature = "etcd")]
    fn with_etcd(&self, builder: Builder, etcd: &Etcd) -> Result<Builder, Error> {
        const ENDPOINTS_DEFAULT: &str = "http://127.0.0.1:2379";
        if etcd.tls_skip_verify {
            let accepted =
                "only false is accepted; give tlsCAFile to trust a certificate of your own";
            return Err(config::invalid(
                &self.key("etcd.tlsSkipVerify"),
                "true",
                accepted,
            ));
        }
        let endpoints = match etcd.endpoints.as_str() {
            "" => ENDPOINTS_DEFAULT,
            endpoints => endpoints,
        };
        let options = datamanager::EtcdOptions::new(endpoints, &self.etcd_prefix);
        let mut options = options.map_err(|cause| {
            config::invalid(&self.key("etcd.endpoints"), endpoints, &cause.to_string())
        })?;
        if let Some(authority) = self.content("etcd.tlsCAFile", &etcd.tls_ca_file)? {
            options = options.certificate_authority(authority);
        }
        let certificate = self.content("etcd.tlsCertFile", &etcd.tls_cert_file)?;
        let key = self.content("etcd.tlsKeyFile", &etcd.tls_key_file)?;
        // As long as only one of them is given, neither is used.
        if let (Some(certificate), Some(key)) = (certificate, key)
            && endpoints.contains("https://")
        {
            options = options.client_certificate(certificate, key);
        }
        if !etcd.user.is_empty() {
            let password = self.content("etcd.passwordFile", &etcd.password_file)?;
            let password = String::from_utf8_lossy(password.as_deref().unwrap_or_default())
                .trim()
                .to_owned();
            options = options.user(etcd.user.clone(), password);
        }
        Ok(builder.etcd(options))
    }

    /// The content of a file, unless none is named.
    #[cfg(feature = "etcd")]
    fn content(&self, key: &str, path: &Path) -> Result<Option<Vec<u8>>, Error> {
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        let content = std::fs::read(path).map_err(|cause| {
            let path = path.display().to_string();
            config::invalid(
                &self.key(key),
                &path,
                &format!("the file cannot be read: {cause}"),
            )
        });
        content.map(Some)
    }

    #[cfg(not(feature = "etcd"))]
    fn with_etcd(&self, _builder: Builder, etcd: &Etcd) -> Result<Builder, Error> {
        let accepted = "this program was built without etcd: build it with `--features etcd`, or leave the section out";
        Err(config::invalid(
            &self.key("etcd"),
            &etcd.endpoints,
            accepted,
        ))
    }
}

/// `%`, `#`, `?` and the like are taken as they are in a bare path, but for `?`.
fn directory_url(directory: &Path, base_path: &str) -> String {
    let path = directory.join(base_path).display().to_string();
    let path = path
        .replace('%', "%25")
        .replace('?', "%3F")
        .replace('#', "%23");
    match path.starts_with('/') {
        true => format!("file://{path}"),
        false => format!("file://./{path}"),
    }
}

/// Makes a directory, and tries whether files can be made in it.
fn make_directory(key: &str, directory: &Path) -> Result<(), Error> {
    let shown = directory.display().to_string();
    if directory.as_os_str().is_empty() {
        return Err(config::missing(key, "a directory is expected"));
    }
    let refused = |cause: std::io::Error| {
        let accepted = format!("a directory that can be written is expected: {cause}");
        config::invalid(key, &shown, &accepted)
    };
    std::fs::create_dir_all(directory).map_err(refused)?;
    // Others may try the same directory at the same time, also in this process, or with its number in another container.
    let random = getrandom::u64().map_err(|cause| Error::internal(cause.to_string()))?;
    let trial = directory.join(format!(".trial-{random:016x}"));
    std::fs::write(&trial, b"").map_err(refused)?;
    std::fs::remove_file(&trial).map_err(refused)
}

/// Opens a store, waiting for its place and its log as long as they do not answer.
pub(crate) async fn open(builder: Builder, instance: &str) -> Result<DataManager, Error> {
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match builder.clone().open().await {
            Ok(store) => return Ok(store),
            Err(error) => error,
        };
        // What is not there yet, like a bucket, may come.
        if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::NotFound) {
            let message = "the store cannot be opened";
            return Err(Error::new(crate::ErrorKind::Internal, message).with_source(error));
        }
        log::warn!(
            instance = instance;
            "the store cannot be opened yet; trying again in {pause:?}: {}", error.chain()
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_follows_from_the_section_and_each_wrong_key_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let data_dir = directory.path().join("data 1%/x");
        let mut options = StoreOptions::new("configstore", "configdata", &data_dir);
        options.builder().unwrap();
        assert!(data_dir.is_dir());

        let named = |options: &StoreOptions, key: &str| {
            let error = options.builder().unwrap_err();
            assert!(error.chain().contains(key), "{}", error.chain());
        };
        options.object_storage.kind = "posix".to_owned();
        named(&options, "configstore.objectStorage.path");
        options.object_storage.path = directory.path().join("posix");
        options.builder().unwrap();
        options.object_storage.kind = "s3".to_owned();
        named(&options, "configstore.objectStorage.bucket");
        options.object_storage.bucket = "bucket".to_owned();
        options.object_storage.endpoint = "10.0.0.1:9000".to_owned();
        options.builder().unwrap();
        options.object_storage.kind = "Posix".to_owned();
        named(&options, "configstore.objectStorage.type");

        let file = directory.path().join("file");
        std::fs::write(&file, b"").unwrap();
        named(
            &StoreOptions::new("configstore", "configdata", file.join("below")),
            "configstore.dataDir",
        );
        named(
            &StoreOptions::new("configstore", "configdata", ""),
            "configstore.dataDir",
        );
    }

    /// Two services of one process tried a directory that both kept their data in under one name, and one of them did not
    /// start: its file was gone.
    #[test]
    fn services_of_one_process_can_share_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for name in ["configstore", "runservice"] {
                let options = StoreOptions::new(name, name, directory.path());
                scope.spawn(move || {
                    for _ in 0..200 {
                        options.builder().unwrap();
                    }
                });
            }
        });
    }

    #[test]
    fn etcd_is_refused_with_the_way_to_it_where_it_was_not_built_in() {
        let directory = tempfile::tempdir().unwrap();
        let mut options = StoreOptions::new("configstore", "configdata", directory.path());
        options.etcd = Some(Etcd::default());
        match cfg!(feature = "etcd") {
            true => drop(options.builder().unwrap()),
            false => {
                let error = options.builder().unwrap_err().to_string();
                assert!(error.contains("configstore.etcd"), "{error}");
                assert!(error.contains("--features etcd"), "{error}");
            }
        }
    }
}
