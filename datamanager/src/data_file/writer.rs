//! Writes a data file to the object storage.

use bytes::Bytes;
use ost::{ObjectPath, ObjectWriter, Ost};

use super::batch::BatchCompressor;
use super::encoder::{DataFileEncoder, DataFileOptions};
use super::entry::DataFileEntry;
use super::error::DataFileError;
use super::stats::DataFileStats;

/// Writes one data file from entries in ascending order of their keys.
///
/// Memory is bounded by the format, not by what is written: a few batches of blocks of 128 KiB, one block, and for the
/// end of the file 8 bytes for each entry (the filter) and about 20 for each block (the index). The caller ends a
/// file when [`DataFileWriter::estimated_bytes`] is what it wants.
///
/// Within a tokio runtime blocks are compressed on its threads for blocking work, a few batches ahead; elsewhere in
/// [`DataFileWriter::add`]. The file is the same.
///
/// # Durability
/// Nothing is there before [`DataFileWriter::finish`]. A writer that is dropped leaves no object; what a backend has
/// staged goes with [`DataFileWriter::abort`].
///
/// Source: `docs/formats.md`, section "Data file".
pub struct DataFileWriter {
    path: ObjectPath,
    encoder: DataFileEncoder,
    compressor: BatchCompressor,
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
        let compressor = BatchCompressor::new(options.compression)?;
        let object = ost
            .writer(&path)
            .await
            .map_err(|source| cannot_write(&path, source))?;
        Ok(DataFileWriter {
            path,
            encoder,
            compressor,
            object,
            is_broken: false,
        })
    }

    /// Compresses on fewer threads, and on a small machine on the caller's alone: for a file that nobody waits for.
    #[must_use]
    pub fn in_background(mut self) -> DataFileWriter {
        self.compressor.stay_in_background();
        self
    }

    /// Adds an entry, whose key must be greater than that of the one before.
    ///
    /// # Errors
    /// - [`DataFileError::Invalid`]: the key does not follow, or key or value is too long. The entry was not added,
    ///   the writer goes on.
    /// - [`DataFileError::Object`]: the object storage failed; the file cannot be finished any more.
    pub async fn add(&mut self, entry: &DataFileEntry) -> Result<(), DataFileError> {
        self.encoder.add(entry)?;
        let is_first = self.encoder.is_first_batch();
        let Some(batch) = self.encoder.take_batch() else {
            return Ok(());
        };
        self.check()?;
        // Cleared below: whatever fails or is dropped from here on leaves a part out.
        self.is_broken = true;
        if is_first {
            self.compressor.compress(&batch)?;
            self.write_next().await?;
        } else {
            self.compressor.begin(batch)?;
            if self.compressor.is_full() {
                self.write_next().await?;
            }
        }
        self.is_broken = false;
        Ok(())
    }

    /// About how long the file would be if it ended here. Blocks that are not compressed yet count as if they compressed as
    /// well as those before them; the first 16 KiB count as they are.
    pub fn estimated_bytes(&self) -> u64 {
        self.encoder.estimated_bytes()
    }

    /// Ends the file. After `Ok` it is in the object storage as a whole, as durable as an object there is.
    ///
    /// # Errors
    /// - [`DataFileError::Invalid`]: there is no entry in it, or a part of it was lost to an earlier failure.
    /// - [`DataFileError::Object`]: the object storage failed.
    pub async fn finish(mut self) -> Result<DataFileSummary, DataFileError> {
        let batch = self.encoder.end_blocks()?;
        self.check()?;
        if !batch.is_empty() {
            self.compressor.compress(&batch)?;
        }
        while self.write_next().await? {}
        let end = self.encoder.finish()?;
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

    fn check(&self) -> Result<(), DataFileError> {
        match self.is_broken {
            true => Err(broken(&self.path)),
            false => Ok(()),
        }
    }

    /// Writes the oldest batch that is being compressed; `false` if there is none.
    async fn write_next(&mut self) -> Result<bool, DataFileError> {
        let Some(frames) = self.compressor.next().await else {
            return Ok(false);
        };
        let bytes = self.encoder.place(frames?);
        let written = self.object.write(Bytes::from(bytes)).await;
        written.map_err(|source| cannot_write(&self.path, source))?;
        Ok(true)
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
