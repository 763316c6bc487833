//! Random values, and hashes of them.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::Error;

/// An id for a new object: a random UUID.
pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// 160 random bits as 40 hexadecimal digits, the shape of agola's tokens and secrets.
pub(crate) fn new_secret() -> Result<String, Error> {
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::internal("there are no random numbers").with_source(error))?;
    Ok(hexadecimal(&bytes))
}

/// What is stored of a token. Its 160 random bits cannot be guessed, so a plain hash is enough; and since tokens are looked
/// up by it, how long that takes tells nothing of them.
pub(crate) fn token_hash(token: &str) -> String {
    hexadecimal(&Sha256::digest(token.as_bytes()))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
