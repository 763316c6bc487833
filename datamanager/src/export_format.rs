//! The bytes of an export: what an encoder writes of entries, and a decoder reads back.
//!
//! Nothing here knows a store. [`ExportEncoder`] turns entries into chunks of bytes. [`ExportDecoder`] reads any stream
//! of bytes, finds out what it is, and refuses everything that is not a whole export.
//!
//! Source: `docs/formats.md`, section "Export files".

mod format;

mod encoder;

mod decoder;
mod entry_fields;
mod input;
mod place;

mod base64_engine;
mod entry;
mod native;

mod compression;

#[cfg(test)]
mod tests;

pub use format::ExportFormat;

pub(crate) use decoder::{DecoderLimits, ExportDecoder};
pub(crate) use encoder::ExportEncoder;
pub(crate) use entry::{DecodedEntry, EntryRef};
pub(crate) use native::ExportHeader;
