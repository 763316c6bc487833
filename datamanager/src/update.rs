//! Transactions that are tried again by themselves.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::transaction::Lender;
use crate::{DataManager, Error, ErrorKind, Transaction};

/// The longest pause before the first retry; it doubles with each.
const FIRST_PAUSE_MAX: Duration = Duration::from_millis(2);
/// No pause is longer.
const PAUSE_MAX: Duration = Duration::from_millis(250);

impl DataManager {
    /// Runs `work` in a transaction and commits it, again and again as long as that ends with `Conflict` and less than
    /// `Settings::update_timeout` has passed.
    ///
    /// `work` gets a transaction of its own each time, which is committed when it has returned `Ok`. It must do nothing but
    /// read and write through it, since it may run several times.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let url = format!("file://{}", directory.path().display());
    /// use datamanager::{DataManager, Error};
    ///
    /// let store = DataManager::open(&url).await?;
    /// let visits = store
    ///     .update(|mut transaction| async move {
    ///         let stored = transaction.get_raw("counter", "visits").await?;
    ///         let text = String::from_utf8_lossy(stored.as_deref().unwrap_or(b"0")).into_owned();
    ///         let visits = text.parse::<u64>().unwrap_or(0) + 1;
    ///         transaction.put_raw("counter", "visits", visits.to_string())?;
    ///         Ok::<u64, Error>(visits)
    ///     })
    ///     .await?;
    /// assert_eq!(visits, 1);
    /// # store.close().await?;
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    /// As [`Transaction::commit`].
    ///
    /// # Errors
    /// What `work` gives, and what [`Transaction::commit`] gives; `Conflict` when the time is over.
    pub async fn update<T, E, F, W>(&self, mut work: F) -> Result<T, E>
    where
        F: FnMut(Transaction) -> W,
        W: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        let environment = &self.inner.environment;
        let started = environment.steady_time();
        let mut pause_max = FIRST_PAUSE_MAX;
        loop {
            let lender: Lender = Arc::new(Mutex::new(None));
            let value = work(self.begin().lend(lender.clone())).await?;
            let returned = lender.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(transaction) = returned else {
                return Err(E::from(Error::invalid(
                    "the function has not let go of its transaction",
                )));
            };
            let error = match transaction.commit().await {
                Ok(_) => return Ok(value),
                Err(error) => error,
            };
            let waited = environment.steady_time().saturating_sub(started);
            if error.kind() != ErrorKind::Conflict || waited >= self.settings().update_timeout {
                return Err(E::from(error));
            }
            let mut random = [0; 4];
            environment.fill_random(&mut random);
            let part = f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX);
            environment.sleep(pause_max.mul_f64(part)).await;
            pause_max = (pause_max * 2).min(PAUSE_MAX);
        }
    }
}
