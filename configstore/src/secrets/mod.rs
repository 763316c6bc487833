//! What keeps secrets from whoever reads the storage: encryption of values, hashes of tokens, and random values.

mod key_file;
mod keyring;
mod random;

pub use key_file::SecretKeySettings;
pub(crate) use keyring::{Field, Keyring, Sealed};
pub(crate) use random::{new_id, new_secret, token_hash};
