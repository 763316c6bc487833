//! Entries of an import, as the documents that are stored.

use std::error::Error as StdError;
use std::sync::Arc;

use bytes::Bytes;
use datamanager::{Document, Expansion, TransferredEntry};

use crate::Error;
use crate::api::{Group, Run, RunConfig};
use crate::store::{CounterDocument, RunConfigDocument, RunDocument, STORED_TYPES, SequenceId};

type Expanded = Result<Vec<TransferredEntry>, Box<dyn StdError + Send + Sync>>;

/// Makes documents of the objects of an agola export. Other data types, ids that are none, and runs that are not archived are
/// refused: nobody knows what has become of the tasks of such a run.
pub(crate) fn agola_import() -> Expansion {
    Arc::new(|entry| -> Expanded { Ok(vec![document(&entry)?]) })
}

fn document(entry: &TransferredEntry) -> Result<TransferredEntry, Error> {
    let id = entry.id.as_str();
    let refused = |why: String| Error::bad_request(format!("{} {id:?}: {why}", entry.data_type));
    match entry.data_type.as_str() {
        RunDocument::TYPE => {
            let run: Run = service::json::parse(&entry.value)?;
            check_id(id, &run.id).map_err(refused)?;
            run.group
                .parse::<Group>()
                .map_err(|cause| refused(cause.to_string()))?;
            if !run.archived || !run.phase.is_finished() {
                return Err(refused("the run is not archived".to_owned()));
            }
            transferred(&RunDocument {
                id: id.to_owned(),
                events: 0,
                run,
            })
        }
        RunConfigDocument::TYPE => {
            let config: RunConfig = service::json::parse(&entry.value)?;
            check_id(id, &config.id).map_err(refused)?;
            transferred(&RunConfigDocument {
                id: id.to_owned(),
                config,
            })
        }
        CounterDocument::TYPE => transferred(&CounterDocument {
            id: id.to_owned(),
            value: service::json::parse(&entry.value)?,
        }),
        _ => Err(refused("this data type is not known".to_owned())),
    }
}

/// Ids are compared as texts with those of new runs.
fn check_id(id: &str, of_object: &str) -> Result<(), String> {
    if id != of_object {
        return Err(format!("the object has the id {of_object:?}"));
    }
    match SequenceId::parse(id) {
        Some(_) => Ok(()),
        None => Err("this is not the id of a run".to_owned()),
    }
}

fn transferred<T: Document>(document: &T) -> Result<TransferredEntry, Error> {
    let value = serde_json::to_vec(document).map_err(Error::internal)?;
    Ok(TransferredEntry {
        data_type: T::TYPE.to_owned(),
        id: document.id().to_owned(),
        value: Bytes::from(value),
        expires_at: None,
    })
}

/// Takes the documents of a native export as they are. Data types that are not known are refused.
pub(crate) fn native_import() -> Expansion {
    Arc::new(|entry| -> Expanded {
        match STORED_TYPES.contains(&entry.data_type.as_str()) {
            true => Ok(vec![entry]),
            false => {
                let message = format!("the data type {:?} is not known", entry.data_type);
                Err(Error::bad_request(message).into())
            }
        }
    })
}
