//! The keys that values are encrypted with.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};

use super::key_file::{self, SecretKeySettings};
use crate::Error;

const NONCE_BYTES: usize = 24;
/// What a sealed value begins with: the version of its form.
const FORM: &str = "1";

/// Where a value stands: it can be opened only there, so that whoever can write to the storage cannot put a secret where it
/// would be shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) data_type: &'a str,
    pub(crate) id: &'a str,
    pub(crate) name: &'a str,
}

impl Field<'_> {
    fn associated_data(&self) -> Vec<u8> {
        [self.data_type, self.id, self.name].join("\0").into_bytes()
    }
}

/// An encrypted text; empty if the text is empty.
///
/// # Shape
/// `1.<id of the key>.<base64 without padding of 24 bytes of nonce, and XChaCha20-Poly1305's ciphertext and tag>`. The data
/// type, the id of the object and the name of the field, joined by zero bytes, are authenticated with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Sealed(String);

impl Sealed {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The id of the key, and the bytes.
    fn parts(&self) -> Option<(&str, &str)> {
        let rest = self.0.strip_prefix(FORM)?.strip_prefix('.')?;
        rest.rsplit_once('.')
    }

    /// The id of the key that opens it.
    pub(crate) fn key_id(&self) -> Option<&str> {
        self.parts().map(|(key_id, _)| key_id)
    }
}

/// The keys that this process has: the first encrypts, all decrypt.
///
/// Cheap to share behind an `Arc`; the keys are wiped from memory when it goes.
pub(crate) struct Keyring {
    keys: Vec<Key>,
}

struct Key {
    id: String,
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Keyring")
            .field(&self.ids().collect::<Vec<_>>())
            .finish()
    }
}

impl Keyring {
    /// The keys of these files. If none is named, the one in the data directory, which is made if it is not there, with mode
    /// 0600.
    ///
    /// # Errors
    /// `Invalid` for a file that cannot be read or is no key, an id that is used twice or cannot be one.
    pub(crate) fn load(settings: &[SecretKeySettings], data_dir: &Path) -> Result<Keyring, Error> {
        let mut keyring = Keyring { keys: Vec::new() };
        if settings.is_empty() {
            let (id, key) = key_file::load_or_make(data_dir)?;
            keyring.add(id, &key)?;
        }
        for setting in settings {
            let key = key_file::load(&setting.key_file)?;
            keyring.add(setting.id.clone(), &key)?;
        }
        Ok(keyring)
    }

    fn add(&mut self, id: String, key: &key_file::KeyBytes) -> Result<(), Error> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if id.is_empty() || id.len() > 64 || !id.bytes().all(fits) {
            return Err(Error::bad_request(format!(
                "configstore.secretKeys: the id {id:?} is not 1 to 64 letters, digits, dashes or underscores"
            )));
        }
        if self.ids().any(|other| other == id) {
            return Err(Error::bad_request(format!(
                "configstore.secretKeys: the id {id:?} stands there twice"
            )));
        }
        let cipher = XChaCha20Poly1305::new((&**key).into());
        self.keys.push(Key { id, cipher });
        Ok(())
    }

    /// The ids of the keys, the encrypting one first.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// The id of the key that encrypts.
    pub(crate) fn current_id(&self) -> &str {
        self.keys.first().map_or("", |key| key.id.as_str())
    }

    /// Encrypts a text for one place.
    pub(crate) fn seal(&self, field: Field<'_>, clear: &str) -> Result<Sealed, Error> {
        if clear.is_empty() {
            return Ok(Sealed::default());
        }
        let key = self
            .keys
            .first()
            .ok_or_else(|| Error::internal("there is no key"))?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)
            .map_err(|error| Error::internal("there are no random numbers").with_source(error))?;
        let payload = Payload {
            msg: clear.as_bytes(),
            aad: &field.associated_data(),
        };
        let sealed = key
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::internal("a value cannot be encrypted"))?;
        let bytes = STANDARD_NO_PAD.encode([&nonce[..], &sealed].concat());
        Ok(Sealed(format!("{FORM}.{}.{bytes}", key.id)))
    }

    /// Decrypts what was encrypted for a place.
    ///
    /// # Errors
    /// `Internal` if the key is not there or is another one, or the value was altered or belongs elsewhere.
    pub(crate) fn open(&self, field: Field<'_>, sealed: &Sealed) -> Result<String, Error> {
        if sealed.is_empty() {
            return Ok(String::new());
        }
        let failed = |why: &str| {
            Error::internal(format!(
                "field {:?} of {} {:?} cannot be decrypted: {why}",
                field.name, field.data_type, field.id
            ))
        };
        let (key_id, bytes) = sealed
            .parts()
            .ok_or_else(|| failed("it is no encrypted value"))?;
        let key = self.keys.iter().find(|key| key.id == key_id);
        let key = key.ok_or_else(|| failed(&format!("there is no key {key_id:?}")))?;
        let bytes = STANDARD_NO_PAD
            .decode(bytes)
            .map_err(|_| failed("it is no base64"))?;
        let (nonce, bytes) = bytes
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or_else(|| failed("it is too short"))?;
        let payload = Payload {
            msg: bytes,
            aad: &field.associated_data(),
        };
        let clear = key
            .cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| failed(&format!("key {key_id:?} does not fit, or it was altered")))?;
        String::from_utf8(clear).map_err(|_| failed("it is no text"))
    }

    /// Whether a value is encrypted with the key that encrypts, or empty.
    pub(crate) fn is_current(&self, sealed: &Sealed) -> bool {
        sealed.is_empty() || sealed.key_id() == Some(self.current_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(ids: &[&str]) -> Keyring {
        let mut keyring = Keyring { keys: Vec::new() };
        for id in ids {
            let byte = *id.as_bytes().first().unwrap();
            keyring
                .add((*id).to_owned(), &key_file::KeyBytes::new([byte; 32]))
                .unwrap();
        }
        keyring
    }

    const FIELD: Field<'_> = Field {
        data_type: "secret",
        id: "1",
        name: "data",
    };

    #[test]
    fn a_sealed_value_opens_with_its_key_and_in_its_place_only() {
        let old = keyring(&["a"]);
        let sealed = old.seal(FIELD, "hush").unwrap();
        assert!(!format!("{sealed:?}").contains("hush"));
        assert_ne!(sealed, old.seal(FIELD, "hush").unwrap());
        let new = keyring(&["b", "a"]);
        assert_eq!(new.open(FIELD, &sealed).unwrap(), "hush");
        assert!(old.is_current(&sealed) && !new.is_current(&sealed));

        let elsewhere = Field { id: "2", ..FIELD };
        assert!(new.open(elsewhere, &sealed).is_err());
        assert!(keyring(&["b"]).open(FIELD, &sealed).is_err());
        for altered in ["", "1.a.AAAA", "2.a.x", "1.a"] {
            let text = format!("{altered}{}", if altered.is_empty() { "x" } else { "" });
            assert!(new.open(FIELD, &Sealed(text)).is_err());
        }
        let mut text = sealed.0.clone().into_bytes();
        let middle = text.len() - 4;
        text[middle] = if text[middle] == b'A' { b'B' } else { b'A' };
        assert!(
            new.open(FIELD, &Sealed(String::from_utf8(text).unwrap()))
                .is_err()
        );
    }

    #[test]
    fn an_empty_text_stays_empty() {
        let keyring = keyring(&["a"]);
        let sealed = keyring.seal(FIELD, "").unwrap();
        assert!(sealed.is_empty() && keyring.is_current(&sealed));
        assert_eq!(keyring.open(FIELD, &sealed).unwrap(), "");
    }

    #[test]
    fn ids_are_checked() {
        let mut keyring = keyring(&["a"]);
        for id in ["a", "", "a.b", "ä", &"a".repeat(65)] {
            let key = key_file::KeyBytes::new([1; 32]);
            assert!(keyring.add(id.to_owned(), &key).is_err(), "{id:?}");
        }
    }
}
