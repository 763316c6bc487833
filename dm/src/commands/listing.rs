//! Many entries: `scan`, `types`, `count`.

use clap::Args;
use datamanager::ScanOptions;
use serde_json::json;

use crate::cli::StoreArgs;
use crate::exit::Reason;
use crate::output::Output;

/// Which entries to print.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    #[arg(value_name = "TYPE")]
    data_type: String,

    /// Only ids that begin with this
    #[arg(long, value_name = "P")]
    prefix: Option<String>,

    /// Begin at this id, whether it exists or not; with --reverse at the largest that is not above it
    #[arg(long, value_name = "ID")]
    start: Option<String>,

    /// Begin behind this id: how a scan is resumed
    #[arg(long, value_name = "ID")]
    after: Option<String>,

    /// End before this id
    #[arg(long, value_name = "ID")]
    end: Option<String>,

    /// At most so many entries
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// From the largest id to the smallest
    #[arg(long)]
    reverse: bool,

    /// Print the ids instead of the entries
    #[arg(long)]
    ids: bool,
}

impl ScanArgs {
    fn options(&self) -> ScanOptions {
        let mut options = ScanOptions::new();
        if let Some(prefix) = &self.prefix {
            options = options.prefix(prefix);
        }
        if let Some(start) = &self.start {
            options = options.start(start);
        }
        if let Some(after) = &self.after {
            options = options.after(after);
        }
        if let Some(end) = &self.end {
            options = options.end(end);
        }
        if let Some(limit) = self.limit {
            options = options.limit(limit);
        }
        if self.reverse {
            options = options.reverse();
        }
        options
    }
}

pub(super) async fn scan(
    store: &StoreArgs,
    mut output: Output,
    args: &ScanArgs,
) -> anyhow::Result<()> {
    let store = store.open_read_only().await?;
    let mut scan = store
        .scan_raw(&args.data_type, &args.options())
        .map_err(Reason::argument)?;
    while let Some(entry) = scan.next().await? {
        match (args.ids, output.is_json()) {
            (false, false) => output.line(&entry.value)?,
            (false, true) => output.json_entry(&entry.id, &entry.value)?,
            (true, false) => output.line(&entry.id)?,
            (true, true) => output.json(&json!({ "id": entry.id }))?,
        }
    }
    output.finish()
}

pub(super) async fn types(store: &StoreArgs, mut output: Output) -> anyhow::Result<()> {
    let store = store.open_read_only().await?;
    for data_type in store.snapshot().types().await? {
        if output.is_json() {
            output.json(&json!({ "type": data_type }))?;
        } else {
            output.line(data_type)?;
        }
    }
    output.finish()
}

pub(super) async fn count(
    store: &StoreArgs,
    mut output: Output,
    data_type: &str,
) -> anyhow::Result<()> {
    let store = store.open_read_only().await?;
    let count = store.count(data_type).await.map_err(Reason::argument)?;
    if output.is_json() {
        output.json(&json!({ "type": data_type, "count": count }))?;
    } else {
        output.line(count.to_string())?;
    }
    output.finish()
}
