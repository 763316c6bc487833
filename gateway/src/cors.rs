//! Which pages may call the gateway from a browser.

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_TYPE, HeaderName, HeaderValue,
};
use service::config::invalid;
use url::Url;

use crate::Error;

const KEY: &str = "gateway.web.allowedOrigins";
/// How long browsers may remember that a request is allowed.
const MAX_AGE_SECONDS: usize = 600;

/// The origins whose pages may call the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origins {
    /// None: nothing is said about other origins.
    Off,
    /// All. Credentials that a browser adds by itself are never allowed, and the API knows none.
    Any,
    /// These, as browsers write them.
    These(Vec<String>),
}

impl Origins {
    /// Reads the setting.
    ///
    /// # Errors
    /// An entry that is no origin, or `*` beside others.
    pub(crate) fn of(entries: &[String]) -> Result<Origins, Error> {
        match entries {
            [] => Ok(Origins::Off),
            [entry] if entry == "*" => Ok(Origins::Any),
            entries => entries
                .iter()
                .map(|entry| origin(entry))
                .collect::<Result<_, _>>()
                .map(Origins::These),
        }
    }

    /// What is done around the routes of the API. It must not be used if it is off.
    pub(crate) fn middleware(&self) -> Cors {
        let cors = Cors::default()
            .allowed_methods([
                Method::GET,
                Method::HEAD,
                Method::POST,
                Method::PUT,
                Method::DELETE,
            ])
            .allowed_headers([
                ACCEPT,
                ACCEPT_ENCODING,
                ACCEPT_LANGUAGE,
                AUTHORIZATION,
                CONTENT_LANGUAGE,
                CONTENT_LENGTH,
                CONTENT_TYPE,
                HeaderName::from_static("x-csrf-token"),
            ])
            .max_age(MAX_AGE_SECONDS)
            // Requests of other origins are answered, without a grant: the browser keeps the answer from the page.
            .block_on_origin_mismatch(false);
        match self {
            Origins::Off => cors,
            Origins::Any => cors.allow_any_origin().send_wildcard(),
            Origins::These(origins) => {
                let origins = origins.clone();
                cors.allowed_origin_fn(move |origin, _| is_among(&origins, origin))
            }
        }
    }
}

/// Browsers write origins in one way alone, so they are compared as texts.
fn is_among(origins: &[String], origin: &HeaderValue) -> bool {
    let origin = origin.as_bytes();
    origins.iter().any(|allowed| allowed.as_bytes() == origin)
}

/// An entry as browsers write it: lower case, without the port that the scheme has by itself.
fn origin(entry: &str) -> Result<String, Error> {
    let expected = "origins as https://app.example.com or http://localhost:3000 are expected, without a path; or \"*\" alone, for all";
    let refused = || invalid(KEY, entry, expected);
    let url = Url::parse(entry).map_err(|_| refused())?;
    let is_bare = url.path() == "/"
        && !entry.ends_with('/')
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let host_is_good = url.host_str().is_some_and(|host| !host.contains('*'));
    match matches!(url.scheme(), "http" | "https") && is_bare && host_is_good {
        true => Ok(url.origin().ascii_serialization()),
        false => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn these(entries: &[&str]) -> Result<Origins, Error> {
        let entries: Vec<String> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        Origins::of(&entries)
    }

    #[test]
    fn origins_are_kept_as_browsers_write_them() {
        assert_eq!(these(&[]).unwrap(), Origins::Off);
        assert_eq!(these(&["*"]).unwrap(), Origins::Any);
        let origins = these(&[
            "HTTPS://App.Example.com:443",
            "http://localhost:3000",
            "http://[::1]:80",
            "https://bücher.example",
        ]);
        let expected = [
            "https://app.example.com",
            "http://localhost:3000",
            "http://[::1]",
            "https://xn--bcher-kva.example",
        ];
        let expected = expected.map(str::to_owned).to_vec();
        assert_eq!(origins.unwrap(), Origins::These(expected));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for entry in [
            "",
            "https://*",
            "https://*.example.com",
            "app.example.com",
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://app.example.com?x",
            "https://user@app.example.com",
            "ftp://app.example.com",
            "null",
            "file:///x",
        ] {
            let error = these(&[entry]).unwrap_err();
            assert!(error.to_string().contains(KEY), "{entry}: {error}");
        }
        assert!(these(&["*", "https://app.example.com"]).is_err());
    }
}
