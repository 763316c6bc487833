//! Reading everything that a store consists of, to find damage.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt;
use ost::ObjectPath;
use serde::Serialize;

use crate::control::ControlRecord;
use crate::data_file::{BlockCache, DataFile};
use crate::documents::verify_indexes;
use crate::log::{WalObjects, does_not_follow, follows};
use crate::manifest::{FileEntry, Manifest};
use crate::open::Builder;
use crate::record::{Record, RecordBody};
use crate::store::{self, Store};
use crate::{Error, ErrorKind, LogKind, Position};

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Damage {
    /// What is wrong, with path and offset.
    pub what: String,
}

impl Damage {
    pub(crate) fn new(what: String) -> Damage {
        Damage { what }
    }
}

/// What a verification has read, and the damage that it found.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// Manifests read.
    pub manifests: u64,
    /// The number of the newest manifest that can be read.
    pub newest_manifest: u64,
    /// Data files read, every block of them.
    pub data_files: u64,
    /// Entries in the data files, deletes included.
    pub data_file_entries: u64,
    /// Bytes of the data files.
    pub data_file_bytes: u64,
    /// Data files that no manifest names; a collection of garbage removes them when nothing needs them.
    pub unreferenced: Vec<String>,
    /// Log records read, with their checksums and the chain; strays included.
    pub records: u64,
    /// Bytes of those records.
    pub record_bytes: u64,
    /// The newest record.
    pub position: Position,
    /// Entries of indexes read and checked against the documents.
    pub index_entries: u64,
    /// Records that are in no chain, where data files hold what had stood there: each was stored by a process that had been
    /// stopped for long, where another record had been collected. None was acknowledged or applied; a collection of garbage
    /// removes them.
    pub strays: Vec<String>,
    /// Keys of torn tails of the log that an earlier opening has cut off and kept aside.
    pub torn: Vec<String>,
    /// Whether the storage was seen to keep create-if-absent; `None` where nothing could be written to try it.
    pub create_if_absent: Option<bool>,
    /// Empty if the store is sound.
    pub damage: Vec<Damage>,
}

impl Builder {
    /// Reads every part of the store and checks every checksum, every reference and the whole chain of the log.
    ///
    /// It takes no lock and may run beside a writer. It also tries whether the storage keeps create-if-absent, with an
    /// object that it removes again.
    ///
    /// # Cancel safety
    /// Dropping the call may leave an empty object under `recovery/`, which does no harm.
    ///
    /// # Errors
    /// `NotFound` when there is no store, `Unavailable` when something could not be read; damage is no error but is
    /// reported.
    pub async fn verify(&self) -> Result<Verification, Error> {
        let mut verification = Verification::default();
        let store = match Store::load(self.ost()).await {
            Ok(Some(store)) => store,
            Ok(None) => return Err(store::no_store(self.ost())),
            Err(error) => {
                verification.note(error)?;
                return Ok(verification);
            }
        };
        self.verify_files(&store, &mut verification).await?;
        if let Err(error) = self.verify_pins(&mut verification).await {
            verification.note(error)?;
        }
        self.verify_log_beside_a_writer(store, &mut verification)
            .await?;
        let torn = self.ost().list("wal/", None).try_filter(|meta| {
            let torn = meta.path.as_ref().contains(".wal.torn-");
            async move { torn }
        });
        verification.torn = torn
            .map_ok(|meta| meta.path.to_string())
            .try_collect()
            .await?;
        verification.create_if_absent =
            match store::probe(self.ost(), self.chosen_environment()?.as_ref()).await {
                Ok(()) => Some(true),
                Err(error) if error.to_string().contains("create-if-absent") => Some(false),
                Err(_) => None,
            };
        if verification.create_if_absent == Some(false) {
            verification.damage.push(Damage {
                what: "the storage does not keep create-if-absent".to_owned(),
            });
        }
        if verification.is_sound() {
            self.verify_documents(&mut verification).await?;
        }
        Ok(verification)
    }

    /// Checks the indexes against the documents, in a store that is sound otherwise.
    async fn verify_documents(&self, verification: &mut Verification) -> Result<(), Error> {
        let store = self.clone().read_only().open().await?;
        let found = verify_indexes(&store.snapshot()).await;
        store.close().await?;
        let found = found?;
        verification.index_entries = found.entries;
        verification.damage.extend(found.damage);
        Ok(())
    }

    /// Reads all manifests and every data file that one of them names, or that only lies there.
    async fn verify_files(
        &self,
        store: &Store,
        verification: &mut Verification,
    ) -> Result<(), Error> {
        let mut parent: Option<(u64, u32)> = None;
        let mut files = BTreeMap::new();
        for key in Manifest::list(self.ost(), store.epoch.epoch).await? {
            let (manifest, checksum) = match Manifest::load(self.ost(), &key).await {
                Ok(loaded) => loaded,
                // Collected since it was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    verification.note(error)?;
                    continue;
                }
            };
            verification.manifests += 1;
            verification.newest_manifest = manifest.number;
            if let Some((number, parent_checksum)) = parent
                && manifest.number == number + 1
                && manifest.parent_checksum != Some(parent_checksum)
            {
                verification.damage.push(Damage {
                    what: format!("{key:?} does not follow manifest {number}"),
                });
            }
            parent = Some((manifest.number, checksum));
            files.extend(
                manifest
                    .files()
                    .map(|file| (file.key.clone(), file.clone())),
            );
        }
        let cache = Arc::new(BlockCache::new(0));
        for file in files.values() {
            self.verify_file(file, store.epoch.epoch, &cache, verification)
                .await?;
        }
        let stored = self
            .ost()
            .list("data/", None)
            .map_ok(|meta| meta.path.to_string());
        let unreferenced = stored.try_filter(|key| std::future::ready(!files.contains_key(key)));
        verification.unreferenced = unreferenced.try_collect().await?;
        Ok(())
    }

    async fn verify_file(
        &self,
        file: &FileEntry,
        epoch: u32,
        cache: &Arc<BlockCache>,
        verification: &mut Verification,
    ) -> Result<(), Error> {
        let path = ObjectPath::parse(&file.key)?;
        let report = async {
            let open =
                DataFile::open(self.ost(), path, Some(file.identity()), cache.clone()).await?;
            open.verify().await
        };
        match report.await {
            Ok(report) => {
                verification.data_files += 1;
                verification.data_file_entries += report.entries;
                verification.data_file_bytes += report.bytes;
                let damage = report.damage.iter().map(|damage| Damage {
                    what: format!("{:?} {damage}", file.key),
                });
                verification.damage.extend(damage);
                Ok(())
            }
            Err(error) => {
                let error = Error::from(error);
                // A collector may have removed it since the manifests were read.
                if error.kind() == ErrorKind::NotFound && !self.is_live(&file.key, epoch).await? {
                    return Ok(());
                }
                verification.note(error)
            }
        }
    }

    /// Whether a manifest that is there now names a data file.
    async fn is_live(&self, file: &str, epoch: u32) -> Result<bool, Error> {
        for key in Manifest::list(self.ost(), epoch).await? {
            match Manifest::load(self.ost(), &key).await {
                Ok((manifest, _)) if manifest.file_keys().contains(file) => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                // It is reported where all manifests are read; what it names cannot be known.
                Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    async fn verify_pins(&self, verification: &mut Verification) -> Result<(), Error> {
        let now = self.chosen_environment()?.wall_time();
        for pin in crate::jobs::list_pins(self.ost()).await? {
            let is_over = pin.expires_at.is_some_and(|expires_at| expires_at <= now);
            if is_over || pin.is_of_export() {
                continue;
            }
            let manifest = ObjectPath::parse(&pin.manifest_key())?;
            match self.ost().head(&manifest).await {
                Ok(_) => {}
                Err(error) if error.kind() == ost::ErrorKind::NotFound => {
                    verification.damage.push(Damage {
                        what: format!(
                            "pin {:?} keeps {:?}, which is not there",
                            pin.name,
                            manifest.as_ref()
                        ),
                    })
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads the log; should a collector remove a part of it meanwhile, it is read again from the newest manifest on.
    async fn verify_log_beside_a_writer(
        &self,
        store: Store,
        verification: &mut Verification,
    ) -> Result<(), Error> {
        let mut store = store;
        for _ in 0..ATTEMPTS_MAX {
            let mut found = LogFound::default();
            match self.verify_log(&store, &mut found).await {
                Ok(()) => {
                    // Looked for after the log was read, so that it covers what was collected meanwhile.
                    let covered = self.oldest_covered(&store).await?;
                    let epoch = store.epoch.epoch;
                    let objects = WalObjects::new(self.ost().clone(), store.id, epoch);
                    let first = found.report_broken(&objects, covered, verification);
                    found.report(&store, first, verification);
                    return self
                        .verify_announced(&store, found.newest_manifest, verification)
                        .await;
                }
                Err(error) if error.kind() == ErrorKind::Compacted => {}
                Err(error) => {
                    found.report_read(verification);
                    return verification.note(error);
                }
            }
            store = Store::load(self.ost())
                .await?
                .ok_or_else(|| store::no_store(self.ost()))?;
        }
        Err(Error::unavailable(
            "the log was shortened again and again while it was read",
        ))
    }

    /// The newest manifest that the log announces must be there, or a newer one.
    async fn verify_announced(
        &self,
        store: &Store,
        announced: u64,
        verification: &mut Verification,
    ) -> Result<(), Error> {
        let keys = Manifest::list(self.ost(), store.epoch.epoch).await?;
        let newest = keys.last().and_then(|key| Manifest::number_of(key));
        if newest.is_none_or(|number| number < announced) {
            let what = format!("manifest {announced}, which the log announces, is missing");
            verification.damage.push(Damage { what });
        }
        Ok(())
    }

    async fn verify_log(&self, store: &Store, found: &mut LogFound) -> Result<(), Error> {
        let opener = self.clone().read_only().opener()?;
        let looked_at = opener.environment.steady_time();
        let log = opener.open_log(store, looked_at).await?;
        let mut records = log.read_from(1);
        while let Some(record) = records.try_next().await? {
            found.add(&record);
        }
        Ok(())
    }

    /// What the oldest manifest covers that is kept: records behind it are never collected.
    async fn oldest_covered(&self, store: &Store) -> Result<Position, Error> {
        let numbered = Manifest::list(self.ost(), store.epoch.epoch).await?;
        for key in std::iter::once(&store.epoch.manifest_key).chain(&numbered) {
            match Manifest::load(self.ost(), key).await {
                Ok((manifest, _)) => return Ok(manifest.covered),
                // Collected, or damaged, which is reported where all manifests are read.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(store.manifest.covered)
    }
}

/// How often the log is read anew when it is shortened meanwhile.
const ATTEMPTS_MAX: u32 = 10;

/// What was found in the log.
#[derive(Default)]
struct LogFound {
    records: u64,
    bytes: u64,
    /// The first record of the newest chain: each of the others follows the one before it.
    first: Option<Position>,
    last: Position,
    /// The chains before that one: first and last record, and where the next chain begins.
    broken: Vec<(Position, Position, Position)>,
    newest_manifest: u64,
}

impl LogFound {
    fn add(&mut self, record: &Record) {
        if let Some(first) = self.first
            && !follows(self.last, record)
        {
            self.broken.push((first, self.last, record.position));
            self.first = None;
            self.newest_manifest = 0;
        }
        self.first.get_or_insert(record.position);
        self.last = record.position;
        self.records += 1;
        self.bytes += record.bytes;
        if let RecordBody::Control(ControlRecord::ManifestInstalled { number, .. }) = record.body {
            self.newest_manifest = number;
        }
    }

    fn report_read(&self, verification: &mut Verification) {
        verification.records = self.records;
        verification.record_bytes = self.bytes;
        verification.position = self.last;
    }

    /// Up to where the log need not hold anything: the base of its epoch, and where records are collected one by one, as
    /// objects, what data files cover.
    fn held_elsewhere(&self, store: &Store) -> Position {
        match store.epoch.log {
            LogKind::Object | LogKind::Etcd => store.manifest.covered,
            LogKind::File => store.epoch.base,
        }
    }

    /// Tells strays from damage, and returns the first record behind strays; all manifests that are kept cover `covered`.
    fn report_broken(
        &self,
        objects: &WalObjects,
        covered: Position,
        verification: &mut Verification,
    ) -> Option<Position> {
        let mut begins = self.broken.first().map(|(first, ..)| *first).or(self.first);
        for (first, last, next) in &self.broken {
            // What is missing up to there may be gone, so what stands before it is not the log's any more.
            if next.seq <= covered.seq + 1 {
                begins = Some(*next);
                let keys = (first.seq..=last.seq).map(|seq| objects.key(seq));
                verification.strays.extend(keys);
            } else {
                let what = does_not_follow(*last, *next).to_string();
                verification.damage.push(Damage { what });
            }
        }
        begins
    }

    /// `first` is where the log begins.
    fn report(&self, store: &Store, first: Option<Position>, verification: &mut Verification) {
        self.report_read(verification);
        if self.records == 0 {
            verification.position = self.held_elsewhere(store);
        }
        let mut damaged = |what: String| verification.damage.push(Damage { what });
        let manifest = &store.manifest;
        if let Some(first) = first
            && first.seq > manifest.covered.seq + 1
        {
            damaged(format!(
                "the log lacks the records from {} to {}, which no data file holds",
                manifest.covered.seq + 1,
                first.seq - 1
            ));
        }
        let known = self.last.seq.max(self.held_elsewhere(store).seq);
        if known < manifest.position.seq {
            damaged(format!(
                "the log ends with record {}, though record {} was in it",
                self.last.seq, manifest.position.seq
            ));
        }
    }
}

impl Verification {
    /// Whether everything is as it was written.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }

    /// Notes an error as damage if it is damage.
    fn note(&mut self, error: Error) -> Result<(), Error> {
        match error.kind() {
            ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Invalid => {
                self.damage.push(Damage {
                    what: error.chain(),
                });
                Ok(())
            }
            _ => Err(error),
        }
    }
}
