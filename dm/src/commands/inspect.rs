//! The store itself: `status`, `verify`, `wal`.

use anyhow::bail;
use datamanager::{Instance, Mode, RecordInfo, Timestamp};
use futures::TryStreamExt;

use super::indexes;
use crate::cli::StoreArgs;
use crate::output::{Output, counted};

pub(super) async fn status(store: &StoreArgs, mut output: Output) -> anyhow::Result<()> {
    let store = store.open_read_only().await?;
    let stats = store.stats();
    let maintenance = store.maintenance();
    let instances = store.instances().await?;
    let indexed_types = store.indexed_types().await?;
    if output.is_json() {
        let mut figures = serde_json::to_value(&stats)?;
        figures["maintenance"] = serde_json::to_value(&maintenance)?;
        figures["indexed_types"] = serde_json::to_value(&indexed_types)?;
        figures["instances"] = serde_json::to_value(&instances)?;
        output.json(&figures)?;
        return output.finish();
    }
    let figures = [
        ("location", stats.location),
        ("store", stats.store),
        ("instance", stats.instance),
        ("log", stats.log.to_string()),
        ("epoch", stats.epoch.to_string()),
        ("head", stats.position.to_string()),
        ("head record", stats.position.record.to_string()),
        ("head time", shown_time(stats.time)),
        ("records read", stats.records_applied.to_string()),
        ("versions in memory", stats.memtable_versions.to_string()),
        ("log bytes in memory", stats.memtable_log_bytes.to_string()),
        ("covered by files", stats.covered.to_string()),
        ("flushed", stats.flushed.to_string()),
        ("manifest", stats.manifest.to_string()),
        ("mode", shown_mode(maintenance.mode).to_owned()),
    ];
    for (name, value) in figures {
        output.line(format!("{name:<20} {value}"))?;
    }
    for run in &stats.runs {
        output.line(format!(
            "run at level {:<7} {}, {}, {}",
            run.level,
            counted(run.files, "file"),
            counted(run.entries, "entry"),
            counted(run.bytes, "byte")
        ))?;
    }
    for line in indexed_types.iter().flat_map(indexes::shown_lines) {
        output.line(line)?;
    }
    for instance in &instances {
        output.line(shown_instance(instance))?;
    }
    output.finish()
}

/// A process that has the store open for writing, on one line.
pub(super) fn shown_instance(instance: &Instance) -> String {
    format!(
        "open in              {}, version {}, {}, at {}, {} s ago",
        instance.name,
        instance.version,
        shown_mode(instance.mode),
        instance.position,
        instance.age.as_secs()
    )
}

pub(super) fn shown_mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Maintenance => "maintenance",
        _ => "normal",
    }
}

pub(super) async fn verify(store: &StoreArgs, mut output: Output) -> anyhow::Result<()> {
    let verification = store.builder()?.verify().await?;
    if output.is_json() {
        output.json(&verification)?;
    } else {
        output.line(format!("manifests read       {}", verification.manifests))?;
        output.line(format!("data files read      {}", verification.data_files))?;
        output.line(format!(
            "entries read         {}",
            verification.data_file_entries
        ))?;
        output.line(format!(
            "data file bytes read {}",
            verification.data_file_bytes
        ))?;
        output.line(format!("log records read     {}", verification.records))?;
        output.line(format!(
            "log bytes read       {}",
            verification.record_bytes
        ))?;
        output.line(format!("head                 {}", verification.position))?;
        let create_if_absent = match verification.create_if_absent {
            Some(true) => "kept",
            Some(false) => "not kept",
            None => "not tried",
        };
        output.line(format!("create-if-absent     {create_if_absent}"))?;
        for key in &verification.unreferenced {
            output.line(format!("in no manifest       {key}"))?;
        }
        for key in &verification.strays {
            output.line(format!("in no chain          {key}"))?;
        }
        for key in &verification.torn {
            output.line(format!("cut off and kept     {key}"))?;
        }
        for damage in &verification.damage {
            output.line(format!("damage: {}", damage.what))?;
        }
    }
    output.finish()?;
    if !verification.is_sound() {
        bail!(
            "the store is damaged: {} found",
            counted(verification.damage.len() as u64, "fault")
        );
    }
    Ok(())
}

pub(super) async fn wal(store: &StoreArgs, mut output: Output, from: u64) -> anyhow::Result<()> {
    let store = store.open_read_only().await?;
    let mut records = store.records(from);
    let mut result = Ok(());
    while result.is_ok() {
        match records.try_next().await {
            Ok(Some(record)) if output.is_json() => output.json(&record)?,
            Ok(Some(record)) => output.line(shown_record(&record))?,
            Ok(None) => break,
            Err(error) => result = Err(error.into()),
        }
    }
    // What was read before an error is shown too.
    output.finish()?;
    result
}

/// A record on one line: position, time, bytes, and what it does.
fn shown_record(record: &RecordInfo) -> String {
    let content = match &record.control {
        Some(control) => format!("control {control}"),
        None => {
            let writes = record.transactions.iter().flatten();
            let internal = writes
                .clone()
                .filter(|write| write.data_type.starts_with('!'))
                .count();
            let content = format!(
                "{}, {}",
                counted(record.transactions.len() as u64, "transaction"),
                counted(writes.count() as u64, "write")
            );
            match internal {
                0 => content,
                internal => format!("{content}, {internal} of them internal"),
            }
        }
    };
    let stray = match record.in_chain {
        true => "",
        false => "  in no chain",
    };
    format!(
        "{}  {}  {}  {content}{stray}",
        record.position,
        shown_time(record.time),
        counted(record.bytes, "byte")
    )
}

/// A time as RFC 3339 writes it, in UTC.
pub(super) fn shown_time(time: Timestamp) -> String {
    let known = i64::try_from(time.as_millis())
        .ok()
        .and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok());
    match known {
        Some(timestamp) => format!("{timestamp:.3}"),
        None => time.to_string(),
    }
}
