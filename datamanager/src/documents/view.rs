//! Something in memory that is derived from the documents of a type and kept up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{oneshot, watch};

use super::changes::{Change, Changes};
use super::collection::Collection;
use super::document;
use crate::data_manager::Inner;
use crate::environment::Environment;
use crate::scan::ScanOptions;
use crate::{DataManager, Document, Error, ErrorKind, Position, Snapshot, Timestamp};

/// A pause after a failure to read the log.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// How long an expiry is waited for at once, so that a clock that jumps is noticed.
const EXPIRY_LOOK_INTERVAL: Duration = Duration::from_secs(10);

/// One step in the life of a document, as a [`View`] sees it: it came, changed or went.
#[derive(Debug)]
pub struct ViewChange<'a, T> {
    /// The document's id.
    pub id: &'a str,
    /// What was there before.
    pub old: Option<&'a T>,
    /// What is there now; `None` when it was deleted or has expired.
    pub new: Option<&'a T>,
}

/// A structure in memory that is derived from all documents of a type, and follows them as they change and expire.
///
/// It holds the documents too, so that each change comes with what was there before. A task of its own keeps it up to date;
/// it is never ahead of the store, which it keeps open, and [`View::behind`] says how far it is behind. Where following is not possible, after an
/// import for instance, it is made anew.
///
/// Dropping it ends the task.
pub struct View<T, S> {
    inner: Arc<ViewInner<T, S>>,
    store: DataManager,
    shown: watch::Receiver<Shown>,
    /// Tells the task that nobody looks any more.
    _ends: oneshot::Sender<()>,
}

struct ViewInner<T, S> {
    make: Box<dyn Fn() -> S + Send + Sync>,
    apply: Box<ApplyChange<T, S>>,
    state: RwLock<ViewState<T, S>>,
    shown: watch::Sender<Shown>,
}

/// The state that a view shows: that of a record, in an epoch. Of the record that ends an epoch there are two states where an
/// import has replaced the data behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    epoch: u32,
    seq: u64,
}

impl Shown {
    fn by(snapshot: &Snapshot) -> Shown {
        Shown {
            epoch: snapshot.view().epoch,
            seq: snapshot.position().seq,
        }
    }
}

type ApplyChange<T, S> = dyn Fn(&mut S, ViewChange<'_, T>) + Send + Sync;

struct ViewState<T, S> {
    documents: BTreeMap<String, Kept<T>>,
    /// When documents expire, the next first.
    expiries: BTreeSet<(Timestamp, String)>,
    derived: S,
}

struct Kept<T> {
    document: T,
    expires_at: Option<Timestamp>,
}

impl<T: Document> Collection<T> {
    /// Derives a structure from the documents and keeps it up to date.
    ///
    /// `make` gives the structure for no document; `apply` changes it by one step of one document. Both run within the
    /// view's lock and must be quick.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let url = format!("file://{}", directory.path().display());
    /// # use datamanager::{DataManager, Document};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)]
    /// # struct Item { id: String, price: u64 }
    /// # impl Document for Item {
    /// #     const TYPE: &'static str = "item";
    /// #     fn id(&self) -> &str { &self.id }
    /// # }
    /// let store = DataManager::open(&url).await?;
    /// let items = store.collection::<Item>()?;
    /// let total = items
    ///     .view(|| 0, |sum: &mut u64, change| {
    ///         *sum += change.new.map_or(0, |item| item.price);
    ///         *sum -= change.old.map_or(0, |item| item.price);
    ///     })
    ///     .await?;
    /// let committed = items.put(&Item { id: "a".into(), price: 5 }).await?;
    /// total.wait_for(committed.position).await?;
    /// assert_eq!(total.read(|sum| *sum), 5);
    /// # store.close().await?;
    /// # Ok::<(), datamanager::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `Unavailable` when the documents cannot be read. Documents that cannot be decoded are left out and logged.
    pub async fn view<S: Send + Sync + 'static>(
        &self,
        make: impl Fn() -> S + Send + Sync + 'static,
        apply: impl Fn(&mut S, ViewChange<'_, T>) + Send + Sync + 'static,
    ) -> Result<View<T, S>, Error> {
        let (snapshot, changes) = self.snapshot_and_changes();
        let derived = make();
        let (shown, receiver) = watch::channel(Shown::by(&snapshot));
        let inner = Arc::new(ViewInner {
            make: Box::new(make),
            apply: Box::new(apply),
            state: RwLock::new(ViewState {
                documents: BTreeMap::new(),
                expiries: BTreeSet::new(),
                derived,
            }),
            shown,
        });
        inner.load(&snapshot).await?;
        let (ends, ended) = oneshot::channel();
        let store = &self.store().inner;
        let keeper = Keeper {
            view: inner.clone(),
            store: Arc::downgrade(store),
            environment: store.environment.clone(),
        };
        let task = async move {
            // Whoever drops the view ends this wait with an error.
            let ended = ended.map(drop).fuse();
            let kept = keeper.keep(changes).fuse();
            futures::pin_mut!(ended, kept);
            futures::select! {
                () = ended => {}
                () = kept => {}
            }
        };
        store.environment.spawn("view", Box::pin(task));
        Ok(View {
            inner,
            store: self.store().clone(),
            shown: receiver,
            _ends: ends,
        })
    }
}

impl<T: Document, S: Send + Sync + 'static> View<T, S> {
    /// Looks at the structure. Changes wait meanwhile.
    pub fn read<R>(&self, look: impl FnOnce(&S) -> R) -> R {
        look(&self.inner.read().derived)
    }

    /// The document with an id as the view has it.
    pub fn with_document<R>(&self, id: &str, look: impl FnOnce(Option<&T>) -> R) -> R {
        let state = self.inner.read();
        look(state.documents.get(id).map(|kept| &kept.document))
    }

    /// How many documents the view has.
    pub fn len(&self) -> usize {
        self.inner.read().documents.len()
    }

    /// Whether the view has no document.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the newest record that the view has taken in.
    pub fn seq(&self) -> u64 {
        self.shown.borrow().seq
    }

    /// How many records of the log the store has applied that the view has not; at least one while the view still shows what
    /// was there before an import.
    pub fn behind(&self) -> u64 {
        let newest = Shown::by(&self.store.snapshot());
        let shown = *self.shown.borrow();
        let records = newest.seq.saturating_sub(shown.seq);
        records.max(u64::from(shown.epoch < newest.epoch))
    }

    /// Waits until the view shows the state at `position`, or a later one.
    ///
    /// # Errors
    /// `Unavailable` when that takes longer than the store's `commit_timeout`, or the store is closed.
    pub async fn wait_for(&self, position: Position) -> Result<(), Error> {
        self.store.wait_for(position).await?;
        let epoch = self.store.snapshot().view().epoch;
        let mut shown = self.shown.clone();
        let timeout = self.store.settings().commit_timeout;
        let timeout = self.store.inner.environment.sleep(timeout).fuse();
        let reached = shown
            .wait_for(|shown| shown.epoch >= epoch && shown.seq >= position.seq)
            .fuse();
        futures::pin_mut!(timeout, reached);
        futures::select! {
            reached = reached => match reached {
                Ok(_) => Ok(()),
                Err(_) => Err(Error::unavailable("the view is no longer kept up to date")),
            },
            () = timeout => Err(Error::unavailable("the view did not reach the position in time")),
        }
    }
}

impl<T, S> std::fmt::Debug for View<T, S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("View")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl<T: Document, S> ViewInner<T, S> {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, ViewState<T, S>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the state that of `snapshot`, as one step for those who look.
    async fn load(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let mut scan = snapshot.scan_raw(T::TYPE, &ScanOptions::new())?;
        let mut state = ViewState {
            documents: BTreeMap::new(),
            expiries: BTreeSet::new(),
            derived: (self.make)(),
        };
        while let Some(entry) = scan.next().await? {
            match document::decode::<T>(&entry.id, &entry.value) {
                Ok(document) => {
                    self.replace(&mut state, &entry.id, Some((document, entry.expires_at)))
                }
                Err(error) => log::warn!("a document is left out of a view: {}", error.chain()),
            }
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        self.shown.send_replace(Shown::by(snapshot));
        Ok(())
    }

    fn replace(&self, state: &mut ViewState<T, S>, id: &str, new: Option<(T, Option<Timestamp>)>) {
        let old = state.documents.remove(id);
        if let Some(expires_at) = old.as_ref().and_then(|old| old.expires_at) {
            state.expiries.remove(&(expires_at, id.to_owned()));
        }
        if old.is_none() && new.is_none() {
            return;
        }
        let change = ViewChange {
            id,
            old: old.as_ref().map(|old| &old.document),
            new: new.as_ref().map(|(document, _)| document),
        };
        (self.apply)(&mut state.derived, change);
        if let Some((document, expires_at)) = new {
            if let Some(expires_at) = expires_at {
                state.expiries.insert((expires_at, id.to_owned()));
            }
            let kept = Kept {
                document,
                expires_at,
            };
            state.documents.insert(id.to_owned(), kept);
        }
    }

    /// Takes in one transaction, as one step for those who look.
    fn take_in(&self, changes: Vec<Change<T>>, time: Timestamp) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // What had expired when the transaction was written was gone for it.
        self.expire(&mut state, time);
        for change in changes {
            match change {
                Change::Put {
                    new, expires_at, ..
                } => {
                    let id = new.id().to_owned();
                    self.replace(&mut state, &id, Some((new, expires_at)));
                }
                Change::Delete { id, .. } => self.replace(&mut state, &id, None),
                Change::Unreadable { id, error } => {
                    log::warn!("a document is left out of a view: {}", error.chain());
                    self.replace(&mut state, &id, None);
                }
            }
        }
    }

    fn expire(&self, state: &mut ViewState<T, S>, time: Timestamp) {
        while let Some((expires_at, id)) = state.expiries.first().cloned()
            && expires_at <= time
        {
            self.replace(state, &id, None);
        }
    }

    /// Drops what has expired, and says how long nothing more will.
    fn expire_until(&self, time: Timestamp) -> Option<Duration> {
        let next = |state: &ViewState<T, S>| state.expiries.first().map(|(time, _)| *time);
        let due = next(&self.read()).is_some_and(|next| next <= time);
        if due {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            self.expire(&mut state, time);
        }
        next(&self.read()).map(|next| next.saturating_since(time))
    }
}

/// Keeps a view up to date.
struct Keeper<T, S> {
    view: Arc<ViewInner<T, S>>,
    store: Weak<Inner>,
    environment: Arc<dyn Environment>,
}

impl<T: Document, S: Send + Sync + 'static> Keeper<T, S> {
    /// Takes in what comes, until the store is closed.
    async fn keep(self, mut changes: Changes<T>) {
        loop {
            let Err(error) = self.follow(&mut changes).await;
            let Some(inner) = self
                .store
                .upgrade()
                .filter(|inner| !inner.shared.is_stopping())
            else {
                return;
            };
            let store = DataManager { inner };
            match error.kind() {
                ErrorKind::Compacted | ErrorKind::Diverged => {
                    log::info!(instance = store.instance(); "a view is made anew: {}", error.chain());
                }
                _ => {
                    log::warn!(instance = store.instance(); "a view is brought up to date later: {}", error.chain());
                    self.environment.sleep(RETRY_DELAY).await;
                }
            }
            let (snapshot, follow) = store.snapshot_and_follow();
            changes = Changes::new(&store, follow);
            drop(store);
            if let Err(error) = self.view.load(&snapshot).await {
                log::warn!("a view could not be made anew: {}", error.chain());
                self.environment.sleep(RETRY_DELAY).await;
            }
        }
    }

    async fn follow(&self, changes: &mut Changes<T>) -> Result<std::convert::Infallible, Error> {
        loop {
            let wait = self.view.expire_until(self.environment.wall_time());
            let expiry = async {
                match wait {
                    Some(wait) => self.environment.sleep(wait.min(EXPIRY_LOOK_INTERVAL)).await,
                    None => std::future::pending().await,
                }
            }
            .fuse();
            let moved = {
                let next = changes.next_or_moved().fuse();
                futures::pin_mut!(expiry, next);
                futures::select! {
                    changed = next => changed?,
                    () = expiry => continue,
                }
            };
            if let Some(changed) = moved {
                self.view.take_in(changed.changes, changed.time);
            }
            let cursor = changes.cursor();
            if cursor.is_behind_record() {
                let (epoch, seq) = (cursor.epoch(), cursor.seq());
                self.view.shown.send_replace(Shown { epoch, seq });
            }
        }
    }
}
