//! Writes a data file to the object storage.

use bytes::Bytes;
use ost::{ObjectPath, ObjectWriter, Ost};

use super::encoder::{DataFileEncoder, DataFileOptions};
use super::entry::DataFileEntry;
use super::error::DataFileError;
use super::stats::DataFileStats;

/// The object gets its bytes in pieces of about this length.
const WRITE_BYTES: usize = 256 * 1024;

/// Writes one data file from entries in ascending order of their keys.
///
/// Memory is bounded by the format, not by what is written: a piece of output of 256 KiB, one block, and for the
/// end of the file 8 bytes for each entry (the filter) and about 20 for each block (the index). The caller ends a
/// file when [`DataFileWriter::estimated_bytes`] is what it wants.
///
/// Compression runs inside [`DataFileWriter::add`], on the caller's thread.
///
/// # Durability
/// Nothing is there before [`DataFileWriter::finish`]. A writer that is dropped leaves no object; what a backend has
/// staged goes with [`DataFileWriter::abort`].
///
/// Source: `docs/formats.md`, section "Data file".
pub struct DataFileWriter {
    path: ObjectPath,
    encoder: DataFileEncoder,
    object: ObjectWriter,
    /// Set while output is under way, so that it stays set if that fails or is cancelled: a part would be missing.
    is_broken: bool,
}

/// What is to be known of a file once it is written; the manifest keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFileSummary {
    /// Length of the object.
    pub bytes: u64,
    /// The footer's CRC32C, which through the checksums in the footer stands for every byte of the file.
    pub checksum: u32,
    /// What is in it.
    pub stats: DataFileStats,
}

impl DataFileWriter {
    /// Begins a file at `path`. An object that has this name is replaced in the end: names of files are used once.
    ///
    /// # Errors
    /// - [`DataFileError::Invalid`]: an option is out of its range.
    /// - [`DataFileError::Object`]: the object storage failed.
    pub async fn create(
        ost: &Ost,
        path: ObjectPath,
        options: DataFileOptions,
    ) -> Result<DataFileWriter, DataFileError> {
        let encoder = DataFileEncoder::new(options)?;
        let object = ost
            .writer(&path)
            .await
            .map_err(|source| cannot_write(&path, source))?;
        Ok(DataFileWriter {
            path,
            encoder,
            object,
            is_broken: false,
        })
    }

    /// Adds an entry, whose key must be greater than that of the one before.
    ///
    /// # Errors
    /// - [`DataFileError::Invalid`]: the key does not follow, or key or value is too long. The entry was not added,
    ///   the writer goes on.
    /// - [`DataFileError::Object`]: the object storage failed; the file cannot be finished any more.
    pub async fn add(&mut self, entry: &DataFileEntry) -> Result<(), DataFileError> {
        self.encoder.add(entry)?;
        if self.encoder.output_bytes() >= WRITE_BYTES {
            let output = self.encoder.take_output();
            self.write(output).await?;
        }
        Ok(())
    }

    /// About how long the file would be if it ended here. May be too high by what the block being filled saves by
    /// compression.
    pub fn estimated_bytes(&self) -> u64 {
        self.encoder.estimated_bytes()
    }

    /// Ends the file. After `Ok` it is in the object storage as a whole, as durable as an object there is.
    ///
    /// # Errors
    /// - [`DataFileError::Invalid`]: there is no entry in it, or a part of it was lost to an earlier failure.
    /// - [`DataFileError::Object`]: the object storage failed.
    pub async fn finish(mut self) -> Result<DataFileSummary, DataFileError> {
        let end = self.encoder.finish()?;
        if self.is_broken {
            return Err(broken(&self.path));
        }
        let written = self.object.write(Bytes::from(end.output)).await;
        written.map_err(|source| cannot_write(&self.path, source))?;
        let bytes = self
            .object
            .finish()
            .await
            .map_err(|source| cannot_write(&self.path, source))?;
        if bytes != end.footer.file_bytes() {
            let expected = end.footer.file_bytes();
            return Err(DataFileError::Invalid(format!(
                "object storage took {bytes} bytes of data file \"{}\", which has {expected}",
                self.path
            )));
        }
        Ok(DataFileSummary {
            bytes,
            checksum: end.footer.checksum(),
            stats: end.stats,
        })
    }

    /// Gives the file up and removes what was staged of it.
    pub async fn abort(self) {
        self.object.abort().await;
    }

    async fn write(&mut self, output: Vec<u8>) -> Result<(), DataFileError> {
        if self.is_broken {
            return Err(broken(&self.path));
        }
        self.is_broken = true;
        let written = self.object.write(Bytes::from(output)).await;
        written.map_err(|source| cannot_write(&self.path, source))?;
        self.is_broken = false;
        Ok(())
    }
}

fn cannot_write(path: &ObjectPath, source: ost::Error) -> DataFileError {
    DataFileError::Object {
        what: format!("cannot write data file \"{path}\""),
        source,
    }
}

fn broken(path: &ObjectPath) -> DataFileError {
    DataFileError::Invalid(format!(
        "data file \"{path}\" cannot be finished after a failed write"
    ))
}
