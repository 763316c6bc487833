//! Tokens of users who have signed in: JSON Web Tokens whose subject is the id of the user.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use service::config::{invalid, missing};

use crate::Error;
use crate::config::TokenSigning;

/// What is needed to check them.
pub(super) struct SignedTokens {
    key: DecodingKey,
    validation: Validation,
}

#[derive(Deserialize)]
struct Claims {
    /// The user. A token for another purpose has none.
    sub: Option<String>,
    iat: Option<u64>,
}

impl SignedTokens {
    /// Nothing if the configuration has no method.
    ///
    /// # Errors
    /// A method that is none, or a key that is missing or cannot be used: named.
    pub(super) fn of(signing: &TokenSigning) -> Result<Option<SignedTokens>, Error> {
        let (algorithm, key) = match signing.method.as_str() {
            "" => return Ok(None),
            "hmac" if signing.key.is_empty() => {
                let key = "gateway.tokenSigning.key";
                return Err(missing(key, "the key that tokens are signed with"));
            }
            "hmac" => (
                Algorithm::HS256,
                DecodingKey::from_secret(signing.key.as_bytes()),
            ),
            "rsa" => (Algorithm::RS256, public_key(&signing.public_key_path)?),
            other => {
                let key = "gateway.tokenSigning.method";
                return Err(invalid(
                    key,
                    other,
                    "\"hmac\", \"rsa\" or nothing is accepted",
                ));
            }
        };
        let mut validation = Validation::new(algorithm);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.validate_aud = false;
        Ok(Some(SignedTokens { key, validation }))
    }

    /// The id of the user whom a token is for, if it is good.
    pub(super) fn subject(&self, token: &str) -> Option<String> {
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation);
        let claims = decoded.ok()?.claims;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        if claims.iat.is_some_and(|issued| issued > now) {
            return None;
        }
        claims.sub.filter(|subject| !subject.is_empty())
    }
}

fn public_key(path: &Path) -> Result<DecodingKey, Error> {
    let key = "gateway.tokenSigning.publicKeyPath";
    if path.as_os_str().is_empty() {
        return Err(missing(key, "a file with the public key, PEM"));
    }
    let shown = path.display().to_string();
    let pem = std::fs::read(path)
        .map_err(|cause| invalid(key, &shown, &format!("the file cannot be read: {cause}")))?;
    DecodingKey::from_rsa_pem(&pem)
        .map_err(|_| invalid(key, &shown, "the file must hold a public RSA key, PEM"))
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::json;

    use super::*;

    fn signing(method: &str, key: &str) -> TokenSigning {
        TokenSigning {
            method: method.to_owned(),
            key: key.to_owned(),
            ..TokenSigning::default()
        }
    }

    #[test]
    fn a_token_is_good_if_it_is_signed_current_and_for_a_user() {
        let tokens = SignedTokens::of(&signing("hmac", "supersecretsigningkey")).unwrap();
        let tokens = tokens.unwrap();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let make = |algorithm, key: &str, claims: serde_json::Value| {
            let key = EncodingKey::from_secret(key.as_bytes());
            encode(&Header::new(algorithm), &claims, &key).unwrap()
        };
        let key = "supersecretsigningkey";
        let good = make(Algorithm::HS256, key, json!({"sub": "u1", "exp": now + 60}));
        assert_eq!(tokens.subject(&good).as_deref(), Some("u1"));
        for (algorithm, key, claims) in [
            (Algorithm::HS256, key, json!({"sub": "u1", "exp": now - 1})),
            (Algorithm::HS256, key, json!({"sub": "u1"})),
            (
                Algorithm::HS256,
                key,
                json!({"sub": "u1", "exp": now + 60, "nbf": now + 50}),
            ),
            (
                Algorithm::HS256,
                key,
                json!({"sub": "u1", "exp": now + 60, "iat": now + 50}),
            ),
            // What carries a login through a remote source has no subject.
            (
                Algorithm::HS256,
                key,
                json!({"exp": now + 60, "request_type": "loginuser"}),
            ),
            (Algorithm::HS256, key, json!({"sub": "", "exp": now + 60})),
            (
                Algorithm::HS256,
                "other",
                json!({"sub": "u1", "exp": now + 60}),
            ),
            (Algorithm::HS384, key, json!({"sub": "u1", "exp": now + 60})),
        ] {
            let token = make(algorithm, key, claims.clone());
            assert_eq!(tokens.subject(&token), None, "{claims}");
        }
        // Without a signature.
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1MSIsImV4cCI6OTk5OTk5OTk5OX0.";
        for token in ["", "a", "a.b.c", unsigned] {
            assert_eq!(tokens.subject(token), None, "{token}");
        }
    }

    #[test]
    fn a_method_needs_its_key() {
        assert!(SignedTokens::of(&signing("", "")).unwrap().is_none());
        for (signing, key) in [
            (signing("hmac", ""), "tokenSigning.key"),
            (signing("rsa", ""), "tokenSigning.publicKeyPath"),
            (signing("none", "x"), "tokenSigning.method"),
        ] {
            let error = SignedTokens::of(&signing).err().unwrap();
            assert!(error.to_string().contains(key), "{error}");
        }
    }
}
