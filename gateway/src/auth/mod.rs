//! Who asks.
//!
//! | credential | header | stands for |
//! |---|---|---|
//! | token of the administrator | `Authorization: token …` | everything, and no user |
//! | token of a user | `Authorization: token …` | the user |
//! | token of a user who has signed in | `Authorization: bearer …` | the user |
//!
//! The parameter `access_token` of the query stands for the header if there is none: it has the scheme in it, as
//! `access_token=token%20…`. Another scheme counts as no credential. A credential that is none is refused everywhere, also
//! where none is needed.

mod admin;
mod caller;
mod failures;
mod signed;

use std::net::IpAddr;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use configstore::client::Client;
use sha2::{Digest, Sha256};

use crate::config::Settings;
use crate::error::{behind, unauthorized};
use crate::{Error, ErrorKind};
use failures::Failures;
use signed::SignedTokens;

pub(crate) use admin::AdminToken;
pub(crate) use caller::Caller;

/// The SHA-256 of a token.
type TokenHash = [u8; 32];

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

/// What somebody shows.
#[derive(Clone, PartialEq, Eq)]
enum Credential {
    /// Of the administrator or of a user.
    Token(String),
    /// Of a user who has signed in.
    Signed(String),
}

/// Finds out who asks.
pub(crate) struct Authenticator {
    admin_token: AdminToken,
    signed: Option<SignedTokens>,
    failures: Failures,
    configstore: Client,
}

impl Authenticator {
    pub(crate) fn new(
        settings: &Settings,
        admin_token: AdminToken,
        configstore: Client,
    ) -> Result<Authenticator, Error> {
        Ok(Authenticator {
            admin_token,
            signed: SignedTokens::of(&settings.token_signing)?,
            failures: Failures::new(settings.authentication_failures),
            configstore,
        })
    }

    /// Who asks; `None` is somebody who shows nothing.
    ///
    /// # Errors
    /// `Unauthorized`: what is shown is no credential. `TooManyRequests`: too much of that came from there. `Unavailable`:
    /// the configuration service does not answer.
    pub(crate) async fn authenticate(
        &self,
        headers: &HeaderMap,
        query: &str,
        address: Option<IpAddr>,
    ) -> Result<Option<Caller>, Error> {
        let Some(credential) = credential(headers, query)? else {
            return Ok(None);
        };
        let shown = match &credential {
            Credential::Token(token) | Credential::Signed(token) => hash(token),
        };
        self.failures.check(address, &shown)?;
        match self.look_up(&credential, &shown).await {
            Ok(caller) => {
                self.failures.note_success(shown);
                Ok(Some(caller.at(address)))
            }
            Err(error) => {
                if error.kind() == ErrorKind::Unauthorized {
                    self.failures.note_failure(address);
                }
                Err(error)
            }
        }
    }

    async fn look_up(&self, credential: &Credential, shown: &TokenHash) -> Result<Caller, Error> {
        let found = match credential {
            Credential::Token(_) if self.admin_token.is(shown) => {
                return Ok(Caller::administrator());
            }
            Credential::Token(token) if token.is_empty() => return Err(refused()),
            Credential::Token(token) => self.configstore.user_by_token(token).await,
            Credential::Signed(token) => {
                let signed = self.signed.as_ref().ok_or_else(refused)?;
                let id = signed.subject(token).ok_or_else(refused)?;
                let user = self.configstore.user(&id).await;
                // A reference that is no id would be taken for a name.
                match user {
                    Ok(user) if user.id != id => return Err(refused()),
                    user => user,
                }
            }
        };
        match found {
            Ok(user) => Ok(Caller::user(user.id, user.name, user.admin)),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::BadRequest => Err(refused()),
                _ => Err(behind(error)),
            },
        }
    }
}

fn refused() -> Error {
    unauthorized("the token is not accepted")
}

/// What a request shows.
fn credential(headers: &HeaderMap, query: &str) -> Result<Option<Credential>, Error> {
    let mut values = headers.get_all(AUTHORIZATION);
    let (first, second) = (values.next(), values.next());
    if second.is_some() {
        return Err(unauthorized("there are several headers Authorization"));
    }
    let header = match first {
        Some(value) => value.to_str().map_err(|_| refused())?,
        None => "",
    };
    if !header.is_empty() {
        return Ok(parse(header));
    }
    let mut parameters = url::form_urlencoded::parse(query.as_bytes());
    let parameter = parameters.find(|(name, _)| name == "access_token");
    Ok(parameter.and_then(|(_, value)| parse(&value)))
}

fn parse(text: &str) -> Option<Credential> {
    // A scheme alone has an empty token: spaces at the end of a header do not arrive.
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if scheme.eq_ignore_ascii_case("token") {
        return Some(Credential::Token(token.to_owned()));
    }
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| Credential::Signed(token.to_owned()))
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
    fn a_credential_has_a_scheme_one_space_and_the_rest() {
        let token = |text: &str| Some(Credential::Token(text.to_owned()));
        let signed = |text: &str| Some(Credential::Signed(text.to_owned()));
        for (header, query, expected) in [
            ("token abc", "", token("abc")),
            ("TOKEN  abc ", "", token(" abc ")),
            ("token ", "", token("")),
            ("Bearer a.b.c", "", signed("a.b.c")),
            ("token", "", token("")),
            ("bearer", "", signed("")),
            ("tokens abc", "", None),
            ("Basic dXNlcjpwYXNz", "", None),
            ("", "access_token=token%20abc", token("abc")),
            ("", "x=y&access_token=bearer+a.b", signed("a.b")),
            ("", "access_token=abc", None),
            ("", "", None),
            // A header of any kind goes before the parameter.
            ("Basic x", "access_token=token%20abc", None),
            ("token wrong", "access_token=token%20abc", token("wrong")),
        ] {
            let headers = match header {
                "" => headers(&[]),
                header => headers(&[header]),
            };
            let found = credential(&headers, query).unwrap();
            assert!(found == expected, "{header:?} {query:?}");
        }
        assert!(credential(&headers(&["token a", "token b"]), "").is_err());
    }
}
