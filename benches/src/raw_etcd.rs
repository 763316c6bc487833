//! Etcd by itself.

use std::time::{Duration, Instant};

use etcd_client::{Client, Compare, CompareOp, Txn, TxnOp};

use crate::entries::entry_value;
use crate::writers::COMMITTED_VALUE_BYTES;

/// Bytes of what says which record is the last.
const HEAD_BYTES: usize = 60;

/// One client of etcd whose transactions have the shape of a log's: two compares and two puts, one of 1 KiB. The next one
/// begins when the last one is acknowledged.
pub struct RawEtcd {
    client: Client,
    prefix: String,
    /// The value of the key that says which record is the last.
    head: Vec<u8>,
    /// When the key was written that stands for the registration of a process.
    registered: i64,
    commits: u64,
}

impl RawEtcd {
    /// A client of the etcd at `endpoint`, whose keys begin with `prefix`.
    ///
    /// # Errors
    /// When etcd does not answer.
    pub async fn connect(endpoint: &str, prefix: &str) -> anyhow::Result<RawEtcd> {
        let mut client = Client::connect([endpoint], None).await?;
        let head = vec![0; HEAD_BYTES];
        client
            .put(format!("{prefix}/head"), head.clone(), None)
            .await?;
        let put = client.put(format!("{prefix}/instance"), "", None).await?;
        let registered = put.header().map_or(0, |header| header.revision());
        Ok(RawEtcd {
            client,
            prefix: prefix.to_owned(),
            head,
            registered,
            commits: 0,
        })
    }

    /// How long it takes to commit so often.
    ///
    /// # Errors
    /// When a transaction fails, or somebody else writes to its keys.
    pub async fn commit(&mut self, commits: u64) -> anyhow::Result<Duration> {
        let began = Instant::now();
        for _ in 0..commits {
            self.commit_once().await?;
        }
        Ok(began.elapsed())
    }

    /// Commits for a while; returns how long each commit took, in µs.
    ///
    /// # Errors
    /// As [`RawEtcd::commit`].
    pub async fn commit_for(&mut self, duration: Duration) -> anyhow::Result<Vec<f64>> {
        let started = Instant::now();
        let mut micros = Vec::new();
        while started.elapsed() < duration {
            let began = Instant::now();
            self.commit_once().await?;
            micros.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok(micros)
    }

    async fn commit_once(&mut self) -> anyhow::Result<()> {
        self.commits += 1;
        let (head_key, instance_key) = (self.key("head"), self.key("instance"));
        let mut head = vec![0; HEAD_BYTES];
        head[..8].copy_from_slice(&self.commits.to_be_bytes());
        let value = entry_value(self.commits, COMMITTED_VALUE_BYTES);
        let record_key = self.key(&format!("wal/{:020}", self.commits));
        let txn = Txn::new()
            .when([
                Compare::value(head_key.clone(), CompareOp::Equal, self.head.clone()),
                Compare::mod_revision(instance_key, CompareOp::Equal, self.registered),
            ])
            .and_then([
                TxnOp::put(head_key.clone(), head.clone(), None),
                TxnOp::put(record_key, value.to_vec(), None),
            ])
            .or_else([TxnOp::get(head_key, None)]);
        let answer = self.client.txn(txn).await?;
        anyhow::ensure!(
            answer.succeeded(),
            "somebody else writes under {:?}",
            self.prefix
        );
        self.head = head;
        Ok(())
    }

    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }
}
