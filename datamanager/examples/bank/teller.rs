//! Tellers: processes of their own, as those who start them see them and from within.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow, ensure};
use datamanager::{DataManager, ErrorKind};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::accounts::{ACCOUNTS, Transfer, account_id};
use crate::place::Place;

const AMOUNT_MAX: i64 = 100;

/// What a teller does: it makes transfers until its standard input ends, and prints the id of each when it is durable.
pub(crate) async fn serve(store: &DataManager, name: &str, seed: u64) -> anyhow::Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    let noticed = ended.clone();
    thread::spawn(move || {
        // Also when the bank itself was killed: then nobody is left to tell its tellers to stop.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        noticed.store(true, Ordering::Relaxed);
    });
    let mut random = StdRng::seed_from_u64(seed);
    for number in 0.. {
        let from = random.random_range(0..ACCOUNTS);
        let to = (from + random.random_range(1..ACCOUNTS)) % ACCOUNTS;
        let transfer = Transfer {
            id: format!("{name}-{number:06}"),
            from: account_id(from),
            to: account_id(to),
            amount: random.random_range(1..=AMOUNT_MAX),
        };
        // Trying again is safe whatever has become of the attempt before.
        let made = loop {
            if ended.load(Ordering::Relaxed) {
                return Ok(());
            }
            match transfer.make(store).await {
                Ok(made) => break made,
                Err(error) if may_pass(&error) => {}
                Err(error) => return Err(error),
            }
        };
        if made {
            writeln!(io::stdout(), "{}", transfer.id)?;
        }
    }
    Ok(())
}

/// Whether an error says no more than that others were faster, or that nobody knows what became of the commit.
fn may_pass(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref().map(datamanager::Error::kind);
    matches!(
        kind,
        Some(ErrorKind::Conflict | ErrorKind::Unavailable | ErrorKind::Unknown)
    )
}

/// The tellers of a bank. Dropping them kills them.
pub(crate) struct Tellers {
    tellers: Vec<Teller>,
    place: Place,
    seed: u64,
    started: u64,
    /// What the tellers that are gone had been told of.
    acknowledged: BTreeSet<String>,
}

struct Teller {
    child: Child,
    /// Collects the ids of transfers until the process ends.
    reader: JoinHandle<io::Result<Vec<String>>>,
}

impl Tellers {
    pub(crate) fn start(count: usize, place: &Place, seed: u64) -> anyhow::Result<Tellers> {
        let mut tellers = Tellers {
            tellers: Vec::new(),
            place: place.clone(),
            seed,
            started: 0,
            acknowledged: BTreeSet::new(),
        };
        for _ in 0..count {
            let teller = tellers.start_one()?;
            tellers.tellers.push(teller);
        }
        Ok(tellers)
    }

    fn start_one(&mut self) -> anyhow::Result<Teller> {
        self.started += 1;
        let seed = self.seed.wrapping_add(self.started);
        // With the seed in it the name is new in a store that an earlier run has used.
        let name = format!("teller-{:016x}-{}", self.seed, self.started);
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--teller", &name])
            .args(self.place.arguments())
            .args(["--seed", &seed.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a teller")?;
        let output = child.stdout.take().context("a teller has no output")?;
        let reader = thread::spawn(move || BufReader::new(output).lines().collect());
        Ok(Teller { child, reader })
    }

    /// Kills a teller, wherever it is, and starts another in its place.
    pub(crate) fn replace(&mut self, place: usize) -> anyhow::Result<()> {
        let new = self.start_one()?;
        let mut old = std::mem::replace(&mut self.tellers[place], new);
        let ended = old.child.try_wait()?;
        old.child.kill()?;
        old.child.wait()?;
        self.collect(old)?;
        match ended {
            Some(status) => Err(anyhow!("a teller has ended by itself: {status}")),
            None => Ok(()),
        }
    }

    /// Tells all tellers to end, and returns the ids of all transfers that any teller was told of.
    pub(crate) fn finish(mut self) -> anyhow::Result<BTreeSet<String>> {
        for teller in &mut self.tellers {
            drop(teller.child.stdin.take());
        }
        for mut teller in std::mem::take(&mut self.tellers) {
            let status = teller.child.wait()?;
            ensure!(status.success(), "a teller has failed: {status}");
            self.collect(teller)?;
        }
        Ok(std::mem::take(&mut self.acknowledged))
    }

    fn collect(&mut self, teller: Teller) -> anyhow::Result<()> {
        let lines = teller.reader.join();
        let lines = lines.map_err(|_| anyhow!("reading from a teller has failed"))?;
        self.acknowledged.extend(lines?);
        Ok(())
    }
}

impl Drop for Tellers {
    fn drop(&mut self) {
        for teller in &mut self.tellers {
            // It may have ended.
            let _ = teller.child.kill();
            let _ = teller.child.wait();
        }
    }
}
