//! A queue of jobs in a store: workers claim the most urgent job, and the outcome of each is written exactly once,
//! although workers die at their work.
//!
//! usage: cargo run -p datamanager --example work_queue -- [--jobs N] [--workers N] [--store URL] [--seed N]
//!
//! A claim ends at a time that stands in the job. When a worker dies, nobody has to notice: once its claim has ended, the
//! next worker that looks for work takes the job over. A worker that was only slow finds that the job is no longer its own
//! when it wants to write the outcome, and throws it away.
//!
//! Here the workers are tasks of one process. They could be processes on many machines as well: nothing else changes.

#![expect(clippy::print_stdout, reason = "what happens is printed")]

use std::ops::Bound;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use datamanager::{DataManager, Document, Indexes, Query, ScanOptions, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::sleep;

const USAGE: &str = "usage: work_queue [--jobs N] [--workers N] [--store URL] [--seed N]";

/// How long a claim lasts. A real one is several times as long as a job can take.
const CLAIM_TERM: Duration = Duration::from_millis(250);
const WORK_TIME_MAX: Duration = Duration::from_millis(20);
/// One claim in so many kills its worker, and one in so many takes longer than it lasts.
const DEATHS: u32 = 6;
const DELAYS: u32 = 12;
/// How often a worker that has nothing to do looks again.
const IDLE_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Job {
    id: String,
    priority: u32,
    state: JobState,
    /// How often it was claimed. With the id it names one claim.
    claims: u32,
    /// Until when the newest claim holds.
    claimed_until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum JobState {
    Waiting,
    Claimed,
    Done,
}

impl JobState {
    /// How the state stands in indexes.
    fn as_str(self) -> &'static str {
        match self {
            JobState::Waiting => "waiting",
            JobState::Claimed => "claimed",
            JobState::Done => "done",
        }
    }
}

impl Document for Job {
    const TYPE: &'static str = "job";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<Job> {
        Indexes::<Job>::new()
            .index("state_priority", |job| (job.state.as_str(), job.priority))
            // Only jobs with a claim have a time, so the index begins with those whose claims end first.
            .index("claimed_until", |job| job.claimed_until)
    }
}

/// What came out of a job, under the job's id and the number of the claim.
#[derive(Debug, Serialize, Deserialize)]
struct Outcome {
    id: String,
    worker: String,
}

impl Document for Outcome {
    const TYPE: &'static str = "outcome";

    fn id(&self) -> &str {
        &self.id
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::from_arguments(std::env::args().skip(1))?;
    // Removed when the program ends.
    let directory = tempfile::tempdir()?;
    let temporary = format!("file://{}", directory.path().display());
    let store = DataManager::open(options.store.as_deref().unwrap_or(&temporary)).await?;
    let mut random = StdRng::seed_from_u64(options.seed);

    add_jobs(&store, options.jobs, &mut random).await?;
    let deaths = run_workers(&store, options.workers, &mut random).await?;

    let jobs = store.collection::<Job>()?;
    let done = Query::by("state_priority").equal(JobState::Done.as_str());
    let done = jobs.count_by(&done).await?;
    let outcomes = store.count(Outcome::TYPE).await?;
    ensure!(
        done == options.jobs && outcomes == options.jobs,
        "of {} jobs {done} are done, with {outcomes} outcomes (seed {})",
        options.jobs,
        options.seed
    );
    let again = count_claimed_again(&store).await?;
    println!(
        "work queue: {done} jobs done once each by {} workers; {deaths} workers died, {again} jobs were claimed again (seed {})",
        options.workers, options.seed
    );
    store.close().await?;
    Ok(())
}

async fn add_jobs(store: &DataManager, count: u64, random: &mut StdRng) -> anyhow::Result<()> {
    let mut transaction = store.begin();
    for number in 0..count {
        transaction.put(&Job {
            id: format!("{number:06}"),
            priority: random.random_range(0..10),
            state: JobState::Waiting,
            claims: 0,
            claimed_until: None,
        })?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Runs workers until nothing is left to be done, with a new one for each that dies; returns how many died.
async fn run_workers(store: &DataManager, count: u64, random: &mut StdRng) -> anyhow::Result<u64> {
    let mut workers = JoinSet::new();
    let mut started = 0;
    let mut deaths = 0;
    let mut start = |workers: &mut JoinSet<_>| {
        started += 1;
        let worker = Worker {
            store: store.clone(),
            name: format!("worker-{started}"),
            random: StdRng::seed_from_u64(random.random()),
        };
        workers.spawn(worker.run());
    };
    for _ in 0..count {
        start(&mut workers);
    }
    while let Some(ended) = workers.join_next().await {
        if ended?? == WorkerEnd::Died {
            deaths += 1;
            start(&mut workers);
        }
    }
    Ok(deaths)
}

#[derive(Debug, PartialEq)]
enum WorkerEnd {
    NothingLeft,
    /// In the middle of its work, without a word to anybody.
    Died,
}

struct Worker {
    store: DataManager,
    name: String,
    random: StdRng,
}

impl Worker {
    async fn run(mut self) -> anyhow::Result<WorkerEnd> {
        loop {
            let Some(job) = self.claim().await? else {
                if self.is_all_done().await? {
                    return Ok(WorkerEnd::NothingLeft);
                }
                sleep(IDLE_INTERVAL).await;
                continue;
            };
            if self.random.random_ratio(1, DEATHS) {
                return Ok(WorkerEnd::Died);
            }
            let mut work_time = self.random.random_range(Duration::ZERO..WORK_TIME_MAX);
            if self.random.random_ratio(1, DELAYS) {
                work_time += 2 * CLAIM_TERM;
            }
            sleep(work_time).await;
            self.finish(&job).await?;
        }
    }

    /// Claims a job: one whose claim has ended, or else the most urgent of those that wait.
    ///
    /// What the queries have read counts as read. Of two workers that see the same job first, one commits, and `update` runs
    /// the function of the other again, which then sees the next job.
    async fn claim(&self) -> anyhow::Result<Option<Job>> {
        self.store
            .update(|mut transaction| async move {
                let now = now();
                // A missing time comes before all others, so it is left out.
                let ended = (Bound::Excluded(None), Bound::Included(Some(now)));
                let ended = Query::by("claimed_until").range(ended).limit(1);
                let waiting = Query::by("state_priority").equal(JobState::Waiting.as_str());
                let waiting = waiting.descending().limit(1);
                for query in [ended, waiting] {
                    let mut found = transaction.query::<Job>(&query).await?;
                    let Some(mut job) = found.next().await? else {
                        continue;
                    };
                    drop(found);
                    job.state = JobState::Claimed;
                    job.claims += 1;
                    job.claimed_until = Some(now.saturating_add(CLAIM_TERM));
                    transaction.put(&job)?;
                    return Ok(Some(job));
                }
                Ok(None)
            })
            .await
    }

    /// Writes the outcome, unless another worker has taken the job over meanwhile.
    async fn finish(&self, claimed: &Job) -> anyhow::Result<()> {
        self.store
            .update(|mut transaction| async move {
                let job = transaction.get::<Job>(&claimed.id).await?;
                let mut job = job.context("a job has gone")?;
                if job.state != JobState::Claimed || job.claims != claimed.claims {
                    return Ok(());
                }
                job.state = JobState::Done;
                job.claimed_until = None;
                transaction.put(&job)?;
                transaction.put(&Outcome {
                    id: format!("{}/{}", job.id, job.claims),
                    worker: self.name.clone(),
                })?;
                Ok(())
            })
            .await
    }

    async fn is_all_done(&self) -> anyhow::Result<bool> {
        let jobs = self.store.collection::<Job>()?;
        for state in [JobState::Waiting, JobState::Claimed] {
            let query = Query::by("state_priority").equal(state.as_str());
            if jobs.exists(&query).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

async fn count_claimed_again(store: &DataManager) -> anyhow::Result<usize> {
    let jobs = store.collection::<Job>()?.documents(&ScanOptions::new())?;
    let jobs = jobs.collect().await?;
    Ok(jobs.iter().filter(|job| job.claims > 1).count())
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::default().saturating_add(since.unwrap_or_default())
}

struct Options {
    jobs: u64,
    workers: u64,
    store: Option<String>,
    seed: u64,
}

impl Options {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Options> {
        let mut options = Options {
            jobs: 60,
            workers: 4,
            store: None,
            seed: rand::random(),
        };
        while let Some(argument) = arguments.next() {
            let value = arguments.next();
            let value = value.with_context(|| format!("{argument} needs a value; {USAGE}"))?;
            let number = || {
                let number = value.parse().ok();
                number.with_context(|| format!("{value:?} is no number; {USAGE}"))
            };
            match argument.as_str() {
                "--jobs" => options.jobs = number()?,
                "--workers" => options.workers = number()?,
                "--seed" => options.seed = number()?,
                "--store" => options.store = Some(value),
                _ => bail!("{argument:?} is not known; {USAGE}"),
            }
        }
        ensure!(options.workers > 0, "a queue needs a worker; {USAGE}");
        Ok(options)
    }
}
