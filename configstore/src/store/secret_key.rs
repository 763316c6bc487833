//! Which keys values are encrypted with.

use datamanager::Document;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::secrets::{Field, Keyring, Sealed};

/// What is encrypted in [`SecretKeyDocument::check`].
const CHECK_TEXT: &str = "configstore";

/// A key that values in the store are encrypted with. It is written in the same transaction as the first of them, so a store
/// names all keys that it needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SecretKeyDocument {
    /// The id of the key.
    pub(crate) id: String,
    /// A known text, encrypted with it: whoever has another key under that id notices.
    pub(crate) check: Sealed,
    /// Set while a rotation replaces the key. Who encrypts with it nevertheless takes that back, and so the key stays.
    #[serde(default)]
    pub(crate) is_retiring: bool,
}

impl Document for SecretKeyDocument {
    const TYPE: &'static str = "secretkey";

    fn id(&self) -> &str {
        &self.id
    }
}

impl SecretKeyDocument {
    fn field(id: &str) -> Field<'_> {
        Field {
            data_type: SecretKeyDocument::TYPE,
            id,
            name: "check",
        }
    }

    /// The document of the key that encrypts.
    pub(crate) fn of_current(keyring: &Keyring) -> Result<SecretKeyDocument, Error> {
        let id = keyring.current_id();
        Ok(SecretKeyDocument {
            id: id.to_owned(),
            check: keyring.seal(SecretKeyDocument::field(id), CHECK_TEXT)?,
            is_retiring: false,
        })
    }

    /// Whether this process has the key.
    pub(crate) fn verify(&self, keyring: &Keyring) -> Result<(), Error> {
        let refused = |why: &str| {
            let message = format!(
                "the store has values encrypted with key {:?}, {why}",
                self.id
            );
            Error::bad_request(message).with_code("wrong_key")
        };
        if !keyring.ids().any(|id| id == self.id) {
            return Err(refused(
                "which is not among configstore.secretKeys, nor the key in the data directory",
            ));
        }
        match keyring.open(SecretKeyDocument::field(&self.id), &self.check) {
            Ok(text) if text == CHECK_TEXT => Ok(()),
            _ => Err(refused(
                "and the configured key with this id is another one",
            )),
        }
    }
}
