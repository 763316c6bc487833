//! What a large store costs: to load, to open, to serve from, and to change a little of.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, ensure};
use benches::{DATA_TYPE, Numbers, entry_id, entry_value};

use super::commits::directory;
use crate::options::Options;
use crate::report::{Report, Unit};
use crate::subject::Subject;
use crate::subjects::{Datamanager, OURS};

const SMALL_ENTRIES: u64 = 100_000;
const VALUE_BYTES: usize = 200;
const ID_BYTES: u64 = 16;
const CHANGED_ENTRIES: u64 = 10_000;
const GETS: usize = 100_000;
const SEED: u64 = 3;

pub(super) async fn measure(
    options: &Options,
    place: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let small = change(&directory(place, "small")?, SMALL_ENTRIES, report).await?;
    let directory = directory(place, "large")?;
    let large = change(&directory, options.large(), report).await?;
    let work = format!(
        "checkpoint of {CHANGED_ENTRIES} changed entries, bytes with {} entries to bytes with {SMALL_ENTRIES}",
        options.large()
    );
    report.add(&work, OURS, Unit::Factor, large / small);

    let began = Instant::now();
    let store = Datamanager::in_files(&directory).await?;
    let work = format!("opening a store of {} entries", options.large());
    report.add(&work, OURS, Unit::Seconds, began.elapsed().as_secs_f64());
    store.close().await?;

    let own = std::env::current_exe()?;
    let output = Command::new(own)
        .arg("--serve")
        .arg(&directory)
        .args(["--large", &options.large().to_string()])
        .output()?;
    ensure!(
        output.status.success(),
        "serving has failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let kibibytes: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
    let work = format!(
        "memory of a process that opens {} entries and gets {GETS}",
        options.large()
    );
    report.add(&work, OURS, Unit::Mebibytes, kibibytes / 1024.0);
    Ok(())
}

/// Loads a store, changes some entries, and returns how many bytes the checkpoint of these has written.
async fn change(directory: &Path, entries: u64, report: &mut Report) -> anyhow::Result<f64> {
    let store = Datamanager::in_files(directory).await?;
    let before = bytes_written()?;
    let began = Instant::now();
    store.load(0, entries, VALUE_BYTES).await?;
    store.store.checkpoint().await?;
    let seconds = began.elapsed().as_secs_f64();
    let written = (bytes_written()? - before) as f64;
    let given = (entries * (ID_BYTES + VALUE_BYTES as u64)) as f64;
    let work = |what: &str| format!("load of {entries} entries of 200 B, {what}");
    report.add(&work("time"), OURS, Unit::Seconds, seconds);
    report.add(
        &work("bytes written to bytes given"),
        OURS,
        Unit::Factor,
        written / given,
    );
    store.store.compact().await?;

    let mut numbers = Numbers::from_seed(SEED);
    let mut transaction = store.store.begin();
    for change in 0..CHANGED_ENTRIES {
        let number = numbers.next_index(usize::try_from(entries)?) as u64;
        let value = entry_value(entries + change, VALUE_BYTES);
        transaction.put_raw(DATA_TYPE, &entry_id(number), value)?;
    }
    transaction.commit().await?;
    let before = bytes_written()?;
    store.store.checkpoint().await?;
    let written = bytes_written()? - before;
    let work = format!("checkpoint of {CHANGED_ENTRIES} changed entries of {entries}, written");
    report.add(
        &work,
        OURS,
        Unit::Mebibytes,
        written as f64 / f64::from(1 << 20),
    );
    store.close().await?;
    Ok(written as f64)
}

/// Bytes that this process has passed to the operating system for writing.
fn bytes_written() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: "));
    Ok(line
        .context("/proc/self/io says nothing of writes")?
        .parse()?)
}

/// Opens a large store, reads from all of it, and prints the most memory that this process has had, in KiB.
pub(crate) async fn serve(directory: &Path, options: &Options) -> anyhow::Result<()> {
    let store = Datamanager::in_files(directory).await?;
    let mut numbers = Numbers::from_seed(SEED);
    let entries = usize::try_from(options.large())?;
    for _ in 0..GETS {
        let id = entry_id(numbers.next_index(entries) as u64);
        let found = store.store.get_raw(DATA_TYPE, &id).await?;
        ensure!(found.is_some(), "{id:?} is not there");
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    println!(
        "{}",
        peak.context("/proc/self/status says nothing of memory")?
            .trim()
    );
    store.close().await
}
