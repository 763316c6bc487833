//! What keeps a store in order: `checkpoint`, `compact`, `gc`, pins, and deleting many entries.

use std::time::Duration;

use anyhow::bail;
use datamanager::{DeleteOptions, Pin, check_data_type};

use super::close_after;
use super::indexes::MarkStale;
use super::inspect::shown_time;
use crate::cli::StoreArgs;
use crate::exit::Reason;
use crate::output::{Output, counted, note};
use crate::progress::{self, with_spinner};

pub(super) async fn checkpoint(store: &StoreArgs, mut output: Output) -> anyhow::Result<()> {
    let store = store.open().await?;
    let report = with_spinner("writing data files", store.checkpoint()).await;
    let report = close_after(store, report.map_err(Into::into)).await?;
    if output.is_json() {
        output.json(&report)?;
    } else {
        note(format_args!(
            "data files hold everything up to {}: {} and {} written, {}",
            report.covered,
            counted(report.files, "file"),
            counted(report.entries, "entry"),
            counted(report.bytes, "byte")
        ));
    }
    output.finish()
}

pub(super) async fn compact(store: &StoreArgs, mut output: Output) -> anyhow::Result<()> {
    let store = store.open().await?;
    let work = async {
        store.checkpoint().await?;
        store.compact().await
    };
    let report = with_spinner("merging data files", work).await;
    let report = close_after(store, report.map_err(Into::into)).await?;
    if output.is_json() {
        output.json(&report)?;
    } else {
        note(format_args!(
            "{} merged into {}, {} into {}; {} left",
            counted(report.files_read, "file"),
            report.files_written,
            counted(report.bytes_read, "byte"),
            report.bytes_written,
            counted(report.runs, "run")
        ));
    }
    output.finish()
}

pub(super) async fn gc(store: &StoreArgs, mut output: Output, dry_run: bool) -> anyhow::Result<()> {
    let report = if dry_run {
        let store = store.open_read_only().await?;
        let report = store.find_garbage().await;
        close_after(store, report.map_err(Into::into)).await?
    } else {
        let store = store.open().await?;
        let report = store.collect_garbage().await;
        close_after(store, report.map_err(Into::into)).await?
    };
    if output.is_json() {
        output.json(&report)?;
    } else {
        for key in report.manifests.iter().chain(&report.data_files) {
            output.line(key)?;
        }
        let what = if dry_run {
            "would be removed"
        } else {
            "removed"
        };
        note(format_args!(
            "{}, {} ({}) and {} {what}",
            counted(report.manifests.len() as u64, "manifest"),
            counted(report.data_files.len() as u64, "data file"),
            counted(report.bytes, "byte"),
            if dry_run {
                "the log files behind them".to_owned()
            } else {
                counted(report.log_files, "log file")
            }
        ));
    }
    output.finish()?;
    if !report.failed.is_empty() {
        bail!(
            "{} could not be removed; the next run tries again",
            counted(report.failed.len() as u64, "object")
        );
    }
    Ok(())
}

pub(super) async fn pin(
    store: &StoreArgs,
    mut output: Output,
    name: &str,
    term: Option<Duration>,
) -> anyhow::Result<()> {
    let store = store.open_read_only().await?;
    let pin = store.pin(name, term).await;
    let pin = close_after(store, pin.map_err(Reason::argument)).await?;
    if output.is_json() {
        output.json(&pin)?
    } else {
        note(shown_pin(&pin))
    }
    output.finish()
}

pub(super) async fn unpin(store: &StoreArgs, name: &str) -> anyhow::Result<()> {
    let store = store.open_read_only().await?;
    let removed = store.unpin(name).await;
    close_after(store, removed.map_err(Reason::argument)).await
}

pub(super) async fn pins(store: &StoreArgs, mut output: Output) -> anyhow::Result<()> {
    let store = store.open_read_only().await?;
    let pins = store.pins().await;
    for pin in close_after(store, pins.map_err(Into::into)).await? {
        if output.is_json() {
            output.json(&pin)?
        } else {
            output.line(shown_pin(&pin))?
        }
    }
    output.finish()
}

fn shown_pin(pin: &Pin) -> String {
    let until = pin.expires_at.map_or_else(
        || "until it is removed".to_owned(),
        |time| format!("until {}", shown_time(time)),
    );
    format!("{}  {}  {until}", pin.name, pin.manifest_key())
}

pub(super) async fn delete_prefix(
    store: &StoreArgs,
    mut output: Output,
    data_type: &str,
    prefix: &str,
    indexes: MarkStale,
) -> anyhow::Result<()> {
    check_data_type(data_type).map_err(Reason::argument)?;
    let store = store.open().await?;
    let bar = progress::counter("entries deleted");
    let options = DeleteOptions::new()
        .allow_stale_indexes(indexes.is_allowed())
        .progress(|deleted| bar.set_position(deleted));
    let deleted = store.delete_prefix(data_type, prefix, options).await;
    bar.finish_and_clear();
    let deleted = deleted.map_err(anyhow::Error::from);
    let deleted = indexes.explain(&store, data_type, deleted).await;
    let deleted = close_after(store, deleted).await?;
    if output.is_json() {
        output.json(&serde_json::json!({ "deleted": deleted }))?;
    } else {
        note(format_args!("{} deleted", counted(deleted, "entry")));
    }
    output.finish()
}

/// Reads a time span such as `90s`, `15m`, `12h` or `7d`.
pub(crate) fn parse_term(text: &str) -> Result<Duration, String> {
    let expected = || format!("{text:?} is not a number with s, m, h or d behind it");
    let unit = text.chars().last().ok_or_else(expected)?;
    let seconds_each: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| expected())?;
    number
        .checked_mul(seconds_each)
        .map(Duration::from_secs)
        .ok_or_else(expected)
}
