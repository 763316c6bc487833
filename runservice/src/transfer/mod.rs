//! The whole content in the format of agola v0.7.
//!
//! Source: `docs/formats.md`, sections "Export files" and "runservice".

mod export;
mod import;

pub(crate) use export::agola_export;
pub(crate) use import::{agola_import, native_import};
