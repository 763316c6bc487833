//! What keeps a store in order by hand: checkpoints, compactions, garbage, pins, and deleting many entries.

use std::time::Duration;

use crate::data_manager::DataManager;
use crate::entry_key::{DATA_TYPE_BYTES_MAX, ID_BYTES_MAX};
use crate::jobs;
use crate::{CheckpointReport, CompactionReport, Error, GarbageReport, Pin, ScanOptions};

/// How many entries at once are deleted.
#[derive(Default)]
#[non_exhaustive]
pub struct DeleteOptions<'a> {
    allow_stale_indexes: bool,
    progress: Option<Box<dyn FnMut(u64) + Send + 'a>>,
}

impl<'a> DeleteOptions<'a> {
    /// The defaults: a type that has indexes is refused.
    pub fn new() -> DeleteOptions<'a> {
        DeleteOptions::default()
    }

    /// Marks the indexes of the type stale, as [`Transaction::allow_stale_indexes`](crate::Transaction::allow_stale_indexes)
    /// does.
    pub fn allow_stale_indexes(mut self, allow: bool) -> DeleteOptions<'a> {
        self.allow_stale_indexes = allow;
        self
    }

    /// Is told the number deleted so far after each transaction.
    pub fn progress(mut self, progress: impl FnMut(u64) + Send + 'a) -> DeleteOptions<'a> {
        self.progress = Some(Box::new(progress));
        self
    }
}

impl std::fmt::Debug for DeleteOptions<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("DeleteOptions")
            .field("allow_stale_indexes", &self.allow_stale_indexes)
            .finish_non_exhaustive()
    }
}

impl DataManager {
    /// Writes what only the log and memory hold to data files now, so that the next opening has less to replay.
    ///
    /// # Cancel safety
    /// Dropping the call does not stop the job; this holds for all jobs.
    ///
    /// # Durability
    /// Commits are durable without it. Its cost follows what has changed since the last checkpoint.
    ///
    /// # Errors
    /// `Invalid` when the store is open read-only; `Unavailable` when it was closed or the storage failed, in which case
    /// nothing has changed.
    pub async fn checkpoint(&self) -> Result<CheckpointReport, Error> {
        self.run_job(|jobs| Box::pin(async move { jobs.checkpoint().await }))
            .await
    }

    /// Deletes all entries of a type whose id begins with `prefix`, in transactions of at most 10,000 deletes each, and
    /// returns how many there were.
    ///
    /// Every transaction stands by itself: if the call fails or is dropped, what was deleted stays deleted, and calling it
    /// again goes on. An entry that is written meanwhile may or may not be deleted.
    ///
    /// # Errors
    /// As [`Transaction::commit`](crate::Transaction::commit), for the transaction under way.
    pub async fn delete_prefix(
        &self,
        data_type: &str,
        prefix: &str,
        mut options: DeleteOptions<'_>,
    ) -> Result<u64, Error> {
        const DELETES_PER_TRANSACTION_MAX: usize = 10_000;
        // The longest key, with what stands around it in a record.
        const DELETE_BYTES_MAX: usize = ID_BYTES_MAX + DATA_TYPE_BYTES_MAX + 8;
        let settings = &self.inner.settings;
        let writes_max = DELETES_PER_TRANSACTION_MAX
            .min(settings.transaction_writes_max)
            .min((settings.transaction_bytes_max / DELETE_BYTES_MAX).max(1));
        let mut scan = self.scan_raw(data_type, &ScanOptions::new().prefix(prefix))?;
        let mut deleted = 0;
        loop {
            let mut transaction = self.begin();
            if options.allow_stale_indexes {
                transaction.allow_stale_indexes();
            }
            let mut count = 0;
            while count < writes_max
                && let Some(entry) = scan.next().await?
            {
                transaction.delete_raw(data_type, &entry.id)?;
                count += 1;
            }
            if count == 0 {
                return Ok(deleted);
            }
            transaction.commit().await?;
            deleted += count as u64;
            if let Some(progress) = &mut options.progress {
                progress(deleted);
            }
        }
    }

    /// Deletes all entries of a type; see [`DataManager::delete_prefix`].
    ///
    /// # Cancel safety
    /// As [`DataManager::delete_prefix`].
    ///
    /// # Errors
    /// As [`DataManager::delete_prefix`].
    pub async fn drop_type(
        &self,
        data_type: &str,
        options: DeleteOptions<'_>,
    ) -> Result<u64, Error> {
        self.delete_prefix(data_type, "", options).await
    }

    /// Merges all runs of data files into one now, and leaves out what is deleted or has expired. Reads and rewrites the
    /// whole store; compactions that are due run by themselves.
    ///
    /// # Cancel safety
    /// As [`DataManager::checkpoint`].
    ///
    /// # Errors
    /// As [`DataManager::checkpoint`].
    pub async fn compact(&self) -> Result<CompactionReport, Error> {
        self.run_job(|jobs| Box::pin(async move { jobs.compact_everything().await }))
            .await
    }

    /// Runs the compactions that are due now, as happens by itself with the setting `maintain`.
    ///
    /// # Cancel safety
    /// As [`DataManager::checkpoint`].
    ///
    /// # Errors
    /// As [`DataManager::checkpoint`].
    pub async fn compact_as_due(&self) -> Result<CompactionReport, Error> {
        self.run_job(|jobs| Box::pin(async move { jobs.compact_as_due().await }))
            .await
    }

    /// Removes data files, manifests and log files that are no longer needed, as happens by itself.
    ///
    /// # Cancel safety
    /// As [`DataManager::checkpoint`].
    ///
    /// # Errors
    /// As [`DataManager::checkpoint`].
    pub async fn collect_garbage(&self) -> Result<GarbageReport, Error> {
        self.run_job(|jobs| Box::pin(async move { jobs.collect_garbage(false).await }))
            .await
    }

    /// What [`DataManager::collect_garbage`] would remove now; works read-only.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Unavailable` when the storage failed.
    pub async fn find_garbage(&self) -> Result<GarbageReport, Error> {
        self.inner.jobs.collect_garbage(true).await
    }

    /// Keeps the newest manifest, its files and the log behind it under `name`, for `term` or until it is removed.
    ///
    /// # Cancel safety
    /// A call that is dropped may or may not have set the pin; it can be repeated.
    ///
    /// # Errors
    /// `Invalid` for a name that is not 1 to 100 letters, digits, `-` and `_`; `Unavailable` when the storage failed.
    pub async fn pin(&self, name: &str, term: Option<Duration>) -> Result<Pin, Error> {
        self.inner.jobs.pin(name, term).await
    }

    /// Removes a pin.
    ///
    /// # Cancel safety
    /// A call that is dropped may or may not have removed the pin; it can be repeated.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name.
    pub async fn unpin(&self, name: &str) -> Result<(), Error> {
        self.inner.jobs.unpin(name).await
    }

    /// All pins, by name.
    ///
    /// # Cancel safety
    /// Dropping the call changes nothing.
    ///
    /// # Errors
    /// `Unavailable` when the storage failed, `Corrupt` for a damaged pin.
    pub async fn pins(&self) -> Result<Vec<Pin>, Error> {
        jobs::list_pins(&self.inner.jobs.context.ost).await
    }
}
