//! Replacing everything that a store holds by the content of an export (R31).

mod sorter;

use std::time::Duration;

use bytes::Bytes;
use ost::ObjectPath;
use serde::Serialize;
use tokio::io::AsyncRead;

use super::Jobs;
use crate::Error;
use crate::control::JobKind;
use crate::documents::{Catalog, DocumentTypes, ImportIndexer};
use crate::entry_key::{CATALOG_TYPE, EntryKey, INDEX_TYPE, check_data_type, check_id, raw_key};
use crate::epoch::EpochCause;
use crate::export::{Conversion, Expansion, convert, expand, is_of_indexes};
use crate::export_format::{DecodedEntry, DecoderLimits, ExportDecoder, ExportFormat};
use crate::failpoint;
use crate::instances::Mode;
use crate::manifest::{FileEntry, Run};
use crate::{ErrorKind, LogKind, Position, Timestamp, TransferredEntry};

use sorter::Sorter;

/// How often the processes are asked whether they have reported maintenance.
const INSTANCE_LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How often it is tried to create the epoch that an import begins with.
const EPOCH_ATTEMPTS_MAX: u32 = 5;
const EPOCH_RETRY_DELAY: Duration = Duration::from_secs(1);

/// The conversion for a format, if entries of that format need one.
type ConversionByFormat = std::sync::Arc<dyn Fn(ExportFormat) -> Option<Conversion> + Send + Sync>;

/// The expansion for a format, if entries of that format need one.
type ExpansionByFormat = std::sync::Arc<dyn Fn(ExportFormat) -> Option<Expansion> + Send + Sync>;

/// How an import is done.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ImportOptions {
    force: bool,
    conversion: Option<ConversionByFormat>,
    expansion: Option<ExpansionByFormat>,
    /// The document types that the program has used.
    pub(crate) types: Option<std::sync::Arc<DocumentTypes>>,
    progress: Option<std::sync::Arc<dyn Fn(u64) + Send + Sync>>,
}

impl ImportOptions {
    /// The defaults.
    pub fn new() -> ImportOptions {
        ImportOptions::default()
    }

    /// Does not wait for processes that have not reported maintenance. They cannot commit any more when the import takes
    /// effect, and go on from what was imported when they notice.
    pub fn force(mut self, force: bool) -> ImportOptions {
        self.force = force;
        self
    }

    /// Converts each entry.
    pub fn conversion(self, conversion: Conversion) -> ImportOptions {
        self.conversion_by_format(move |_| Some(conversion.clone()))
    }

    /// Converts each entry as it needs to be for the format that the input turns out to have.
    pub fn conversion_by_format(
        mut self,
        choose: impl Fn(ExportFormat) -> Option<Conversion> + Send + Sync + 'static,
    ) -> ImportOptions {
        self.conversion = Some(std::sync::Arc::new(choose));
        self
    }

    /// Makes other entries of each entry, as it needs to be for the format that the input turns out to have. Goes before a
    /// conversion.
    ///
    /// Of the document types that this program has used the indexes are made at once: after the import their documents can
    /// be found, and one with a unique key that another has refuses the import.
    pub fn expansion_by_format(
        mut self,
        choose: impl Fn(ExportFormat) -> Option<Expansion> + Send + Sync + 'static,
    ) -> ImportOptions {
        self.expansion = Some(std::sync::Arc::new(choose));
        self
    }

    /// Is told the number of entries read so far, from time to time.
    pub fn progress(mut self, progress: impl Fn(u64) + Send + Sync + 'static) -> ImportOptions {
        self.progress = Some(std::sync::Arc::new(progress));
        self
    }
}

impl std::fmt::Debug for ImportOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ImportOptions")
            .field("force", &self.force)
            .finish_non_exhaustive()
    }
}

/// What an import has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// Entries that the store holds now.
    pub entries: u64,
    /// Data files written.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// The epoch that has begun.
    pub epoch: u32,
    /// Where it begins.
    pub base: Position,
}

type Input = Box<dyn AsyncRead + Send + Unpin>;

impl Jobs {
    pub(crate) async fn import(
        &self,
        input: Input,
        options: ImportOptions,
    ) -> Result<ImportReport, Error> {
        self.check_writable()?;
        let _one = self.checkpointing.lock().await;
        self.check_maintenance(&options).await?;
        // One of this process whose call was dropped, or of a process that is gone, is given up here.
        let begun = match self.is_claimed_by_another(JobKind::Import).await? {
            true => None,
            false => {
                self.give_up_own(JobKind::Import).await?;
                self.begin(JobKind::Import).await?
            }
        };
        let Some(begun) = begun else {
            return Err(Error::unavailable("another import is under way"));
        };
        let job_seq = begun.position.seq;
        match self.read_and_seal(input, &options, job_seq).await {
            Ok(imported) => self.begin_imported_epoch(imported).await,
            Err(error) => {
                self.abandon(job_seq).await;
                Err(error)
            }
        }
    }

    /// Refuses an import outside of maintenance, and waits until every live process has reported it.
    async fn check_maintenance(&self, options: &ImportOptions) -> Result<(), Error> {
        let view = self.shared.view();
        let Some(since) = view.control.maintenance.clone() else {
            return Err(Error::invalid(
                "the store is not in maintenance: switch it on before an import",
            ));
        };
        if options.force || self.shared.log().kind == LogKind::File {
            return Ok(());
        }
        let deadline = self.environment.steady_time() + self.settings.import_wait_max;
        loop {
            self.check_running()?;
            let listed = self.registry().list(&self.shared, false).await?;
            let has_reported = |instance: &crate::Instance| {
                instance.name == self.shared.instance
                    || (instance.mode == Mode::Maintenance
                        && instance.position.seq >= since.position.seq)
            };
            let silent: Vec<String> = listed
                .iter()
                .filter(|instance| !has_reported(instance))
                .map(|instance| instance.name.clone())
                .collect();
            if silent.is_empty() {
                return Ok(());
            }
            if self.environment.steady_time() >= deadline {
                return Err(Error::unavailable(format!(
                    "these processes have not reported maintenance: {}; stop them, or import by force",
                    silent.join(", ")
                )));
            }
            self.environment.sleep(INSTANCE_LOOK_INTERVAL).await;
        }
    }

    /// Writes the input to data files, and ends the log when all of it is there.
    async fn read_and_seal(
        &self,
        input: Input,
        options: &ImportOptions,
        job_seq: u64,
    ) -> Result<Imported, Error> {
        let mut sorter = Sorter::new(self, job_seq);
        let read = self.read_input(input, options, &mut sorter).await;
        let written = match read {
            Ok(catalog) => sorter.finish().await.map(|files| (files, catalog)),
            Err(error) => Err(error),
        };
        let (files, catalog) = match written {
            Ok(written) => {
                let leftover = sorter.take_leftover();
                self.remove_files(&leftover).await;
                written
            }
            Err(error) => {
                let leftover = sorter.take_all().await;
                self.remove_files(&leftover).await;
                return Err(error);
            }
        };
        let mut report = ImportReport {
            entries: files.iter().map(|file| file.entries).sum(),
            files: files.len() as u64,
            bytes: files.iter().map(|file| file.bytes).sum(),
            ..ImportReport::default()
        };
        failpoint::pass("import-written");
        let kind = self.shared.log().kind;
        report.base = self.seal(EpochCause::Import, kind, Some(job_seq)).await?;
        let run = Run {
            level: self.level_for(report.bytes),
            files,
        };
        let runs = Some(run).filter(|run| !run.files.is_empty());
        Ok(Imported {
            report,
            runs: runs.into_iter().collect(),
            catalog,
        })
    }

    /// Takes in the entries, and returns what they say of indexes.
    async fn read_input(
        &self,
        input: Input,
        options: &ImportOptions,
        sorter: &mut Sorter<'_>,
    ) -> Result<Catalog, Error> {
        const ENTRIES_PER_LOOK: u64 = 1_000;
        let limits = DecoderLimits {
            entry_bytes_max: self.settings.entry_bytes_max,
        };
        let mut decoder = ExportDecoder::open(input, limits).await?;
        let taken_at = decoder.header().map(|header| header.position.to_string());
        log::info!(
            instance = self.shared.instance, format:% = decoder.format(), position = taken_at;
            "reading an export"
        );
        let conversion = options.conversion.as_ref();
        let conversion = conversion.and_then(|choose| choose(decoder.format()));
        let expansion = options.expansion.as_ref();
        let expansion = expansion.and_then(|choose| choose(decoder.format()));
        let mut indexer = match (&expansion, &options.types) {
            (Some(_), Some(types)) => Some(ImportIndexer::new(types)?),
            _ => None,
        };
        let keeps_indexes = conversion.is_none() && expansion.is_none();
        let mut catalog = Catalog::default();
        while let Some(entry) = decoder.next().await? {
            if entry.number % ENTRIES_PER_LOOK == 0 {
                self.check_running()?;
                if let Some(progress) = &options.progress {
                    progress(entry.number);
                }
            }
            if entry.data_type.starts_with('!') {
                check_internal(&entry, &mut catalog)?;
                // Index entries may not fit what a conversion makes of the documents; then they are built anew.
                if keeps_indexes {
                    sorter.add(entry).await?;
                }
                continue;
            }
            for entry in expanded(entry, expansion.as_ref())? {
                let entry = self.converted(entry, conversion.as_ref())?;
                if let Some(indexer) = &mut indexer {
                    add_index_entries(indexer, &entry, sorter).await?;
                }
                sorter.add(entry).await?;
            }
        }
        let Some(indexer) = indexer else {
            return Ok(match keeps_indexes {
                true => catalog,
                false => Catalog::default(),
            });
        };
        let (entries, catalog) = indexer.catalogs()?;
        for (key, value) in entries {
            sorter
                .add(internal_entry(CATALOG_TYPE, &key, value, None, 0))
                .await?;
        }
        Ok(catalog)
    }

    fn converted(
        &self,
        mut entry: DecodedEntry,
        conversion: Option<&Conversion>,
    ) -> Result<DecodedEntry, Error> {
        let Some(conversion) = conversion else {
            return Ok(entry);
        };
        let value = entry.value.clone();
        let converted = convert(
            conversion,
            &entry.data_type,
            &entry.id,
            value,
            entry.expires_at,
        )?;
        if converted.value.len() > self.settings.entry_bytes_max {
            return Err(Error::invalid(format!(
                "entry {} of the input has {} bytes after its conversion: {} are accepted",
                entry.number,
                converted.value.len(),
                self.settings.entry_bytes_max
            )));
        }
        (entry.value, entry.expires_at) = (converted.value, converted.expires_at);
        Ok(entry)
    }

    /// The level on which a run of so many bytes need not be merged further down.
    fn level_for(&self, bytes: u64) -> u32 {
        const LEVEL_MAX: u32 = 9;
        let mut bytes_max = self.settings.level1_bytes_max;
        let mut level = 1;
        while bytes > bytes_max && level < LEVEL_MAX {
            bytes_max = bytes_max.saturating_mul(10);
            level += 1;
        }
        level
    }

    /// The log has ended; who creates the epoch object decides what the store holds from now on.
    async fn begin_imported_epoch(&self, imported: Imported) -> Result<ImportReport, Error> {
        let Imported {
            mut report,
            runs,
            mut catalog,
        } = imported;
        catalog.changed_seq = report.base.seq;
        let view = self.shared.view();
        // The next epoch begins at the position of the seal, so that position alone does not tell that this log has ended.
        if (view.epoch, view.position) != (report.base.epoch, report.base) {
            return Err(superseded());
        }
        report.epoch = view.epoch + 1;
        let log = self.shared.log().kind;
        let mut attempt = 1;
        let is_ours = loop {
            match self
                .create_epoch(
                    &view,
                    (runs.clone(), catalog.clone()),
                    EpochCause::Import,
                    log,
                )
                .await
            {
                Ok(is_ours) => break is_ours,
                Err(error) if attempt < EPOCH_ATTEMPTS_MAX => {
                    log::warn!(instance = self.shared.instance; "the epoch of an import is tried again: {}", error.chain());
                }
                Err(error) => {
                    return Err(Error::unavailable(
                        "the log was sealed, and it is not known whether the import took effect: \
                         look at the store in a minute",
                    )
                    .with_source(error));
                }
            }
            attempt += 1;
            self.environment.sleep(EPOCH_RETRY_DELAY).await;
        };
        if !is_ours {
            return Err(superseded());
        }
        self.wait_for_own_epoch(report.epoch).await?;
        Ok(report)
    }

    /// Removes files that are no longer of use; what cannot be removed is collected later.
    pub(super) async fn remove_files(&self, files: &[FileEntry]) {
        for file in files {
            let removed =
                async { Ok::<_, Error>(self.ost().delete(&ObjectPath::parse(&file.key)?).await?) };
            if let Err(error) = removed.await
                && error.kind() != ErrorKind::NotFound
            {
                log::warn!(instance = self.shared.instance, path = file.key; "a file of an import could not be removed: {}", error.chain());
            }
        }
    }
}

/// What an input has come to, in files that nobody reads yet.
#[derive(Clone)]
struct Imported {
    report: ImportReport,
    runs: Vec<Run>,
    catalog: Catalog,
}

/// Takes in an entry of an internal type, if it is one that an export has.
fn check_internal(entry: &DecodedEntry, catalog: &mut Catalog) -> Result<(), Error> {
    if !is_of_indexes(&entry.data_type) {
        return Err(Error::invalid(format!(
            "entry {} of the input has the internal type {:?}, which this version does not know",
            entry.number, entry.data_type
        )));
    }
    let key = raw_key(&entry.data_type, &entry.id);
    if *entry.data_type == *CATALOG_TYPE {
        return catalog.set(&key, Some(&entry.value));
    }
    match catalog.names_entry(&key) {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "entry {} of the input is of an index that no catalog before it names",
            entry.number
        ))),
    }
}

/// The entries that an expansion makes of one of the input.
fn expanded(
    entry: DecodedEntry,
    expansion: Option<&Expansion>,
) -> Result<Vec<DecodedEntry>, Error> {
    let Some(expansion) = expansion else {
        return Ok(vec![entry]);
    };
    let number = entry.number;
    let entries = expand(
        expansion,
        TransferredEntry {
            data_type: entry.data_type.to_string(),
            id: String::from_utf8_lossy(&entry.id).into_owned(),
            value: entry.value,
            expires_at: entry.expires_at,
        },
    )?;
    let decoded = entries.into_iter().map(|entry| {
        check_data_type(&entry.data_type)?;
        check_id(&entry.id)?;
        Ok(DecodedEntry {
            data_type: entry.data_type.into(),
            id: entry.id.into(),
            value: entry.value,
            expires_at: entry.expires_at,
            number,
        })
    });
    decoded.collect()
}

async fn add_index_entries(
    indexer: &mut ImportIndexer,
    document: &DecodedEntry,
    sorter: &mut Sorter<'_>,
) -> Result<(), Error> {
    let id = String::from_utf8_lossy(&document.id);
    let entries = indexer.entries(&document.data_type, &id, &document.value)?;
    for entry in entries {
        let (expires_at, number) = (document.expires_at, document.number);
        let entry = internal_entry(INDEX_TYPE, &entry.key, entry.value, expires_at, number);
        sorter.add(entry).await?;
    }
    Ok(())
}

/// An entry of an internal type, made from its whole key.
fn internal_entry(
    data_type: &str,
    key: &EntryKey,
    value: Bytes,
    expires_at: Option<Timestamp>,
    number: u64,
) -> DecodedEntry {
    DecodedEntry {
        data_type: data_type.into(),
        id: key.slice((data_type.len() + 1).min(key.len())..),
        value,
        expires_at,
        number,
    }
}

fn superseded() -> Error {
    Error::unavailable(
        "another process went on with the old data before the import could take effect: import again",
    )
}

#[cfg(test)]
mod tests;
