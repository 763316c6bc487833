//! Looking whether the books are right, while others write.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::ensure;
use datamanager::{DataManager, Query, ScanOptions, Snapshot};
use tokio::time::{Instant, sleep};

use crate::accounts::{Account, Transfer};

/// A pause that leaves the machine to the tellers.
const AUDIT_INTERVAL: Duration = Duration::from_millis(5);

/// Compares every snapshot with what there was at the start.
pub(crate) struct Auditor {
    store: DataManager,
    /// Balances at the start, and the transfers that had been made by then.
    opening: BTreeMap<String, i64>,
    made_before: BTreeSet<String>,
}

impl Auditor {
    pub(crate) async fn new(store: &DataManager) -> anyhow::Result<Auditor> {
        let snapshot = store.latest_snapshot().await?;
        let accounts = accounts(&snapshot).await?.into_iter();
        let transfers = transfers(&snapshot).await?.into_iter();
        Ok(Auditor {
            store: store.clone(),
            opening: accounts
                .map(|account| (account.id, account.balance))
                .collect(),
            made_before: transfers.map(|transfer| transfer.id).collect(),
        })
    }

    pub(crate) fn expected_sum(&self) -> i64 {
        self.opening.values().sum()
    }

    /// Audits one snapshot after the other; returns how many.
    pub(crate) async fn audit_until(&self, end: Instant) -> anyhow::Result<u64> {
        let mut audited = 0;
        while Instant::now() < end {
            self.audit().await?;
            audited += 1;
            sleep(AUDIT_INTERVAL).await;
        }
        Ok(audited)
    }

    /// The sum must be that of the start, and the index must name the same accounts with the same balances.
    pub(crate) async fn audit(&self) -> anyhow::Result<()> {
        let snapshot = self.store.latest_snapshot().await?;
        let accounts = accounts(&snapshot).await?;
        let sum: i64 = accounts.iter().map(|account| account.balance).sum();
        let (expected, position) = (self.expected_sum(), snapshot.position());
        ensure!(
            sum == expected,
            "the sum of all accounts is {sum} at {position}, and was {expected} at the start"
        );
        let by_balance = snapshot.query::<Account>(&Query::by("balance")).await?;
        let by_balance = by_balance.collect().await?;
        ensure!(
            by_balance.is_sorted_by_key(|account| account.balance),
            "the index is not in the order of balances at {position}"
        );
        let ids = |accounts: &[Account]| -> BTreeSet<String> {
            accounts.iter().map(|account| account.id.clone()).collect()
        };
        ensure!(
            by_balance.len() == accounts.len() && ids(&by_balance) == ids(&accounts),
            "the index names other accounts than there are at {position}"
        );
        Ok(())
    }

    /// Each balance must be what the transfers make of it, and none may be missing that a teller was told of.
    pub(crate) async fn check_transfers(
        &mut self,
        acknowledged: &BTreeSet<String>,
    ) -> anyhow::Result<()> {
        let snapshot = self.store.latest_snapshot().await?;
        let mut balances = self.opening.clone();
        let mut made = BTreeSet::new();
        for transfer in transfers(&snapshot).await? {
            if !self.made_before.contains(&transfer.id) {
                *balances.entry(transfer.from).or_default() -= transfer.amount;
                *balances.entry(transfer.to).or_default() += transfer.amount;
                made.insert(transfer.id);
            }
        }
        let missing: Vec<&String> = acknowledged.difference(&made).collect();
        ensure!(
            missing.is_empty(),
            "{} transfers were acknowledged and are not there: {missing:?}",
            missing.len()
        );
        for account in accounts(&snapshot).await? {
            let expected = balances.get(&account.id).copied().unwrap_or_default();
            ensure!(
                account.balance == expected,
                "{} has {}: by its transfers it should have {expected}",
                account.id,
                account.balance
            );
        }
        Ok(())
    }
}

async fn accounts(snapshot: &Snapshot) -> anyhow::Result<Vec<Account>> {
    let all = snapshot.documents(&ScanOptions::new())?;
    Ok(all.collect().await?)
}

async fn transfers(snapshot: &Snapshot) -> anyhow::Result<Vec<Transfer>> {
    let all = snapshot.documents(&ScanOptions::new())?;
    Ok(all.collect().await?)
}
