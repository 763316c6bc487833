//! The token that servers show each other.

use std::fmt;
use std::path::Path;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use subtle::ConstantTimeEq;

use crate::{Error, ErrorKind, config};

const TOKEN_BYTES_MIN: usize = 16;

/// A token that callers have to show.
#[derive(Clone)]
pub(crate) struct BearerToken(String);

impl fmt::Debug for BearerToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BearerToken")
    }
}

impl BearerToken {
    /// Reads it from a file, without white space around it; `key` is where the file is named.
    pub(crate) fn read(key: &str, path: &Path) -> Result<BearerToken, Error> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|cause| {
            config::invalid(key, &shown, &format!("the file cannot be read: {cause}"))
        })?;
        let token = text.trim();
        let printable = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.len() < TOKEN_BYTES_MIN || !printable {
            let accepted = format!(
                "the file must hold a token of at least {TOKEN_BYTES_MIN} printable characters without spaces"
            );
            return Err(config::invalid(key, &shown, &accepted));
        }
        Ok(BearerToken(token.to_owned()))
    }

    /// Accepts a request that shows the token.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Error> {
        let refused = |message: &str| Err(Error::new(ErrorKind::Unauthorized, message));
        let mut shown = headers.get_all(AUTHORIZATION);
        let (Some(value), None) = (shown.next(), shown.next()) else {
            return refused("one bearer token is expected in the header Authorization");
        };
        let presented = value.to_str().ok().and_then(|value| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        match presented {
            Some(presented) if self.matches(presented) => Ok(()),
            Some(_) => refused("the bearer token is not accepted"),
            None => refused("one bearer token is expected in the header Authorization"),
        }
    }

    /// In a time that depends on the lengths alone.
    fn matches(&self, presented: &str) -> bool {
        presented.as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_the_whole_token_is_accepted() {
        let token = BearerToken("0123456789abcdef".to_owned());
        assert!(token.check(&headers(&["Bearer 0123456789abcdef"])).is_ok());
        assert!(token.check(&headers(&["bearer  0123456789abcdef"])).is_ok());
        for values in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["Bearer 0123456789abcdeF"],
            &["Bearer 0123456789abcde"],
            &["Bearer 0123456789abcdef0"],
            &["Basic 0123456789abcdef"],
            &["0123456789abcdef"],
            &["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"],
            &["Bearer 0123456789abcdef", "Bearer x"],
        ] {
            let error = token.check(&headers(values)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthorized, "{values:?}");
        }
        assert!(!format!("{token:?}").contains("0123"));
    }

    #[test]
    fn a_file_without_a_token_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let key = "configstore.bearerTokenFile";
        for content in [None, Some(""), Some("short\n"), Some("0123456789 abcdefgh")] {
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
            let error = BearerToken::read(key, &path).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
        std::fs::write(&path, " 0123456789abcdef\n").unwrap();
        assert!(
            BearerToken::read(key, &path)
                .unwrap()
                .matches("0123456789abcdef")
        );
    }
}
