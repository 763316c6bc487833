//! Single entries: `put`, `get`, `delete`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, bail};
use bytes::Bytes;
use datamanager::{DataManager, Position, Settings, check_data_type, check_id};

use crate::cli::StoreArgs;
use crate::commands::{MarkStale, close_after};
use crate::commit::commit;
use crate::exit::Reason;
use crate::output::{self, Output};

pub(super) async fn put(
    store: &StoreArgs,
    output: Output,
    data_type: &str,
    id: &str,
    file: &Path,
    indexes: MarkStale,
) -> anyhow::Result<()> {
    // Before anything is made: a wrong name leaves no trace.
    check_data_type(data_type).map_err(Reason::argument)?;
    check_id(id).map_err(Reason::argument)?;
    // Read first: nobody has to wait for the store while this waits for its input.
    let value = read_value(file)?;
    let store = store.open().await?;
    let result = commit(&store, async |mut transaction| {
        // The size has been checked, so what is refused here is a name of the command line.
        transaction
            .put_raw(data_type, id, value.clone())
            .map_err(Reason::argument)?;
        indexes.apply(&mut transaction);
        Ok(transaction)
    });
    let position = indexes.explain(&store, data_type, result.await).await;
    let position = close_after(store, position).await?;
    tell_position(output, position)
}

/// The whole input, if it is not too large for an entry.
fn read_value(file: &Path) -> anyhow::Result<Bytes> {
    let bytes_max = Settings::default().entry_bytes_max;
    let mut value = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin()
            .lock()
            .take(bytes_max as u64 + 1)
            .read_to_end(&mut value)
    } else {
        File::open(file).and_then(|file| file.take(bytes_max as u64 + 1).read_to_end(&mut value))
    };
    read.with_context(|| format!("cannot read {}", shown(file)))?;
    if value.len() > bytes_max {
        bail!(
            "{} has more than {bytes_max} bytes, the most that an entry may have",
            shown(file)
        );
    }
    Ok(value.into())
}

/// A file of the command line as messages name it.
pub(super) fn shown(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        format!("{:?}", file.display().to_string())
    }
}

pub(super) async fn get(
    store: &StoreArgs,
    mut output: Output,
    data_type: &str,
    id: &str,
) -> anyhow::Result<()> {
    let store = store.open_read_only().await?;
    let value = store
        .get_raw(data_type, id)
        .await
        .map_err(Reason::argument)?
        .ok_or_else(|| absent(&store, data_type, id))?;
    if output.is_json() {
        output.json_entry(id, &value)?;
    } else {
        output.bytes(&value)?;
        if output.is_terminal() {
            output.bytes(b"\n")?;
        }
    }
    output.finish()
}

pub(super) async fn delete(
    store: &StoreArgs,
    output: Output,
    data_type: &str,
    id: &str,
    indexes: MarkStale,
) -> anyhow::Result<()> {
    let store = store.open().await?;
    let result = commit(&store, async |mut transaction| {
        let found = transaction
            .get_raw(data_type, id)
            .await
            .map_err(Reason::argument)?;
        if found.is_none() {
            return Err(absent(&store, data_type, id).into());
        }
        transaction.delete_raw(data_type, id)?;
        indexes.apply(&mut transaction);
        Ok(transaction)
    });
    let position = indexes.explain(&store, data_type, result.await).await;
    let position = close_after(store, position).await?;
    tell_position(output, position)
}

fn absent(store: &DataManager, data_type: &str, id: &str) -> Reason {
    Reason::not_found(format!(
        "there is no entry {id:?} of type {data_type:?} in {}",
        store.location()
    ))
}

fn tell_position(mut output: Output, position: Position) -> anyhow::Result<()> {
    if output.is_json() {
        output.json(&position)?;
    } else {
        output::note(format_args!("committed at {position}"));
    }
    output.finish()
}
