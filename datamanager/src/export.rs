//! Writing the whole store as one stream of bytes.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use futures::stream;

use crate::data_manager::DataManager;
use crate::entry_key::{CATALOG_TYPE, EntryKey, INDEX_TYPE, split_key};
use crate::export_format::{EntryRef, ExportEncoder, ExportHeader};
use crate::jobs::{EXPORT_PIN_PREFIX, Jobs};
use crate::memtable::VersionedEntry;
use crate::merge::Merge;
use crate::{Damage, Error, ErrorKind, ExportFormat, Pin, RecordId, Snapshot, Timestamp};

/// How long the files are kept from being collected; the pin is renewed at half of it.
const PIN_TERM: Duration = Duration::from_secs(600);
/// How often a snapshot is taken anew because its files could not be held.
const SNAPSHOT_ATTEMPTS_MAX: u32 = 20;
const SNAPSHOT_RETRY_DELAY: Duration = Duration::from_millis(100);

/// One entry on its way out of a store or into one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferredEntry {
    /// The data type.
    pub data_type: String,
    /// The id.
    pub id: String,
    /// The stored bytes.
    pub value: Bytes,
    /// When the entry expires, if it does.
    pub expires_at: Option<Timestamp>,
}

/// Changes the value or the expiry of each entry that is exported or imported; what it does to type and id is ignored.
pub type Conversion = Arc<
    dyn Fn(TransferredEntry) -> Result<TransferredEntry, Box<dyn StdError + Send + Sync>>
        + Send
        + Sync,
>;

/// Makes each entry that is imported into any number of others, of whatever types and ids. An error refuses the import.
pub type Expansion = Arc<
    dyn Fn(TransferredEntry) -> Result<Vec<TransferredEntry>, Box<dyn StdError + Send + Sync>>
        + Send
        + Sync,
>;

/// What an export is to be like. The default is the native format, not compressed.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ExportOptions {
    format: ExportFormat,
    zstd: bool,
    skip_damaged: bool,
    conversion: Option<Conversion>,
}

impl ExportOptions {
    /// The defaults.
    pub fn new() -> ExportOptions {
        ExportOptions::default()
    }

    /// The format of the file.
    pub fn format(mut self, format: ExportFormat) -> ExportOptions {
        self.format = format;
        self
    }

    /// Whether it is compressed with zstd.
    pub fn zstd(mut self, zstd: bool) -> ExportOptions {
        self.zstd = zstd;
        self
    }

    /// Leaves out what is in damaged blocks and files, and goes on. An older version of an entry, or one that was deleted,
    /// may then appear in its place. [`Export::damage`] says what was passed over.
    pub fn skip_damaged(mut self, skip_damaged: bool) -> ExportOptions {
        self.skip_damaged = skip_damaged;
        self
    }

    /// Converts each entry.
    pub fn conversion(mut self, conversion: Conversion) -> ExportOptions {
        self.conversion = Some(conversion);
        self
    }
}

impl fmt::Debug for ExportOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ExportOptions")
            .field("format", &self.format)
            .field("zstd", &self.zstd)
            .field("skip_damaged", &self.skip_damaged)
            .finish_non_exhaustive()
    }
}

/// A running export: the bytes of a file, piece by piece.
///
/// It reads one snapshot, whose files are kept by a pin until the export ends or is dropped.
pub struct Export {
    options: ExportOptions,
    held: HeldSnapshot,
    merge: Merge,
    /// Gone once the last piece has been given.
    encoder: Option<ExportEncoder>,
    entries: u64,
    damage: Vec<Damage>,
}

/// A snapshot whose files are kept by a pin until it is dropped, for reading that takes long.
pub struct HeldSnapshot {
    jobs: Arc<Jobs>,
    snapshot: Snapshot,
    hold: Option<Hold>,
}

impl fmt::Debug for HeldSnapshot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HeldSnapshot")
            .field("position", &self.snapshot.position())
            .finish_non_exhaustive()
    }
}

/// The pin of a held snapshot. It goes when that does.
struct Hold {
    jobs: Arc<Jobs>,
    pin: Pin,
    renewed_at: Duration,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let (jobs, name) = (self.jobs.clone(), self.pin.name.clone());
        let environment = jobs.environment.clone();
        let task = async move { jobs.let_go(&name).await };
        environment.spawn("unpin", Box::pin(task));
    }
}

impl DataManager {
    /// Begins an export of the newest state of the whole store, the commits of all processes included. It runs beside
    /// reads and writes, in maintenance too.
    ///
    /// # Cancel safety
    /// A call that is dropped may leave a pin that ends by itself after 10 minutes.
    ///
    /// # Errors
    /// `Unavailable` when the log cannot be read or the files cannot be held.
    pub async fn export(&self, options: ExportOptions) -> Result<Export, Error> {
        let held = self.held_snapshot().await?;
        let snapshot = held.snapshot();
        let header = ExportHeader {
            store: self.inner.shared.store.to_string(),
            position: snapshot.position(),
            time: snapshot.time(),
        };
        let encoder = ExportEncoder::new(options.format, options.zstd, &header)?;
        let (start, end) = (EntryKey::new(), EntryKey::from_static(b"\xff"));
        let merge = snapshot.view().merge(start, end, false).without_caching();
        Ok(Export {
            options,
            held,
            merge,
            encoder: Some(encoder),
            entries: 0,
            damage: Vec::new(),
        })
    }

    /// A snapshot of the newest state of the whole store, the commits of all processes included, whose files no collector
    /// takes away.
    ///
    /// # Cancel safety
    /// A call that is dropped may leave a pin that ends by itself after 10 minutes.
    ///
    /// # Errors
    /// `Unavailable` when the log cannot be read or the files cannot be held.
    pub async fn held_snapshot(&self) -> Result<HeldSnapshot, Error> {
        let jobs = &self.inner.jobs;
        let id = RecordId::random(jobs.environment.as_ref()).to_string();
        let name = format!("{EXPORT_PIN_PREFIX}{}", &id[..16]);
        match self.try_to_hold(&name).await {
            Ok((snapshot, hold)) => Ok(HeldSnapshot {
                jobs: jobs.clone(),
                snapshot,
                hold,
            }),
            Err(error) => {
                // One may be there that was put before something else went wrong.
                jobs.let_go(&name).await;
                Err(error)
            }
        }
    }

    async fn try_to_hold(&self, name: &str) -> Result<(Snapshot, Option<Hold>), Error> {
        let jobs = &self.inner.jobs;
        for _ in 0..SNAPSHOT_ATTEMPTS_MAX {
            let snapshot = self.latest_snapshot().await?;
            let renewed_at = jobs.environment.steady_time();
            let key = snapshot.view().files.manifest.key();
            match jobs.hold(name, &key, Some(PIN_TERM)).await {
                Ok(Some(pin)) => {
                    let hold = Hold {
                        jobs: jobs.clone(),
                        pin,
                        renewed_at,
                    };
                    return Ok((snapshot, Some(hold)));
                }
                // Another manifest has been installed; it is read from soon.
                Ok(None) => jobs.environment.sleep(SNAPSHOT_RETRY_DELAY).await,
                Err(error) if error.kind() == ErrorKind::Invalid => {
                    log::warn!(
                        instance = jobs.shared.instance;
                        "an export goes on without a pin, so that a collector may end it: {}", error.chain()
                    );
                    return Ok((snapshot, None));
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::unavailable(
            "the files to be exported could not be held: new manifests are installed all the time",
        ))
    }
}

impl HeldSnapshot {
    /// The snapshot. Reads of it that go on when this is dropped may find their files gone.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// To be called from time to time while the snapshot is read: renews the pin, which holds for 10 minutes.
    ///
    /// # Errors
    /// `Expired` when that has failed, or was not asked for, for too long (R29).
    pub async fn keep(&mut self) -> Result<(), Error> {
        let now = self.jobs.environment.steady_time();
        let Some(hold) = &mut self.hold else {
            return Ok(());
        };
        let age = now.saturating_sub(hold.renewed_at);
        if age < PIN_TERM / 2 {
            return Ok(());
        }
        let renewed = match age < PIN_TERM {
            true => self.jobs.renew(&hold.pin, PIN_TERM).await,
            false => Err(Error::unavailable("it was not asked for in time")),
        };
        match renewed {
            Ok(()) => hold.renewed_at = now,
            Err(error) if age >= PIN_TERM => {
                let message = "the pin could not be renewed";
                return Err(Error::new(ErrorKind::Expired, message).with_source(error));
            }
            Err(error) => {
                log::warn!(instance = self.jobs.shared.instance; "the pin of an export could not be renewed: {}", error.chain());
            }
        }
        Ok(())
    }
}

impl Export {
    /// The next piece of the file, `None` at its end.
    ///
    /// # Cancel safety
    /// Dropping the call loses nothing.
    ///
    /// # Errors
    /// `Corrupt` for damage, unless it is to be skipped; `Expired` when the files could no longer be held; `Invalid` when
    /// the conversion refuses an entry. What was given so far is no whole file then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(encoder) = &mut self.encoder {
            if let Some(piece) = encoder.take() {
                self.held.keep().await?;
                return Ok(Some(piece));
            }
            match self.merge.next().await {
                Ok(Some(entry)) => self.add(&entry)?,
                Ok(None) => {
                    let Some(encoder) = self.encoder.take() else {
                        break;
                    };
                    self.held.hold = None;
                    return encoder.finish().map(Some);
                }
                Err(error) if self.options.skip_damaged && error.kind() == ErrorKind::Corrupt => {
                    self.damage.push(Damage::new(error.chain()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The pieces as a stream, which ends with its first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        stream::try_unfold(self, |mut export| async move {
            let piece = export.next().await?;
            Ok(piece.map(|piece| (piece, export)))
        })
    }

    /// Entries written so far.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The snapshot that is exported.
    pub fn snapshot(&self) -> &Snapshot {
        self.held.snapshot()
    }

    /// Damage that was passed over.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    fn add(&mut self, entry: &VersionedEntry) -> Result<(), Error> {
        let Some(value) = entry.value_at(self.held.snapshot.time()) else {
            return Ok(());
        };
        let Some((data_type, id)) = split_key(&entry.key) else {
            return Ok(());
        };
        let is_internal = data_type.starts_with('!');
        if is_internal && !(self.exports_indexes() && is_of_indexes(data_type)) {
            return Ok(());
        }
        let Some(encoder) = &mut self.encoder else {
            return Ok(());
        };
        let converted;
        let (value, expires_at) = match &self.options.conversion {
            Some(conversion) if !is_internal => {
                converted = convert(conversion, data_type, id, value.clone(), entry.expires_at)?;
                (&converted.value, converted.expires_at)
            }
            _ => (value, entry.expires_at),
        };
        self.entries += 1;
        encoder.add(EntryRef {
            data_type,
            id,
            value,
            expires_at,
        })
    }

    /// Whether index entries are exported. Where they might not fit the documents of the file they are not, and the program
    /// that knows the types builds them anew.
    fn exports_indexes(&self) -> bool {
        self.options.format == ExportFormat::Native
            && self.options.conversion.is_none()
            && !self.options.skip_damaged
    }
}

/// Whether entries of an internal type belong to indexes that are complete. Those of rebuilds and of listeners are left out,
/// and those of change groups, whose tokens end with the epoch: every import begins one.
pub(crate) fn is_of_indexes(data_type: &str) -> bool {
    data_type == CATALOG_TYPE || data_type == INDEX_TYPE
}

/// What `conversion` makes of an entry.
pub(crate) fn convert(
    conversion: &Conversion,
    data_type: &str,
    id: &[u8],
    value: Bytes,
    expires_at: Option<Timestamp>,
) -> Result<TransferredEntry, Error> {
    let id = String::from_utf8_lossy(id).into_owned();
    let shown = format!("entry {id:?} of type {data_type:?} cannot be converted");
    let entry = TransferredEntry {
        data_type: data_type.to_owned(),
        id,
        value,
        expires_at,
    };
    conversion(entry).map_err(|error| Error::invalid(shown).with_source(error))
}

/// What `expansion` makes of an entry.
pub(crate) fn expand(
    expansion: &Expansion,
    entry: TransferredEntry,
) -> Result<Vec<TransferredEntry>, Error> {
    let shown = format!(
        "entry {:?} of type {:?} cannot be imported",
        entry.id, entry.data_type
    );
    expansion(entry).map_err(|error| Error::invalid(shown).with_source(error))
}
