//! `load`: many documents from a file or standard input, in batches.
//!
//! A thread of its own reads and checks the input, and hands batches over a bounded queue. Each batch is one
//! transaction. While one is being committed the next is prepared, but its commit begins only after the one before has
//! been acknowledged: so what is stored is always the beginning of the input, in whole batches.

mod batch;
mod documents;
mod id_source;

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::time::Instant;

use anyhow::{Context, anyhow};
use clap::Args;
use datamanager::{
    Builder, Committed, DataManager, ScanOptions, Settings, Transaction, check_data_type,
};
use futures::future::{self, Either, MaybeDone};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cli::StoreArgs;
use crate::commands::close_after;
use crate::commands::entries::shown;
use crate::commands::indexes::MarkStale;
use crate::commit::{self, Settled, settle};
use crate::exit::Reason;
use crate::output::{self, Output, OutputClosed, counted};

use batch::{Batch, BatchReader, FromInput, Limits};
use id_source::IdSource;

/// Batches that are read ahead of the one that is being prepared.
const BATCHES_READ_AHEAD: usize = 2;
/// A batch ends when its documents have so many bytes, so that a few of them fit into memory.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What to load, and how.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    #[arg(value_name = "TYPE")]
    data_type: String,

    /// The file with the documents; - is standard input. If its first character is [ it is a JSON array, otherwise each
    /// line is a document, and blank lines are skipped
    file: PathBuf,

    /// Take each id from this top-level field, a string or a number. `auto`: the row number, 12 digits from 1
    #[arg(long, value_name = "FIELD|auto", default_value = "auto")]
    id: IdSource,

    /// At most so many documents in a transaction
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,

    /// Overwrite entries that are already present, instead of stopping at the first
    #[arg(long)]
    replace: bool,

    #[command(flatten)]
    indexes: MarkStale,
}

pub(super) async fn load(store: &StoreArgs, output: Output, args: &LoadArgs) -> anyhow::Result<()> {
    check_data_type(&args.data_type).map_err(Reason::argument)?;
    let (input, input_bytes) = open_input(args)?;
    let builder = store.builder()?;
    let settings = settings(store, args);
    let limits = Limits {
        documents_max: args.batch as usize,
        batch_bytes_max: BATCH_BYTES_MAX,
        document_bytes_max: settings.entry_bytes_max,
    };
    let store = open(builder.settings(settings), args).await?;
    let batches = read_ahead(BatchReader::new(input, args.id.clone(), limits))?;
    let loader = Loader {
        store: store.clone(),
        args,
        output,
        progress: progress_bar(input_bytes),
        rows: 0,
        batches: 0,
        started: Instant::now(),
    };
    let result = loader.run(batches).await;
    let result = args.indexes.explain(&store, &args.data_type, result).await;
    let result = result.with_context(|| format!("cannot load {}", shown(&args.file)));
    close_after(store, result).await
}

/// The input, and how many bytes it has where that is known.
fn open_input(args: &LoadArgs) -> anyhow::Result<(Box<dyn Read + Send>, Option<u64>)> {
    if args.file.as_os_str() == "-" {
        return Ok((Box::new(std::io::stdin()), None));
    }
    let open = || {
        let file = std::fs::File::open(&args.file)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(std::io::Error::from(std::io::ErrorKind::IsADirectory));
        }
        Ok((file, metadata.is_file().then_some(metadata.len())))
    };
    let (file, bytes) = open().with_context(|| format!("cannot read {}", shown(&args.file)))?;
    Ok((Box::new(file), bytes))
}

/// Settings under which a batch's reads are tracked one by one: as ranges they would clash with the batch before.
fn settings(store: &StoreArgs, args: &LoadArgs) -> Settings {
    let mut settings = store.settings();
    settings.read_points_max = settings.read_points_max.max(args.batch as usize);
    settings
}

async fn open(builder: Builder, args: &LoadArgs) -> anyhow::Result<DataManager> {
    let store = builder.open().await?;
    let names = store.scan_raw(&args.data_type, &ScanOptions::new().limit(0));
    names.map_err(Reason::argument)?;
    Ok(store)
}

/// Reads on a thread of its own, since standard input may block for ever, and nobody waits for that thread.
fn read_ahead(
    mut reader: BatchReader<Box<dyn Read + Send>>,
) -> anyhow::Result<mpsc::Receiver<FromInput>> {
    let (sender, receiver) = mpsc::channel(BATCHES_READ_AHEAD);
    std::thread::Builder::new()
        .name("load input".to_owned())
        .spawn(move || {
            while let Some(batch) = reader.next_batch() {
                let is_last = batch.fault.is_some();
                if sender.blocking_send(batch).is_err() || is_last {
                    return;
                }
            }
        })
        .context("cannot start the thread that reads the input")?;
    Ok(receiver)
}

fn progress_bar(input_bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match input_bytes {
        Some(bytes) => (
            ProgressBar::new(bytes),
            "{wide_bar} {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {human_pos} rows  {per_sec}",
        ),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// One batch on its way into the log.
struct Flight {
    batch: Batch,
    commit: MaybeDone<JoinHandle<Result<Committed, datamanager::Error>>>,
}

/// What `--json` prints for each batch that is stored.
#[derive(Serialize)]
struct Acknowledgement {
    rows: u64,
    first_row: u64,
    last_row: u64,
    seq: u64,
}

/// A load under way.
struct Loader<'a> {
    store: DataManager,
    args: &'a LoadArgs,
    output: Output,
    progress: ProgressBar,
    /// Rows and batches that are stored.
    rows: u64,
    batches: u64,
    started: Instant,
}

impl Loader<'_> {
    async fn run(mut self, input: mpsc::Receiver<FromInput>) -> anyhow::Result<()> {
        let result = self.commit_all(input).await;
        self.progress.finish_and_clear();
        match result {
            Ok(()) => {
                output::note(format_args!(
                    "loaded {} in {}, {:.2} s",
                    counted(self.rows, "row"),
                    counted(self.batches, "batch"),
                    self.started.elapsed().as_secs_f64()
                ));
                self.output.finish()
            }
            // What could not be told is stored nevertheless, and the rest of the input is not: no quiet end.
            Err(error) if error.is::<OutputClosed>() => {
                Err(anyhow!("{OutputClosed}").context(self.stored()))
            }
            Err(error) => Err(error.context(self.stored())),
        }
    }

    /// What a load that has failed leaves behind.
    fn stored(&self) -> String {
        match self.rows {
            0 => "no row is stored".to_owned(),
            rows => format!("rows 1 to {rows} are stored, later ones are not"),
        }
    }

    async fn commit_all(&mut self, mut input: mpsc::Receiver<FromInput>) -> anyhow::Result<()> {
        let mut in_flight = None;
        while let Some(FromInput { batch, fault }) =
            self.next_batch(&mut input, &mut in_flight).await?
        {
            let prepared = self.prepare(self.store.begin(), &batch).await;
            self.land(&mut in_flight).await?;
            let transaction = prepared?;
            if let Some(fault) = fault {
                // The batch that it belongs to has shown no earlier fault, and is not stored.
                return Err(fault);
            }
            let commit = future::maybe_done(tokio::spawn(transaction.commit()));
            in_flight = Some(Flight { batch, commit });
        }
        self.land(&mut in_flight).await
    }

    /// The next batch of the input. One that is stored meanwhile is told of at once, however long the input takes.
    async fn next_batch(
        &mut self,
        input: &mut mpsc::Receiver<FromInput>,
        in_flight: &mut Option<Flight>,
    ) -> anyhow::Result<Option<FromInput>> {
        if let Some(flight) = in_flight {
            let next = pin!(input.recv());
            if let Either::Right((next, _)) = future::select(&mut flight.commit, next).await {
                return Ok(next);
            }
        }
        self.land(in_flight).await?;
        Ok(input.recv().await)
    }

    /// Puts a batch into a transaction.
    async fn prepare(
        &self,
        mut transaction: Transaction,
        batch: &Batch,
    ) -> anyhow::Result<Transaction> {
        let data_type = &self.args.data_type;
        let mut lines = HashMap::with_capacity(batch.documents.len());
        for document in &batch.documents {
            let id = &document.id;
            let place = document.place;
            if !self.args.replace {
                if let Some(first) = lines.insert(id, place) {
                    return Err(anyhow!("{place}: id {id:?} occurs twice, first in {first}"));
                }
                let found = transaction.get_raw(data_type, id).await;
                if found.with_context(|| place.to_string())?.is_some() {
                    return Err(anyhow!(
                        "{place}: id {id:?} of type {data_type:?} is already present, in the store or from a line \
                         before; --replace overwrites"
                    ));
                }
            }
            transaction
                .put_raw(data_type, id, batch.text(document))
                .with_context(|| place.to_string())?;
        }
        self.args.indexes.apply(&mut transaction);
        Ok(transaction)
    }

    /// Waits until the batch in flight is stored, tries again where that helps, and tells of it.
    async fn land(&mut self, in_flight: &mut Option<Flight>) -> anyhow::Result<()> {
        let Some(Flight { batch, mut commit }) = in_flight.take() else {
            return Ok(());
        };
        let range = || {
            format!(
                "rows {} to {} ({} to {})",
                batch.first_row,
                batch.last_row(),
                batch.first_place(),
                batch.last_place()
            )
        };
        (&mut commit).await;
        let committed = Pin::new(&mut commit)
            .take_output()
            .expect("it is done, and taken here alone")
            .context("the task of a commit has failed")?;
        let position = match settle(&self.store, committed).await.with_context(range)? {
            Settled::At(position) => position,
            Settled::Again(why) => {
                log::info!("committing {} again: {why}", range());
                let build = async |transaction| self.prepare(transaction, &batch).await;
                commit::commit(&self.store, build)
                    .await
                    .with_context(range)?
            }
        };
        let rows = batch.documents.len() as u64;
        self.rows += rows;
        self.batches += 1;
        self.progress.set_position(match self.progress.length() {
            Some(_) => batch.end_offset,
            None => self.rows,
        });
        if self.output.is_json() {
            self.output.json(&Acknowledgement {
                rows,
                first_row: batch.first_row,
                last_row: batch.last_row(),
                seq: position.seq,
            })?;
            self.output.flush()?;
        }
        Ok(())
    }
}
