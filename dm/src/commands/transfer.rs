//! The whole store as one file: `export` and `import`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use datamanager::{Export, ExportFormat, ExportOptions, ImportOptions};
use indicatif::ProgressBar;
use tokio::io::AsyncRead;

use super::close_after;
use crate::cli::StoreArgs;
use crate::exit::Reason;
use crate::output::{Output, counted, note};
use crate::progress;

/// The arguments of `dm export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file to write, which must not be there yet; standard output if not given
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// native has everything; agola is what agola v0.7 exports
    #[arg(long, value_name = "native|agola", default_value = "native")]
    format: ExportFormat,
    /// Compress with zstd
    #[arg(long)]
    zstd: bool,
    /// Pass over damaged blocks and files, and name them; older versions of what was in them may appear instead
    #[arg(long)]
    skip_damaged: bool,
}

pub(super) async fn export(
    store: &StoreArgs,
    output: Output,
    args: &ExportArgs,
) -> anyhow::Result<()> {
    let store = store.open_read_only().await?;
    let options = ExportOptions::new()
        .format(args.format)
        .zstd(args.zstd)
        .skip_damaged(args.skip_damaged);
    let work = async {
        let export = store.export(options).await?;
        match &args.output {
            Some(path) => export_to_file(export, path).await,
            // On a terminal the entries themselves are seen.
            None if output.is_terminal() => {
                export_to(export, &mut std::io::stdout(), ProgressBar::hidden()).await
            }
            None => export_to(export, &mut std::io::stdout(), counter()).await,
        }
    };
    let result = work.await;
    let export = close_after(store, result).await?;
    for damage in export.damage() {
        note(format_args!("passed over: {}", damage.what));
    }
    note(format_args!(
        "{} exported, the state at {}",
        counted(export.entries(), "entry"),
        export.snapshot().position()
    ));
    output.finish()
}

/// Writes beside `path` and gives the file its name when it is whole and on the disk.
async fn export_to_file(export: Export, path: &Path) -> anyhow::Result<Export> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if path.exists() {
        return Err(Reason::usage(format!("{path:?} is there already")).into());
    }
    let mut part = tempfile::Builder::new()
        .prefix(".dm-export-")
        .suffix(".part")
        .tempfile_in(directory)
        .with_context(|| format!("cannot write in {directory:?}"))?;
    let export = export_to(export, part.as_file_mut(), counter())
        .await
        .with_context(|| format!("cannot write {path:?}"))?;
    part.as_file()
        .sync_all()
        .with_context(|| format!("cannot sync {path:?}"))?;
    part.persist_noclobber(path)
        .map_err(|error| error.error)
        .with_context(|| format!("cannot write {path:?}"))?;
    std::fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .with_context(|| format!("cannot sync {directory:?}"))?;
    Ok(export)
}

fn counter() -> ProgressBar {
    progress::counter("entries exported")
}

async fn export_to(
    mut export: Export,
    to: &mut impl Write,
    bar: ProgressBar,
) -> anyhow::Result<Export> {
    let written = async {
        while let Some(piece) = export.next().await? {
            to.write_all(&piece).context("cannot write the export")?;
            bar.set_position(export.entries());
        }
        to.flush().context("cannot write the export")
    };
    let result = written.await;
    bar.finish_and_clear();
    result.map(|()| export)
}

pub(super) async fn import(
    store: &StoreArgs,
    mut output: Output,
    file: &Path,
    force: bool,
) -> anyhow::Result<()> {
    let input: Box<dyn AsyncRead + Send + Unpin> = if file == Path::new("-") {
        Box::new(tokio::io::stdin())
    } else {
        let opened = tokio::fs::File::open(file).await;
        Box::new(opened.with_context(|| format!("cannot read {file:?}"))?)
    };
    let store = store.open().await?;
    let bar = progress::counter("entries read");
    let progress = bar.clone();
    let options = ImportOptions::new()
        .force(force)
        .progress(move |entries| progress.set_position(entries));
    let imported = store.import(input, options).await;
    bar.finish_and_clear();
    let report = close_after(store, imported.map_err(Into::into)).await?;
    if output.is_json() {
        output.json(&report)?;
    } else {
        note(format_args!(
            "the store holds {} in {}, {}, since {}; maintenance is still on",
            counted(report.entries, "entry"),
            counted(report.files, "data file"),
            counted(report.bytes, "byte"),
            report.base
        ));
    }
    output.finish()
}
