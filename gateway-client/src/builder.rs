//! Options of a client.

use std::fmt;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, Url};

use crate::{Client, Error, ErrorKind};

/// How long a connection without a request is kept; less than servers keep it.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const REDIRECTS_MAX: usize = 5;
/// After how long without a byte a peer is asked whether it is still there. Streams that may be silent rest on it.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Options of a [`Client`].
#[derive(Clone)]
pub struct Builder {
    base_url: String,
    authorization: Option<String>,
    certificates: Vec<Vec<u8>>,
    connect_timeout: Duration,
    timeout: Duration,
    attempts_max: u32,
}

/// Without the token.
impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Builder")
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

impl Builder {
    pub(crate) fn new(base_url: String) -> Builder {
        Builder {
            base_url,
            authorization: None,
            certificates: Vec::new(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
            attempts_max: 3,
        }
    }

    /// Shows this token of a user, or of the administrator.
    pub fn token(mut self, token: impl AsRef<str>) -> Builder {
        self.authorization = Some(format!("token {}", token.as_ref()));
        self
    }

    /// Shows this token of a user who has signed in.
    pub fn login_token(mut self, token: impl AsRef<str>) -> Builder {
        self.authorization = Some(format!("bearer {}", token.as_ref()));
        self
    }

    /// Trusts these certificates (PEM) beside those that the system trusts.
    pub fn certificate_authority(mut self, pem: impl Into<Vec<u8>>) -> Builder {
        self.certificates.push(pem.into());
        self
    }

    /// How long a connection may take to be made. Default 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Builder {
        self.connect_timeout = timeout;
        self
    }

    /// How long a call may take, with all its attempts; with streams, until it begins. Default 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Builder {
        self.timeout = timeout;
        self
    }

    /// How often a request that changes nothing is sent, at most, if the gateway does not answer or is unavailable for a
    /// moment. Default 3.
    pub fn attempts_max(mut self, attempts_max: u32) -> Builder {
        self.attempts_max = attempts_max.max(1);
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`]: a URL, token or certificate that cannot be used.
    pub fn build(self) -> Result<Client, Error> {
        let invalid = |message: String| Error::new(ErrorKind::Invalid, message);
        let base_url = self.base_url.trim_end_matches('/').to_owned();
        let usable = Url::parse(&base_url).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.query().is_none()
                && url.fragment().is_none()
        });
        if !usable {
            let message = format!("{base_url:?} is no http:// or https:// URL of a gateway");
            return Err(invalid(message));
        }
        let mut headers = HeaderMap::new();
        if let Some(authorization) = &self.authorization {
            let mut value = HeaderValue::from_str(authorization).map_err(|_| {
                invalid("the token has characters that no header can have".to_owned())
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let certificates = self.trusted()?;
        let http = || {
            let http = reqwest::Client::builder()
                .connect_timeout(self.connect_timeout)
                // Before the server closes it: a request that meets a closed connection may or may not have been done.
                .pool_idle_timeout(POOL_IDLE_TIMEOUT)
                .redirect(Policy::custom(follow))
                .referer(false);
            let certificates = certificates.iter().cloned();
            certificates.fold(http, reqwest::ClientBuilder::add_root_certificate)
        };
        let cannot_be_made = |cause: reqwest::Error| {
            Error::new(ErrorKind::Invalid, "the client cannot be made").with_source(cause)
        };
        let patient = http().tcp_keepalive(KEEPALIVE).build();
        let http = http().read_timeout(self.timeout).build();
        Ok(Client::new(crate::client::Inner {
            http: http.map_err(cannot_be_made)?,
            patient: patient.map_err(cannot_be_made)?,
            base_url,
            headers,
            timeout: self.timeout,
            attempts_max: self.attempts_max,
        }))
    }

    fn trusted(&self) -> Result<Vec<Certificate>, Error> {
        let unreadable = "a certificate that is to be trusted cannot be read";
        let mut trusted = Vec::new();
        for pem in &self.certificates {
            let certificates = Certificate::from_pem_bundle(pem)
                .map_err(|cause| Error::new(ErrorKind::Invalid, unreadable).with_source(cause))?;
            if certificates.is_empty() {
                return Err(Error::new(ErrorKind::Invalid, unreadable));
            }
            trusted.extend(certificates);
        }
        Ok(trusted)
    }
}

/// A redirection is followed only if it stays at the gateway. Elsewhere nothing is sent at all: not the token, and not what a
/// request has in it, which may be secrets.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let origin = attempt.previous().first().map(Url::origin);
    if origin.as_ref() != Some(&attempt.url().origin()) {
        let message = "the gateway leads to another host, which is not followed";
        return attempt.error(message);
    }
    match attempt.previous().len() > REDIRECTS_MAX {
        true => attempt.error("the gateway leads from one place to another without an end"),
        false => attempt.follow(),
    }
}
