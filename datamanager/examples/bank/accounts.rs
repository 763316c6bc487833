//! Accounts and transfers, and moving money from one account to another.

use anyhow::Context;
use datamanager::{DataManager, Document, Indexes, Transaction};
use serde::{Deserialize, Serialize};

pub(crate) const ACCOUNTS: usize = 20;
const OPENING_BALANCE: i64 = 1_000;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) balance: i64,
}

impl Document for Account {
    const TYPE: &'static str = "account";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<Account> {
        Indexes::<Account>::new().index("balance", |account| account.balance)
    }
}

/// A transfer that was made. It is written together with the accounts that it changes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) id: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) amount: i64,
}

impl Document for Transfer {
    const TYPE: &'static str = "transfer";

    fn id(&self) -> &str {
        &self.id
    }
}

pub(crate) fn account_id(number: usize) -> String {
    format!("account-{number:02}")
}

/// Opens all accounts that are not there, in one transaction.
pub(crate) async fn open_accounts(store: &DataManager) -> anyhow::Result<()> {
    store
        .update(|mut transaction| async move {
            for id in (0..ACCOUNTS).map(account_id) {
                if transaction.get::<Account>(&id).await?.is_none() {
                    let balance = OPENING_BALANCE;
                    transaction.put(&Account { id, balance })?;
                }
            }
            Ok(())
        })
        .await
}

impl Transfer {
    /// Moves the money, if there is enough of it; returns whether there was.
    ///
    /// `update` runs the function again when another process has changed one of the accounts meanwhile. Since the transfer
    /// itself is looked for first, a caller that does not know whether it was made just calls again.
    pub(crate) async fn make(&self, store: &DataManager) -> anyhow::Result<bool> {
        store
            .update(|mut transaction| async move {
                if transaction.get::<Transfer>(&self.id).await?.is_some() {
                    return Ok(true);
                }
                let mut from = account(&mut transaction, &self.from).await?;
                let mut to = account(&mut transaction, &self.to).await?;
                if from.balance < self.amount {
                    return Ok(false);
                }
                from.balance -= self.amount;
                to.balance += self.amount;
                transaction.put(&from)?;
                transaction.put(&to)?;
                transaction.put(self)?;
                Ok(true)
            })
            .await
    }
}

async fn account(transaction: &mut Transaction, id: &str) -> anyhow::Result<Account> {
    let found = transaction.get(id).await?;
    found.with_context(|| format!("there is no account {id}"))
}
