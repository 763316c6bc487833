//! The whole content in the format of agola v0.7: out of the store, decrypted, and into it, encrypted and hashed.
//!
//! Source: `docs/formats.md`, sections "Export files" and "configstore".

mod entries;
mod export;
mod import;

pub(crate) use export::agola_export;
pub(crate) use import::{agola_import, native_import};
