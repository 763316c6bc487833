//! Which etcd a store keeps its log in, and how it is reached.

use std::fmt;
use std::time::Duration;

use crate::Error;

/// The etcd of a store whose log is kept there: endpoints, prefix, and what is needed to be let in.
///
/// ```
/// use datamanager::EtcdOptions;
///
/// let options = EtcdOptions::new("http://10.0.0.1:2379,http://10.0.0.2:2379", "/app")?;
/// assert_eq!(options.prefix(), "/app/");
/// assert!(EtcdOptions::new("http://10.0.0.1:2379,https://10.0.0.2:2379", "/app").is_err());
/// # Ok::<(), datamanager::Error>(())
/// ```
#[derive(Clone)]
pub struct EtcdOptions {
    pub(crate) endpoints: Vec<String>,
    pub(crate) prefix: String,
    pub(crate) user: Option<(String, String)>,
    pub(crate) authority: Option<Vec<u8>>,
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) request_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    /// Asked instead of the endpoints.
    #[cfg(all(feature = "etcd", feature = "testing"))]
    pub(crate) simulated: Option<crate::testing::SimulatedEndpoint>,
}

impl EtcdOptions {
    /// The cluster at `endpoints`, URLs with commas between them, and the prefix of the store's keys there. An endpoint
    /// without a scheme is `http://`; one that is down is passed over.
    ///
    /// # Errors
    /// `Invalid` when there is no endpoint, when some are `http` and some `https`, or for a prefix that is empty, longer than
    /// 256 bytes or not printable.
    pub fn new(endpoints: &str, prefix: &str) -> Result<EtcdOptions, Error> {
        let endpoints: Vec<String> = endpoints
            .split(',')
            .map(str::trim)
            .filter(|endpoint| !endpoint.is_empty())
            .map(with_scheme)
            .collect::<Result<_, _>>()?;
        if endpoints.is_empty() {
            return Err(Error::invalid("no endpoint of etcd is given"));
        }
        let secure = endpoints.iter().filter(|endpoint| is_secure(endpoint));
        let secure = secure.count();
        if secure != 0 && secure != endpoints.len() {
            return Err(Error::invalid(format!(
                "the endpoints of etcd are a mix of http and https: {}; all or none of them use TLS",
                endpoints.join(",")
            )));
        }
        Ok(EtcdOptions {
            endpoints,
            prefix: checked_prefix(prefix)?,
            user: None,
            authority: None,
            identity: None,
            request_timeout: Duration::from_secs(3),
            connect_timeout: Duration::from_secs(2),
            #[cfg(all(feature = "etcd", feature = "testing"))]
            simulated: None,
        })
    }

    /// Logs in as `user`.
    pub fn user(mut self, user: impl Into<String>, password: impl Into<String>) -> EtcdOptions {
        self.user = Some((user.into(), password.into()));
        self
    }

    /// Trusts the certificates that this one (PEM) has signed, instead of those that the system trusts.
    pub fn certificate_authority(mut self, pem: impl Into<Vec<u8>>) -> EtcdOptions {
        self.authority = Some(pem.into());
        self
    }

    /// Shows this certificate to etcd, which belongs to this key (both PEM).
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> EtcdOptions {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// How long one request may take. Default 3 s.
    pub fn request_timeout(mut self, timeout: Duration) -> EtcdOptions {
        self.request_timeout = timeout;
        self
    }

    /// How long a connection may take to be made. Default 2 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> EtcdOptions {
        self.connect_timeout = timeout;
        self
    }

    /// The prefix of the store's keys, with a slash at its end.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) fn uses_tls(&self) -> bool {
        self.endpoints.iter().any(|endpoint| is_secure(endpoint))
    }

    /// Whether the client of etcd is used, which needs a tokio runtime.
    #[cfg(feature = "etcd")]
    pub(crate) fn needs_tokio(&self) -> bool {
        #[cfg(feature = "testing")]
        if self.simulated.is_some() {
            return false;
        }
        true
    }

    /// # Errors
    /// `Invalid`: certificates for endpoints without TLS.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !self.uses_tls() && (self.authority.is_some() || self.identity.is_some()) {
            return Err(Error::invalid(
                "certificates are given, and the endpoints of etcd are not https",
            ));
        }
        Ok(())
    }
}

/// Without passwords and keys.
impl fmt::Debug for EtcdOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EtcdOptions")
            .field("endpoints", &self.endpoints)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

fn is_secure(endpoint: &str) -> bool {
    endpoint.starts_with("https://")
}

fn with_scheme(endpoint: &str) -> Result<String, Error> {
    match endpoint.split_once("://") {
        Some(("http" | "https", _)) => Ok(endpoint.to_owned()),
        Some(_) => Err(Error::invalid(format!(
            "endpoint {endpoint:?} of etcd is neither http:// nor https://"
        ))),
        None => Ok(format!("http://{endpoint}")),
    }
}

fn checked_prefix(prefix: &str) -> Result<String, Error> {
    const PREFIX_BYTES_MAX: usize = 256;
    let trimmed = prefix.trim_end_matches('/');
    let printable = trimmed.bytes().all(|byte| byte.is_ascii_graphic());
    if trimmed.is_empty() || trimmed.len() > PREFIX_BYTES_MAX || !printable {
        return Err(Error::invalid(format!(
            "prefix {prefix:?} in etcd is not 1 to {PREFIX_BYTES_MAX} printable characters of ASCII"
        )));
    }
    Ok(format!("{trimmed}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_and_prefix_are_checked_before_anything_is_asked() {
        let options = EtcdOptions::new("127.0.0.1:2379, http://b:1", "/p//").unwrap();
        assert_eq!(options.endpoints, ["http://127.0.0.1:2379", "http://b:1"]);
        assert_eq!(options.prefix(), "/p/");
        for (endpoints, prefix, named) in [
            ("", "/p", "no endpoint"),
            ("http://a,https://b", "/p", "mix of http and https"),
            ("ftp://a", "/p", "neither http"),
            ("http://a", "/", "prefix"),
            ("http://a", "a b", "prefix"),
        ] {
            let error = EtcdOptions::new(endpoints, prefix).unwrap_err();
            assert!(error.to_string().contains(named), "{error}");
        }
        let plain = EtcdOptions::new("http://a", "/p").unwrap();
        let refused = plain.certificate_authority("x").check().unwrap_err();
        assert!(refused.to_string().contains("not https"), "{refused}");
    }
}
