//! What the same work costs in requests to the object storage.

use std::path::Path;
use std::sync::Arc;

use benches::{COMMITTED_VALUE_BYTES, Numbers, entry_id, entry_value};
use object_store::ObjectStore;
use ost::{CountingStore, Counts, Operation, PosixStore};
use tokio::task::JoinSet;

use super::commits::directory;
use crate::options::Options;
use crate::report::{Report, Unit};
use crate::subject::Subject;
use crate::subjects::{Datamanager, READ_VALUE_BYTES, SlateDb};

const WRITERS: u64 = 64;
const COMMITS_EACH: u64 = 100;
const GETS: usize = 1_000;
const SEED: u64 = 2;

pub(super) async fn measure(
    options: &Options,
    place: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let counted = |name: &str| -> anyhow::Result<CountingStore> {
        let objects = PosixStore::new(directory(place, name)?)?;
        Ok(CountingStore::new(Arc::new(objects)))
    };
    let objects = counted("ours")?;
    let open = async |objects: Arc<dyn ObjectStore>| Datamanager::in_objects(objects).await;
    count(options, &objects, open, report).await?;
    let objects = counted("slatedb")?;
    let open = async |objects: Arc<dyn ObjectStore>| SlateDb::open(objects).await;
    count(options, &objects, open, report).await
}

async fn count<S: Subject>(
    options: &Options,
    objects: &CountingStore,
    open: impl AsyncFn(Arc<dyn ObjectStore>) -> anyhow::Result<S>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let entries = options.entries() / 10;
    let store = open(Arc::new(objects.clone())).await?;
    let before = objects.counts();
    commit(&store).await?;
    add::<S>(
        report,
        "6,400 commits of 64 writers",
        &objects.counts().since(&before),
    );

    let before = objects.counts();
    store.load(0, entries, READ_VALUE_BYTES).await?;
    store.settle().await?;
    store.close().await?;
    add::<S>(
        report,
        &format!("load of {entries} entries of 400 B, and closing"),
        &objects.counts().since(&before),
    );

    let before = objects.counts();
    let store = open(Arc::new(objects.clone())).await?;
    add::<S>(report, "opening", &objects.counts().since(&before));

    let before = objects.counts();
    let mut numbers = Numbers::from_seed(SEED);
    for _ in 0..GETS {
        let number = numbers.next_index(usize::try_from(entries)?) as u64;
        store.check(&entry_id(number)).await?;
    }
    add::<S>(
        report,
        "1,000 gets of any entry, nothing cached",
        &objects.counts().since(&before),
    );

    let before = objects.counts();
    store.scan().await?;
    add::<S>(
        report,
        &format!("scan of {entries} entries"),
        &objects.counts().since(&before),
    );
    store.close().await
}

/// The same number of commits, however long it takes.
async fn commit<S: Subject>(store: &S) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        tasks.spawn(async move {
            for commit in 0..COMMITS_EACH {
                let number = writer * COMMITS_EACH + commit;
                let value = entry_value(number, COMMITTED_VALUE_BYTES);
                store.commit(&entry_id(number), value).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

fn add<S: Subject>(report: &mut Report, work: &str, counts: &Counts) {
    let writes = [
        Operation::Put,
        Operation::Create,
        Operation::Upload,
        Operation::Part,
    ];
    let writes: u64 = writes.map(|operation| counts.of(operation)).iter().sum();
    let megabytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    report.add(
        &format!("{work}: writing requests"),
        S::NAME,
        Unit::Count,
        writes as f64,
    );
    report.add(
        &format!("{work}: other requests"),
        S::NAME,
        Unit::Count,
        (counts.total() - writes) as f64,
    );
    report.add(
        &format!("{work}: written"),
        S::NAME,
        Unit::Mebibytes,
        megabytes(counts.bytes_written()),
    );
    report.add(
        &format!("{work}: read"),
        S::NAME,
        Unit::Mebibytes,
        megabytes(counts.bytes_read()),
    );
}
