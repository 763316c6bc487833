//! A bank whose tellers are processes that share one store, and may be killed at any moment.
//!
//! usage: cargo run -p datamanager --example bank -- [--processes N] [--seconds S] [--kills] [--store URL] [--etcd URLS]
//! [--seed N]
//!
//! Each teller moves money between accounts, in transactions. With `--kills` tellers are killed (SIGKILL) at random moments,
//! and new ones take their places. Meanwhile an auditor takes snapshot after snapshot: whatever the tellers are at, the sum
//! of all accounts must be the same in each. In the end every transfer that a teller was told of must be there.
//!
//! No process knows of the others, no lock is held, and nothing is repaired after a kill.
//!
//! The store is in a temporary directory unless `--store` says where. Its log is in objects, so that many processes can
//! write; with `--etcd` and the feature of that name it is in the etcd at these URLs, under a prefix of the store. The seed decides who pays whom and when kills happen; how processes run is up to the machine. Exit code 1 says
//! that money was lost or made.

#![expect(clippy::print_stdout, reason = "the result is printed")]

mod accounts;
mod audit;
mod options;
mod place;
mod teller;

use std::time::Duration;

use anyhow::{Context, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep, sleep_until};

use audit::Auditor;
use options::Options;
use place::Place;
use teller::Tellers;

/// Between two kills passes a random time up to here.
const KILL_INTERVAL_MAX: Duration = Duration::from_millis(300);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::from_arguments(std::env::args().skip(1))?;
    if let Some(name) = &options.teller {
        let store = Place::of_teller(&options)?.open(name).await?;
        let served = teller::serve(&store, name, options.seed).await;
        store.close().await?;
        return served;
    }
    // Removed when the program ends.
    let directory = tempfile::tempdir()?;
    let place = Place::of_bank(&options, directory.path());
    run(&place, &options)
        .await
        .with_context(|| format!("the bank has failed, with --seed {}", options.seed))
}

async fn run(place: &Place, options: &Options) -> anyhow::Result<()> {
    let store = place.open("auditor").await?;
    accounts::open_accounts(&store).await?;
    let mut auditor = Auditor::new(&store).await?;
    let mut tellers = Tellers::start(options.processes, place, options.seed)?;

    let end = Instant::now() + Duration::from_secs(options.seconds);
    let (audited, killed) = tokio::try_join!(
        auditor.audit_until(end),
        kill_until(end, &mut tellers, options)
    )?;
    let acknowledged = tellers.finish()?;
    auditor.audit().await?;
    auditor.check_transfers(&acknowledged).await?;
    store.close().await?;

    ensure!(
        !acknowledged.is_empty() && audited > 0,
        "too little time: {} transfers and {audited} audits",
        acknowledged.len()
    );
    println!(
        "bank: {} processes for {} s, {killed} of them killed and replaced: {} transfers acknowledged, {audited} snapshots, \
         the sum was {} in each (seed {})",
        options.processes,
        options.seconds,
        acknowledged.len(),
        auditor.expected_sum(),
        options.seed
    );
    Ok(())
}

/// Kills tellers and starts others, if that is wanted; returns how many were killed.
async fn kill_until(end: Instant, tellers: &mut Tellers, options: &Options) -> anyhow::Result<u64> {
    let mut random = StdRng::seed_from_u64(options.seed);
    let mut killed = 0;
    if !options.kills {
        sleep_until(end).await;
        return Ok(killed);
    }
    loop {
        let pause = random.random_range(Duration::ZERO..KILL_INTERVAL_MAX);
        if Instant::now() + pause >= end {
            sleep_until(end).await;
            return Ok(killed);
        }
        sleep(pause).await;
        tellers.replace(random.random_range(0..options.processes))?;
        killed += 1;
    }
}
