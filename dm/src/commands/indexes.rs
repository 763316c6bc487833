//! Indexes of documents: `reindex`, and what becomes of indexes when `dm` writes, since it does not know how documents are
//! indexed.

use clap::Args;
use datamanager::{
    DataManager, ErrorKind, IndexState, IndexStatus, IndexedType, Transaction, check_data_type,
};

use super::close_after;
use crate::cli::StoreArgs;
use crate::exit::Reason;
use crate::output::{Output, counted, note};

/// Whether a command may write to a type that has indexes.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct MarkStale {
    /// Write also if the type has indexes, and mark these stale in the same transaction. Queries by them are refused until
    /// they have been built anew, which the next program that knows the type does by itself
    #[arg(long = "mark-stale")]
    allowed: bool,
}

impl MarkStale {
    pub(super) fn is_allowed(self) -> bool {
        self.allowed
    }

    /// To be called for each transaction that writes.
    pub(super) fn apply(self, transaction: &mut Transaction) {
        if self.allowed {
            transaction.allow_stale_indexes();
        }
    }

    /// Tells what has become of the indexes, or which option would have let a write pass that was refused.
    pub(super) async fn explain<T>(
        self,
        store: &DataManager,
        data_type: &str,
        result: anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let was_refused = match &result {
            Ok(_) if self.allowed => false,
            Err(error) if !self.allowed && is_invalid(error) => true,
            _ => return result,
        };
        // What the command has done, or why it could not, matters more than a failure to find this out.
        let indexes = store.indexes(data_type).await.unwrap_or_default();
        match result {
            Err(error) if was_refused && !indexes.is_empty() => {
                Err(error.context("refused without --mark-stale"))
            }
            Ok(value) => {
                if indexes.iter().any(|index| index.state == IndexState::Stale) {
                    tell_stale(data_type);
                }
                Ok(value)
            }
            error => error,
        }
    }
}

fn is_invalid(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<datamanager::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::Invalid)
}

fn tell_stale(data_type: &str) {
    note(format_args!(
        "the indexes of type {data_type:?} are stale: the next program that knows the type builds them anew"
    ));
}

pub(super) async fn reindex(
    store: &StoreArgs,
    output: Output,
    data_type: &str,
) -> anyhow::Result<()> {
    check_data_type(data_type).map_err(Reason::argument)?;
    let store = store.open().await?;
    let marked = store.mark_indexes_stale(data_type).await;
    close_after(store, marked.map_err(Into::into)).await?;
    tell_stale(data_type);
    output.finish()
}

/// The indexes of a type, one line for the type and one for each of them.
pub(super) fn shown_lines(indexed: &IndexedType) -> Vec<String> {
    let head = format!(
        "indexed type         {}, generation {}",
        indexed.data_type, indexed.generation
    );
    let mut lines = vec![head];
    lines.extend(indexed.indexes.iter().map(shown_index));
    lines
}

fn shown_index(index: &IndexStatus) -> String {
    let unique = if index.unique { ", unique" } else { "" };
    let state = match &index.state {
        IndexState::Ready => "ready".to_owned(),
        IndexState::Building => format!(
            "building, {} so far",
            counted(index.documents.unwrap_or_default(), "document")
        ),
        IndexState::Stale => "stale".to_owned(),
        IndexState::Failed { key, ids } => {
            let [first, second] = ids;
            format!("failed: documents {first:?} and {second:?} both have {key}")
        }
        state => format!("{state:?}"),
    };
    format!("  index              {}{unique}, {state}", index.name)
}
