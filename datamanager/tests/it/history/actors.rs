//! Clients with different work, all of it recorded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use datamanager::environment::{Environment, SeededRandom};
use datamanager::testing::SimulatedEnvironment;
use datamanager::testing::history::{Client, Range, RecordedSnapshot, RecordedTransaction};
use datamanager::{
    CommitId, Committed, Cursor, Error, ErrorKind, ExportOptions, ImportOptions, Outcome,
};
use futures::future::{Either, join_all, select};

const ACCOUNTS: usize = 5;
const BALANCE_AT_START: i64 = 100;
const ITEMS: usize = 16;
const GROUPS: [&str; 3] = ["g", "g/h", "h"];

/// What all clients of a run share.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) seed: u64,
    /// Clients are to end.
    pub(super) stop: AtomicBool,
    /// The last record, once there will be none behind it; 0 before.
    pub(super) last_seq: AtomicU64,
    /// Commits that were unknown to somebody.
    pub(super) unknown: Mutex<Vec<CommitId>>,
    /// How far the listener of each machine has come, over all of its lives.
    pub(super) cursors: Mutex<BTreeMap<String, Cursor>>,
}

impl Shared {
    /// Lets clients work again.
    pub(super) fn begin(&self) {
        self.last_seq.store(0, Ordering::SeqCst);
        self.stop.store(false, Ordering::SeqCst);
    }
}

/// A client, and what it needs.
pub(super) struct Actor {
    pub(super) client: Client,
    pub(super) process: Arc<SimulatedEnvironment>,
    pub(super) random: SeededRandom,
    pub(super) shared: Arc<Shared>,
}

impl Actor {
    fn has_to_stop(&self) -> bool {
        self.shared.stop.load(Ordering::SeqCst)
    }

    async fn pause(&mut self, milliseconds_max: usize) {
        let milliseconds = self.random.below(milliseconds_max) as u64;
        self.process
            .sleep(Duration::from_millis(milliseconds))
            .await;
    }

    /// What a client does about an answer: nothing is tried again here.
    async fn take_answer(&mut self, answer: Result<Committed, Error>) {
        let Err(error) = answer else { return };
        match (error.kind(), error.commit_id()) {
            (ErrorKind::Conflict, _) => {}
            (ErrorKind::Unavailable | ErrorKind::Maintenance, _) => self.pause(100).await,
            (ErrorKind::Unknown, Some(id)) => {
                self.shared.unknown.lock().unwrap().push(id);
                self.look_up(id).await;
            }
            _ => panic!("seed {}: {error:?}", self.shared.seed),
        }
    }

    /// Asks a few times what became of a commit.
    async fn look_up(&mut self, id: CommitId) {
        for _ in 0..5 {
            match self.client.outcome(id).await {
                Ok(Outcome::Undecided) => self.pause(200).await,
                Ok(_) => return,
                Err(error) => {
                    self.take_failed_read(error);
                    self.pause(200).await;
                }
            }
        }
    }

    /// Files are collected as soon as they have been merged, also those that a snapshot reads.
    fn take_failed_read(&self, error: Error) {
        let may_fail = [ErrorKind::Unavailable, ErrorKind::Expired];
        let seed = self.shared.seed;
        assert!(may_fail.contains(&error.kind()), "seed {seed}: {error:?}");
    }

    async fn commit(&mut self, transaction: RecordedTransaction) {
        let answer = transaction.commit().await;
        self.take_answer(answer).await;
    }

    /// Moves money between accounts.
    pub(super) async fn transfer(mut self) {
        while !self.has_to_stop() {
            self.pause(150).await;
            let mut transaction = self.client.begin();
            match self.try_transfer(&mut transaction).await {
                Ok(()) => self.commit(transaction).await,
                Err(error) => self.take_failed_read(error),
            }
        }
    }

    async fn try_transfer(&mut self, transaction: &mut RecordedTransaction) -> Result<(), Error> {
        let accounts = [self.random.below(ACCOUNTS), self.random.below(ACCOUNTS)];
        let amount = 1 + self.random.below(20) as i64;
        for (account, change) in accounts.into_iter().zip([-amount, amount]) {
            let id = account.to_string();
            let balance = transaction.get_raw("account", &id).await?;
            let balance = balance.map_or(BALANCE_AT_START, |value| amount_of(&value));
            let value = format!("{} {}", balance + change, transaction.operation());
            transaction.put_raw("account", &id, value)?;
        }
        Ok(())
    }

    /// Adds all money up, in snapshots.
    pub(super) async fn audit_snapshots(mut self) {
        while !self.has_to_stop() {
            self.pause(400).await;
            let result = match self.random.coin() {
                true => self.audit_snapshot(self.client.snapshot()).await,
                false => match self.client.latest_snapshot().await {
                    Ok(snapshot) => self.audit_snapshot(snapshot).await,
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = result {
                self.take_failed_read(error);
            }
        }
    }

    /// Adds all money up, and writes down that it did.
    pub(super) async fn audit_in_transactions(mut self) {
        while !self.has_to_stop() {
            self.pause(800).await;
            if let Err(error) = self.audit_in_transaction().await {
                self.take_failed_read(error);
            }
        }
    }

    async fn audit_snapshot(&self, mut snapshot: RecordedSnapshot) -> Result<(), Error> {
        let accounts = snapshot.scan(&Range::all("account"), usize::MAX).await?;
        self.check_sum(&accounts);
        Ok(())
    }

    async fn audit_in_transaction(&mut self) -> Result<(), Error> {
        let mut transaction = self.client.begin();
        let accounts = transaction.scan(&Range::all("account"), usize::MAX).await?;
        self.check_sum(&accounts);
        let operation = transaction.operation().to_string();
        transaction.put_raw("audit", "last", operation)?;
        self.commit(transaction).await;
        Ok(())
    }

    fn check_sum(&self, accounts: &[datamanager::Entry]) {
        let missing = (ACCOUNTS - accounts.len()) as i64;
        let sum: i64 = accounts.iter().map(|entry| amount_of(&entry.value)).sum();
        let expected = BALANCE_AT_START * ACCOUNTS as i64;
        let seed = self.shared.seed;
        assert_eq!(sum + missing * BALANCE_AT_START, expected, "seed {seed}");
    }

    /// Reads, scans, writes and deletes as it comes.
    pub(super) async fn mix(mut self) {
        while !self.has_to_stop() {
            self.pause(150).await;
            let mut transaction = self.client.begin();
            match self.try_mix(&mut transaction).await {
                Ok(()) if self.random.below(10) == 0 => drop(transaction),
                Ok(()) => self.commit(transaction).await,
                Err(error) => self.take_failed_read(error),
            }
        }
    }

    async fn try_mix(&mut self, transaction: &mut RecordedTransaction) -> Result<(), Error> {
        for number in 0..1 + self.random.below(5) {
            let id = self.item();
            match self.random.below(6) {
                0 | 1 => {
                    let value = format!("{}.{number}", transaction.operation());
                    transaction.put_raw("item", &id, value)?;
                }
                2 => transaction.delete_raw("item", &id)?,
                3 => drop(transaction.get_raw("item", &id).await?),
                _ => {
                    let (range, limit) = (self.range(), self.limit());
                    transaction.scan(&range, limit).await?;
                }
            }
            self.pause(20).await;
        }
        Ok(())
    }

    fn item(&mut self) -> String {
        format!("{:02}", self.random.below(ITEMS))
    }

    fn range(&mut self) -> Range {
        let mut range = Range::all("item");
        if self.random.coin() {
            range = range.start(self.item());
        }
        if self.random.coin() {
            range = range.end(self.item());
        }
        if self.random.below(4) == 0 {
            range = range.prefix(self.random.below(2).to_string());
        }
        match self.random.below(3) {
            0 => range.reverse(),
            _ => range,
        }
    }

    fn limit(&mut self) -> usize {
        match self.random.coin() {
            true => usize::MAX,
            false => 1 + self.random.below(4),
        }
    }

    /// Writes with tokens of change groups, which it keeps for a while.
    pub(super) async fn use_groups(mut self) {
        while !self.has_to_stop() {
            let first = self.random.below(GROUPS.len());
            let groups = &GROUPS[first..GROUPS.len().min(first + 2)];
            let token = self.client.token(groups.iter().copied()).unwrap();
            self.pause(400).await;
            let mut transaction = self.client.begin();
            let operation = transaction.operation().to_string();
            match self.random.below(4) {
                0 => transaction.touch_group(GROUPS[first]).unwrap(),
                _ => transaction.check_token(token).unwrap(),
            }
            transaction
                .put_raw("grouped", GROUPS[first], operation)
                .unwrap();
            self.commit(transaction).await;
        }
    }

    /// Writes without reading, several at once, so that records have many transactions.
    pub(super) async fn write_at_once(mut self) {
        while !self.has_to_stop() {
            self.pause(300).await;
            let count = 2 + self.random.below(5);
            let ids: Vec<String> = (0..count).map(|_| self.item()).collect();
            let commits = ids.iter().map(|id| {
                let mut transaction = self.client.begin();
                let operation = transaction.operation().to_string();
                transaction.put_raw("item", id, operation).unwrap();
                transaction.commit()
            });
            for answer in join_all(commits).await {
                self.take_answer(answer).await;
            }
        }
    }

    /// Looks at several things in one snapshot, and waits for what others have done.
    pub(super) async fn look(mut self) {
        while !self.has_to_stop() {
            self.pause(250).await;
            if let Err(error) = self.try_look().await {
                self.take_failed_read(error);
            }
        }
    }

    async fn try_look(&mut self) -> Result<(), Error> {
        let mut snapshot = match self.random.below(4) {
            0 | 1 => self.client.snapshot(),
            2 => self.client.latest_snapshot().await?,
            _ => {
                let position = self.client.latest_snapshot().await?.position();
                self.client.snapshot_at_least(position).await?
            }
        };
        for _ in 0..1 + self.random.below(4) {
            match self.random.below(4) {
                0 => drop(snapshot.get_raw("item", &self.item()).await?),
                1 => drop(snapshot.read_everything().await?),
                _ => {
                    let (range, limit) = (self.range(), self.limit());
                    snapshot.scan(&range, limit).await?;
                }
            }
            // Meanwhile others write, and files are merged and collected.
            self.pause(100).await;
        }
        Ok(())
    }

    /// Follows the store, from where the listener of the machine was in an earlier life, up to the last record.
    pub(super) async fn listen(mut self) {
        let name = self.process.name().to_owned();
        let mut cursor = self.shared.cursors.lock().unwrap().get(&name).copied();
        loop {
            let mut listener = match cursor {
                Some(cursor) => self.client.follow(cursor),
                None => self.client.follow_new(),
            };
            loop {
                let last = self.shared.last_seq.load(Ordering::SeqCst);
                if last > 0 && listener.cursor().seq() >= last {
                    return;
                }
                let tick = self.process.sleep(Duration::from_millis(100));
                let next = match select(Box::pin(listener.next()), tick).await {
                    Either::Left((next, _)) => next,
                    Either::Right(_) => continue,
                };
                let Err(error) = next else {
                    let reached = listener.cursor();
                    let mut cursors = self.shared.cursors.lock().unwrap();
                    cursors.insert(name.clone(), reached);
                    continue;
                };
                cursor = match error.kind() {
                    ErrorKind::Unavailable => Some(listener.cursor()),
                    ErrorKind::Compacted | ErrorKind::Diverged => None,
                    _ => panic!("seed {}: {error:?}", self.shared.seed),
                };
                break;
            }
            self.pause(100).await;
        }
    }

    /// Runs jobs by hand, beside those that run by themselves.
    pub(super) async fn keep_in_order(mut self) {
        while !self.has_to_stop() {
            self.pause(500).await;
            let store = self.client.store();
            let result = match self.random.below(4) {
                0 => store.checkpoint().await.map(drop),
                1 => store.compact().await.map(drop),
                2 => store.compact_as_due().await.map(drop),
                _ => store.collect_garbage().await.map(drop),
            };
            if let Err(error) = result {
                self.take_failed_job(error);
            }
        }
    }

    fn take_failed_job(&self, error: Error) {
        let may_fail = [
            ErrorKind::Unavailable,
            ErrorKind::Conflict,
            ErrorKind::Expired,
            ErrorKind::Maintenance,
            ErrorKind::Unknown,
        ];
        let seed = self.shared.seed;
        assert!(may_fail.contains(&error.kind()), "seed {seed}: {error:?}");
    }

    /// Switches maintenance on and off, and brings in what it has exported before.
    pub(super) async fn operate(mut self) {
        let mut exported = None;
        while !self.has_to_stop() {
            self.pause(1_500).await;
            let result = match self.random.below(4) {
                0 => match self.client.export(ExportOptions::new()).await {
                    Ok(bytes) => {
                        exported = Some(bytes);
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                1 => self.hold_maintenance(None).await,
                _ => self.hold_maintenance(exported.take()).await,
            };
            if let Err(error) = result {
                self.take_failed_job(error);
            }
        }
    }

    /// Stops all transactions for a while, and imports meanwhile if there is something.
    async fn hold_maintenance(&mut self, bytes: Option<Vec<u8>>) -> Result<(), Error> {
        self.client.store().maintenance_on().await?;
        self.pause(500).await;
        let imported = match bytes {
            Some(bytes) => {
                let options = ImportOptions::new().force(self.random.coin());
                self.client.import(bytes, options).await.map(drop)
            }
            None => Ok(()),
        };
        let mut off = self.client.store().maintenance_off(true).await;
        while !self.has_to_stop()
            && let Err(error) = off
        {
            self.take_failed_job(error);
            self.pause(200).await;
            off = self.client.store().maintenance_off(true).await;
        }
        imported
    }
}

fn amount_of(value: &[u8]) -> i64 {
    let text = std::str::from_utf8(value).unwrap();
    let (amount, _) = text.split_once(' ').unwrap();
    amount.parse().unwrap()
}
