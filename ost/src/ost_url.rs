//! URLs of object storages, and the settings that go with them.

use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::ost::UploadLimits;
use crate::path::BasePath;
use crate::{Error, ErrorKind, Ost};

/// Settings for opening an [`Ost`], each of which a URL's query can give instead unless it is a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OstOptions {
    /// A base path below the URL's own. Default: none.
    pub base_path: Option<String>,
    /// The service's address (`https://minio.example:9000`), for S3, GCS and Azure. Default: from the environment,
    /// else the provider's own. An `http://` address sends the data unencrypted.
    pub endpoint: Option<String>,
    /// S3's region. Default: from the environment, else `us-east-1`.
    pub region: Option<String>,
    /// Whether S3's bucket name goes into the path (`true`) or the host name. Default: the path.
    pub path_style: Option<bool>,
    /// Azure's account name. Default: from the environment.
    pub account: Option<String>,
    /// The key that S3 is asked with. Default: from the environment. A URL cannot give it.
    pub access_key: Option<AccessKey>,
}

/// A key of S3: its id, and the secret that requests are signed with.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The id.
    pub id: String,
    /// The secret.
    pub secret: String,
}

/// Without the secret.
impl fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AccessKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl OstOptions {
    /// Takes one setting of a URL's query; `false` if it is none of ours.
    fn set(&mut self, key: &str, value: &str) -> Result<bool, Error> {
        match key {
            "base_path" => self.base_path = Some(value.to_owned()),
            "endpoint" => self.endpoint = Some(value.to_owned()),
            "region" => self.region = Some(value.to_owned()),
            "account" => self.account = Some(value.to_owned()),
            "path_style" => {
                self.path_style = Some(value.parse().map_err(|_| {
                    invalid(format!(
                        "setting path_style is {value:?}, but must be \"true\" or \"false\""
                    ))
                })?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// What a URL points to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Directory(PathBuf),
    Memory {
        base_path: String,
    },
    Bucket {
        provider: Provider,
        bucket: String,
        base_path: String,
    },
}

/// Who keeps a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    S3,
    Gcs,
    Azure,
}

impl Provider {
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Provider::S3 => "s3",
            Provider::Gcs => "gs",
            Provider::Azure => "az",
        }
    }
}

/// The URL of an object storage, taken apart.
///
/// # Shape
/// - `file:///var/lib/app`, `file://./app`, `file://app`, or a bare path: a local directory. Without a slash in
///   front it is relative to the current directory. In a `file:` URL `%20` stands for a space; a bare path is taken
///   as it is, but for a query.
/// - `memory://`, `memory://base/path`
/// - `s3://bucket/base/path`, `gs://bucket/base/path`, `az://container/base/path`. The base path may come from
///   [`OstOptions::base_path`], but cannot be empty.
///
/// A query (`?endpoint=https://minio:9000&region=eu&path_style=true`) gives the settings of [`OstOptions`] by their
/// names. Others use the same URL for settings of their own: [`OstUrl::take_query`] takes these out; what is left
/// and unknown is an error. Credentials come from the environment, with the names that `object_store` documents
/// (`AWS_ACCESS_KEY_ID`, `GOOGLE_SERVICE_ACCOUNT`, `AZURE_STORAGE_ACCOUNT_KEY`, …), never from the URL.
///
/// ```
/// let mut url = ost::OstUrl::parse("memory://app?log=object")?;
/// assert_eq!(url.take_query("log").as_deref(), Some("object"));
/// let ost = url.open(&ost::OstOptions::default())?;
/// # Ok::<(), ost::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OstUrl {
    place: Place,
    query: Vec<(String, String)>,
}

impl OstUrl {
    /// Takes a URL or a bare path apart.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: no URL, an unknown scheme, a bucket or directory without a name, credentials in the
    /// URL.
    pub fn parse(url: &str) -> Result<OstUrl, Error> {
        let (address, query) = match url.split_once('?') {
            Some((address, query)) => (address, query),
            None => (url, ""),
        };
        let query = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let place = match address.split_once("://") {
            None => directory(address, address)?,
            Some(("file", path)) => directory(&decoded_file_path(path)?, address)?,
            Some(("memory", base_path)) => Place::Memory {
                base_path: decoded(base_path)?,
            },
            Some(("s3", _)) => bucket(Provider::S3, address)?,
            Some(("gs", _)) => bucket(Provider::Gcs, address)?,
            Some(("az", _)) => bucket(Provider::Azure, address)?,
            Some((scheme, _)) => {
                return Err(invalid(format!(
                    "unknown scheme {scheme:?} in the store's URL; known are file, memory, s3, gs and az"
                )));
            }
        };
        Ok(OstUrl { place, query })
    }

    /// Takes a setting out of the query: the last one of that name, and with it all of them.
    pub fn take_query(&mut self, key: &str) -> Option<String> {
        let mut taken = None;
        self.query.retain(|(name, value)| {
            let is_taken = name == key;
            if is_taken {
                taken = Some(value.clone());
            }
            !is_taken
        });
        taken
    }

    /// Whether the objects are files of a local directory.
    pub fn is_local(&self) -> bool {
        matches!(self.place, Place::Directory(_))
    }

    /// Opens it. Settings in the query win over `options`. Nothing is read or written yet.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: an unknown setting, a bucket without a base path, a provider that this build lacks.
    pub fn open(&self, options: &OstOptions) -> Result<Ost, Error> {
        let mut options = options.clone();
        for (key, value) in &self.query {
            if !options.set(key, value)? {
                return Err(invalid(format!(
                    "unknown setting {key:?} in the store's URL {self}; known are base_path, endpoint, region, \
                     path_style and account"
                )));
            }
        }
        let below = options.base_path.as_deref().unwrap_or_default();
        match &self.place {
            Place::Directory(path) => Ost::local(path)?.with_base_path(below),
            Place::Memory { base_path } => Ost::memory()
                .with_base_path(base_path)?
                .with_base_path(below),
            Place::Bucket {
                provider,
                bucket,
                base_path,
            } => {
                let base_path = BasePath::parse(base_path)?.join(&BasePath::parse(below)?)?;
                if base_path.is_empty() {
                    return Err(invalid(format!(
                        "the URL {self} names a bucket without a base path, and others may use the bucket too; \
                         write {self}/some-name"
                    )));
                }
                let location = format!("{}://{bucket}/{}", provider.scheme(), base_path.as_str());
                let backend =
                    crate::bucket::open(*provider, bucket, &options).map_err(|error| {
                        Error::from_backend(format!("cannot open {location}"), error)
                            .with_kind(ErrorKind::Invalid)
                    })?;
                Ok(Ost::from_parts(
                    backend,
                    base_path,
                    location,
                    None,
                    UploadLimits::default(),
                ))
            }
        }
    }
}

impl fmt::Display for OstUrl {
    /// The URL without its query.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Directory(path) => write!(formatter, "file://{}", path.display()),
            Place::Memory { base_path } => write!(formatter, "memory://{base_path}"),
            Place::Bucket {
                provider,
                bucket,
                base_path,
            } if base_path.is_empty() => {
                write!(formatter, "{}://{bucket}", provider.scheme())
            }
            Place::Bucket {
                provider,
                bucket,
                base_path,
            } => {
                write!(formatter, "{}://{bucket}/{base_path}", provider.scheme())
            }
        }
    }
}

impl std::str::FromStr for OstUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<OstUrl, Error> {
        OstUrl::parse(url)
    }
}

fn directory(path: &str, address: &str) -> Result<Place, Error> {
    if path.is_empty() || path.contains('\0') {
        return Err(invalid(format!("the URL {address:?} names no directory")));
    }
    Ok(Place::Directory(PathBuf::from(path)))
}

/// The path of a `file:` URL, as text.
fn decoded_file_path(path: &str) -> Result<String, Error> {
    if path == "localhost" || path.starts_with("localhost/") {
        return Err(invalid(format!(
            "the URL \"file://{path}\" has a host name; write file:/// for an absolute directory, or \
             file://./localhost for a relative one"
        )));
    }
    decoded(path)
}

/// Undoes percent-encoding, and refuses what would be cut off from another URL.
fn decoded(text: &str) -> Result<String, Error> {
    if text.contains('#') {
        return Err(invalid(format!(
            "{text:?} in the store's URL has a fragment; write %23 for '#'"
        )));
    }
    // A plus sign stands for itself in a path.
    let query = format!("={}", text.replace('+', "%2B").replace('&', "%26"));
    let decoded = url::form_urlencoded::parse(query.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned());
    match decoded {
        Some(decoded) if !decoded.contains('\u{fffd}') || text.contains('\u{fffd}') => Ok(decoded),
        _ => Err(invalid(format!(
            "{text:?} in the store's URL is not UTF-8 when decoded"
        ))),
    }
}

fn bucket(provider: Provider, address: &str) -> Result<Place, Error> {
    let url = Url::parse(address).map_err(|source| {
        invalid(format!("cannot read a {} URL", provider.scheme())).with_source(source)
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "the store's URL has credentials in it; set them in the environment instead".to_owned(),
        ));
    }
    let Some(bucket) = url.host_str().filter(|bucket| !bucket.is_empty()) else {
        return Err(invalid(format!("the URL {address:?} names no bucket")));
    };
    if url.port().is_some() {
        return Err(invalid(format!(
            "the URL {address:?} has a port; the service's address is the setting endpoint"
        )));
    }
    let (_, rest) = address.split_once("://").unwrap_or_default();
    let base_path = rest.split_once('/').map_or("", |(_, base_path)| base_path);
    let base_path = decoded(base_path)?.trim_matches('/').to_owned();
    Ok(Place::Bucket {
        provider,
        bucket: bucket.to_owned(),
        base_path,
    })
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message)
}
