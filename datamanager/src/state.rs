//! The applied state of a process: what the committer changes and readers see.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use crate::conflict::{ConflictWindow, RetiredKeys};
use crate::control::{ControlRecord, JobKind};
use crate::documents::Catalog;
use crate::failpoint;
use crate::file_set::FileSet;
use crate::log::Log;
use crate::memtable::Memtable;
use crate::mutation;
use crate::read_view::ReadView;
use crate::recent_records::RecentRecords;
use crate::record::{Record, RecordBody};
use crate::store_clock::StoreClock;
use crate::store_id::StoreId;
use crate::{Error, ErrorKind, LogKind, Position, RecordId, Settings, Timestamp};

/// What every handle, snapshot and task of one open store shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) instance: String,
    pub(crate) store: StoreId,
    view: ArcSwap<ReadView>,
    log: ArcSwap<OpenLog>,
    /// The newest records, for those who follow.
    pub(crate) recent: RecentRecords,
    /// Tells waiters that a newer view is there.
    applied_seq: watch::Sender<u64>,
    /// Tells waiters that a control record was applied, or that another epoch or manifest is read from.
    control_changed: watch::Sender<()>,
    pub(crate) store_clock: StoreClock,
    /// Tells the checkpointer that there is enough to write.
    pub(crate) checkpoint_due: Notify,
    is_checkpoint_due: AtomicBool,
    /// Tells the compactor that runs have come.
    pub(crate) runs_changed: Notify,
    /// Set when the store is being closed: jobs end early.
    stopping: AtomicBool,
    progress: Mutex<Progress>,
}

/// The log of the newest epoch.
pub(crate) struct OpenLog {
    pub(crate) kind: LogKind,
    pub(crate) log: Arc<dyn Log>,
}

impl std::fmt::Debug for OpenLog {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "OpenLog({})", self.kind)
    }
}

#[derive(Debug, Default)]
struct Progress {
    in_flight: Option<RecordId>,
    /// What keeps the committer from commits.
    held_up_by: Option<&'static str>,
    failure: Option<(ErrorKind, String)>,
    records_applied: u64,
}

impl Shared {
    fn new(
        instance: String,
        store: StoreId,
        view: ReadView,
        log: OpenLog,
        recent_bytes_max: u64,
    ) -> Shared {
        Shared {
            instance,
            store,
            log: ArcSwap::from_pointee(log),
            recent: RecentRecords::new(view.position, recent_bytes_max),
            applied_seq: watch::Sender::new(view.position.seq),
            control_changed: watch::Sender::new(()),
            store_clock: StoreClock::default(),
            view: ArcSwap::from_pointee(view),
            checkpoint_due: Notify::new(),
            is_checkpoint_due: AtomicBool::new(false),
            runs_changed: Notify::new(),
            stopping: AtomicBool::new(false),
            progress: Mutex::default(),
        }
    }

    /// Makes jobs that run, or wait, end as soon as they can.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.checkpoint_due.notify_one();
        self.runs_changed.notify_one();
        // Whoever waits for a record looks up too.
        self.applied_seq.send_modify(|_| {});
        self.control_changed.send_modify(|()| {});
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// The newest view.
    pub(crate) fn view(&self) -> Arc<ReadView> {
        self.view.load_full()
    }

    /// The newest view, for one short read.
    pub(crate) fn peek(&self) -> arc_swap::Guard<Arc<ReadView>> {
        self.view.load()
    }

    /// The log of the newest epoch.
    pub(crate) fn log(&self) -> Arc<OpenLog> {
        self.log.load_full()
    }

    /// Tells the checkpointer again, if there is still enough to write.
    pub(crate) fn notify_if_checkpoint_due(&self) {
        if self.is_checkpoint_due.load(Ordering::SeqCst) {
            self.checkpoint_due.notify_one();
        }
    }

    pub(crate) fn watch_control(&self) -> watch::Receiver<()> {
        self.control_changed.subscribe()
    }

    pub(crate) fn watch_applied(&self) -> watch::Receiver<u64> {
        self.applied_seq.subscribe()
    }

    pub(crate) fn in_flight(&self) -> Option<RecordId> {
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .in_flight
    }

    /// What keeps transactions from being committed now, in words that end a sentence.
    pub(crate) fn held_up_by(&self) -> Option<&'static str> {
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .held_up_by
    }

    pub(crate) fn records_applied(&self) -> u64 {
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .records_applied
    }

    /// Why the store is no longer served, if it is not.
    pub(crate) fn failure(&self) -> Option<Error> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress
            .failure
            .as_ref()
            .map(|(kind, message)| Error::new(*kind, message.clone()))
    }

    fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A manifest that has been loaded, to take the place of what its files cover.
#[derive(Debug)]
pub(crate) struct LoadedManifest {
    pub(crate) files: Arc<FileSet>,
    /// The keys of the memtables that it covers, made beforehand since that takes a while.
    pub(crate) retired: Vec<(Arc<Memtable>, Option<RetiredKeys>)>,
}

/// A memtable that takes no more writes.
#[derive(Debug)]
struct Frozen {
    memtable: Arc<Memtable>,
    /// Its last record, at which all processes have rotated.
    end: Position,
}

/// The committer's side of [`Shared`].
///
/// # Invariants
/// 1. Records are applied in the order of the log, each exactly once; the view published last is of the last one.
/// 2. The memtables hold every record behind what the view's files cover.
/// 3. `window` knows every write since its start.
#[derive(Debug)]
pub(crate) struct State {
    shared: Arc<Shared>,
    settings: Arc<Settings>,
    view: ReadView,
    active: Arc<Memtable>,
    active_records: u64,
    /// Records of the log at which a checkpoint is due.
    checkpoint_records: u64,
    /// Newest first.
    frozen: VecDeque<Frozen>,
    window: ConflictWindow,
    /// Memtables that are in no view any more and may be held by snapshots, oldest first.
    retired: VecDeque<Weak<Memtable>>,
    /// Whether the state is being brought up to date and readers still see the one before it.
    renewing: bool,
    /// While it is, what was applied last before, if it is still to be seen whether that is part of the log.
    to_be_met: Option<Position>,
}

impl State {
    /// The state that a manifest describes, before any record of `log` is applied.
    pub(crate) fn new(
        instance: String,
        store: StoreId,
        settings: Arc<Settings>,
        files: Arc<FileSet>,
        log: OpenLog,
    ) -> State {
        let active = Arc::new(Memtable::default());
        let view = view_of(files, &active);
        let bytes_max = settings.follow_bytes_max;
        let checkpoint_records = checkpoint_records(&settings, log.kind);
        let shared = Arc::new(Shared::new(instance, store, view.clone(), log, bytes_max));
        let window = ConflictWindow::new(
            view.position.seq,
            active.clone(),
            settings.conflict_window_bytes_max,
        );
        State {
            shared,
            settings,
            view,
            active,
            active_records: 0,
            checkpoint_records,
            frozen: VecDeque::new(),
            window,
            retired: VecDeque::new(),
            renewing: false,
            to_be_met: None,
        }
    }

    /// Begins anew with what a manifest describes: one of another epoch, or one that is further than this process has come
    /// (R14, R15). Snapshots go on with what they hold. What is applied from here on is seen by readers after
    /// [`State::publish_renewed`].
    ///
    /// If the manifest holds what has been applied and nothing else, the window of conflicts goes on as well; `is_same_data` says
    /// that its epoch was not begun with other data. Within an epoch transactions go on if what was applied last is met again: it
    /// may have been on a branch of the log that was given up.
    pub(crate) fn renew(
        &mut self,
        files: Arc<FileSet>,
        log: OpenLog,
        is_same_data: bool,
        now: Duration,
    ) {
        let memtables = self.view.memtables.clone();
        self.retired.extend(memtables.iter().map(Arc::downgrade));
        self.active = Arc::new(Memtable::default());
        self.active_records = 0;
        self.frozen.clear();
        let (last, covered_before) = (self.view.position, self.view.files.manifest.covered.seq);
        let goes_on = is_same_data
            && files.manifest.epoch == self.view.epoch + 1
            && files.manifest.covered == last;
        let lineage = self.view.lineage;
        if goes_on {
            for memtable in memtables.iter() {
                self.window.retire(memtable, RetiredKeys::of(memtable), now);
            }
            self.window.add(self.active.clone());
            self.window.trim(now, covered_before);
        } else {
            self.window = ConflictWindow::new(
                files.manifest.covered.seq,
                self.active.clone(),
                self.settings.conflict_window_bytes_max,
            );
        }
        let is_same_epoch = files.manifest.epoch == self.view.epoch;
        self.view = view_of(files, &self.active);
        self.view.lineage = match goes_on || is_same_epoch {
            true => lineage,
            false => lineage + 1,
        };
        // An attempt that was broken off has seen a part of the log only.
        if !self.renewing {
            self.to_be_met = is_same_epoch.then_some(last);
        }
        self.meet(self.view.position);
        self.checkpoint_records = checkpoint_records(&self.settings, log.kind);
        self.shared.recent.restart(self.view.position);
        self.shared.log.store(Arc::new(log));
        self.renewing = true;
    }

    /// Notes that a record of this position is part of the log.
    fn meet(&mut self, position: Position) {
        if let Some(last) = self.to_be_met
            && position.seq >= last.seq
        {
            self.to_be_met = None;
            // What lies before a manifest's position is older than the window reaches.
            let is_known = position == last || position.seq > last.seq;
            self.view.lineage += u64::from(!is_known);
        }
    }

    /// Shows readers what was renewed.
    pub(crate) fn publish_renewed(&mut self) {
        self.renewing = false;
        if self.to_be_met.take().is_some() {
            // The log ends before it.
            self.view.lineage += 1;
        }
        self.publish();
        self.limit_snapshots();
        self.shared.applied_seq.send_replace(self.view.position.seq);
        self.shared.control_changed.send_replace(());
        self.shared.runs_changed.notify_one();
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn instance(&self) -> &str {
        &self.shared.instance
    }

    pub(crate) fn store(&self) -> StoreId {
        self.shared.store
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.view.epoch
    }

    pub(crate) fn position(&self) -> Position {
        self.view.position
    }

    pub(crate) fn time(&self) -> Timestamp {
        self.view.time
    }

    pub(crate) fn view(&self) -> &ReadView {
        &self.view
    }

    pub(crate) fn window(&self) -> &ConflictWindow {
        &self.window
    }

    /// Applies the next record and publishes the state after it.
    ///
    /// # Errors
    /// `Corrupt` when it does not follow the last one (R1).
    pub(crate) fn apply(&mut self, record: Record) -> Result<(), Error> {
        let last = self.view.position;
        let follows = record.predecessor == last.record || mutation::is("skip-the-record-id-check");
        if !follows || record.position.seq != last.seq + 1 {
            return Err(Error::corrupt(format!(
                "record {} ({}) follows {}, not {} ({last}), which was applied last",
                record.position, record.position.record, record.predecessor, last.record
            )));
        }
        self.view.position = record.position;
        self.meet(record.position);
        self.view.time = self.view.time.max(record.time);
        self.active_records += 1;
        let mut control_changed = matches!(record.body, RecordBody::Control(_));
        match &record.body {
            RecordBody::Transactions(_) => {
                self.active.apply(&record);
                control_changed |= self.apply_catalog(&record)?;
                self.view.last_transaction = record.position.seq;
            }
            RecordBody::Control(control) => {
                self.active.apply_control(&record);
                Arc::make_mut(&mut self.view.control).apply(record.position, control);
                if matches!(
                    control,
                    ControlRecord::JobBegun {
                        job: JobKind::Checkpoint,
                        ..
                    }
                ) {
                    self.rotate();
                }
            }
        }
        self.shared.update(|progress| progress.records_applied += 1);
        if self.renewing {
            self.shared.recent.push(record);
            return Ok(());
        }
        self.publish();
        self.shared.recent.push(record);
        self.shared.applied_seq.send_replace(self.view.position.seq);
        if control_changed {
            self.shared.control_changed.send_replace(());
        }
        let due = self.checkpoint_is_due();
        self.shared.is_checkpoint_due.store(due, Ordering::SeqCst);
        if due {
            self.shared.checkpoint_due.notify_one();
        }
        Ok(())
    }

    /// Takes in what a record changes in what is known of indexes; returns whether it does.
    fn apply_catalog(&mut self, record: &Record) -> Result<bool, Error> {
        let mut changed = false;
        for (_, write) in record.writes() {
            if Catalog::is_changed_by(write) {
                let control = Arc::make_mut(&mut self.view.control);
                control.catalog.apply(record.position.seq, write)?;
                changed = true;
            }
        }
        Ok(changed)
    }

    fn checkpoint_is_due(&self) -> bool {
        // However large a checkpoint may get, it comes before transactions have to wait.
        let bytes = self
            .settings
            .checkpoint_bytes
            .min(self.view.control.log_bytes_max / 2);
        self.active.log_bytes() >= bytes
            || self.active_records >= self.checkpoint_records
            || !self.has_room()
    }

    /// Ends the active memtable at the current position (R27).
    fn rotate(&mut self) {
        self.active_records = 0;
        if self.active.len() == 0
            && let Some(newest) = self.frozen.front_mut()
        {
            // Nothing was written since: the memtable before reaches to here. So a checkpoint that fails again and again
            // leaves no row of empty memtables behind.
            newest.end = self.view.position;
            newest.memtable.take_over(&self.active);
            return;
        }
        let memtable = std::mem::take(&mut self.active);
        self.frozen.push_front(Frozen {
            memtable,
            end: self.view.position,
        });
        self.window.add(self.active.clone());
        self.collect_memtables();
        failpoint::pass("memtable-frozen");
    }

    fn collect_memtables(&mut self) {
        let frozen = self.frozen.iter().map(|frozen| frozen.memtable.clone());
        self.view.memtables = std::iter::once(self.active.clone()).chain(frozen).collect();
    }

    fn publish(&self) {
        self.shared.view.store(Arc::new(self.view.clone()));
    }

    /// Reads from a newer manifest from now on and drops what it covers; an older one is ignored (R25).
    pub(crate) fn install(&mut self, loaded: LoadedManifest, now: Duration) {
        let manifest = &loaded.files.manifest;
        let before = self.view.files.clone();
        let ahead = manifest.covered.seq > self.view.position.seq;
        if manifest.number <= before.manifest.number || manifest.epoch != self.view.epoch || ahead {
            return;
        }
        let mut retired_keys = loaded.retired;
        while self
            .frozen
            .back()
            .is_some_and(|frozen| frozen.end.seq <= manifest.covered.seq)
        {
            let Some(frozen) = self.frozen.pop_back() else {
                break;
            };
            let made = retired_keys
                .iter()
                .position(|(memtable, _)| Arc::ptr_eq(memtable, &frozen.memtable));
            let keys = made.and_then(|place| retired_keys.swap_remove(place).1);
            self.window.retire(&frozen.memtable, keys, now);
            self.retired.push_back(Arc::downgrade(&frozen.memtable));
        }
        self.window.trim(now, before.manifest.covered.seq);
        self.view.files = loaded.files;
        self.collect_memtables();
        self.publish();
        self.limit_snapshots();
        self.shared.control_changed.send_replace(());
        self.shared.runs_changed.notify_one();
    }

    /// Gives up the oldest memtables that only snapshots hold while they are too large together (R23).
    fn limit_snapshots(&mut self) {
        self.retired.retain(|memtable| memtable.strong_count() > 0);
        let mut held: u64 = self
            .retired
            .iter()
            .filter_map(Weak::upgrade)
            .map(|memtable| memtable.log_bytes())
            .sum();
        while held > self.settings.snapshot_bytes_max {
            let Some(oldest) = self.retired.pop_front() else {
                return;
            };
            if let Some(memtable) = oldest.upgrade() {
                held = held.saturating_sub(memtable.log_bytes());
                memtable.give_up();
            }
        }
    }

    pub(crate) fn set_in_flight(&self, record: Option<RecordId>) {
        self.shared.update(|progress| progress.in_flight = record);
    }

    pub(crate) fn set_held_up_by(&self, what: Option<&'static str>) {
        self.shared.update(|progress| progress.held_up_by = what);
    }

    /// Log bytes that only the memtables hold.
    fn log_bytes(&self) -> u64 {
        self.active.log_bytes()
            + self
                .frozen
                .iter()
                .map(|frozen| frozen.memtable.log_bytes())
                .sum::<u64>()
    }

    /// Whether the memory bound leaves room for more transactions (R23).
    pub(crate) fn has_room(&self) -> bool {
        self.log_bytes() < self.view.control.log_bytes_max
    }

    pub(crate) fn no_room(&self) -> Error {
        Error::unavailable(format!(
            "{} log bytes wait to be written to data files, {} are allowed",
            self.log_bytes(),
            self.view.control.log_bytes_max
        ))
    }

    /// Notes why the store is no longer served.
    pub(crate) fn fail(&self, error: &Error) {
        self.shared
            .update(|progress| progress.failure = Some((error.kind(), error.chain())));
        self.shared.stop();
    }

    pub(crate) fn failure(&self) -> Error {
        self.shared
            .failure()
            .unwrap_or_else(|| Error::unavailable("the store has been closed"))
    }
}

/// The view of the state that a manifest describes.
fn view_of(files: Arc<FileSet>, active: &Arc<Memtable>) -> ReadView {
    let manifest = &files.manifest;
    ReadView {
        epoch: manifest.epoch,
        lineage: 0,
        position: manifest.covered,
        time: manifest.covered_time,
        control: Arc::new(manifest.control.clone()),
        last_transaction: 0,
        memtables: vec![active.clone()].into(),
        files: files.clone(),
    }
}

/// Each record of a shared log is an object to be read on opening, so there are never many of them (R17).
const OBJECT_LOG_RECORDS_MAX: u64 = 1_000;
/// Each record is a key of etcd until data files hold it.
const ETCD_LOG_RECORDS_MAX: u64 = 100_000;

fn checkpoint_records(settings: &Settings, kind: LogKind) -> u64 {
    match kind {
        LogKind::File => settings.checkpoint_records,
        LogKind::Object => settings.checkpoint_records.min(OBJECT_LOG_RECORDS_MAX),
        LogKind::Etcd => settings.checkpoint_records.min(ETCD_LOG_RECORDS_MAX),
    }
}
