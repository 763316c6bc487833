//! Exports.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use datamanager::{Document, HeldSnapshot, ScanOptions};
use futures::stream::{self, BoxStream, StreamExt};
use serde::Serialize;

use crate::Error;
use crate::actions::Actions;
use crate::store::{CounterDocument, RunConfigDocument, RunDocument};

/// Documents that are read at once.
const BATCH_DOCUMENTS_MAX: usize = 32;

/// The order in which agola exports.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Run,
    RunConfig,
    RunCounter,
}

impl Kind {
    fn next(self) -> Option<Kind> {
        match self {
            Kind::Run => Some(Kind::RunConfig),
            Kind::RunConfig => Some(Kind::RunCounter),
            Kind::RunCounter => None,
        }
    }
}

/// The newest state as agola v0.7 exports it: the runs that are archived, then the configurations and the counters of all
/// runs; of each by rising id. Executors, their tasks and events are left out, as agola leaves them out.
///
/// # Errors
/// `Unavailable` if the store does not answer. In the stream: whatever keeps it from being whole.
pub(crate) async fn agola_export(
    actions: &Actions,
) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
    let export = Export {
        held: actions.store().held_snapshot().await?,
        place: Some((Kind::Run, None)),
    };
    let pieces = stream::try_unfold(export, |mut export| async move {
        let piece = export.next().await?;
        Ok(piece.map(|piece| (piece, export)))
    });
    Ok(pieces.boxed())
}

struct Export {
    held: HeldSnapshot,
    /// Which type comes next, and behind which id; nothing at the end.
    place: Option<(Kind, Option<String>)>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    data_type: &'a str,
    data: String,
}

impl Export {
    /// The next piece, `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.held.keep().await?;
        while let Some((kind, after)) = self.place.take() {
            let mut piece = BytesMut::new();
            let last = self.batch(kind, after, &mut piece).await?;
            self.place = match last {
                Some(last) => Some((kind, Some(last))),
                None => kind.next().map(|next| (next, None)),
            };
            if !piece.is_empty() {
                return Ok(Some(piece.freeze()));
            }
        }
        Ok(None)
    }

    /// Adds objects of one type to a piece; returns the id of the last, `None` if there were none.
    async fn batch(
        &self,
        kind: Kind,
        after: Option<String>,
        piece: &mut BytesMut,
    ) -> Result<Option<String>, Error> {
        match kind {
            Kind::Run => {
                let runs: Vec<RunDocument> = self.documents(after).await?;
                for document in runs.iter().filter(|document| document.run.archived) {
                    add::<RunDocument>(piece, &document.id, &document.run)?;
                }
                Ok(last(&runs))
            }
            Kind::RunConfig => {
                let configs: Vec<RunConfigDocument> = self.documents(after).await?;
                for document in &configs {
                    add::<RunConfigDocument>(piece, &document.id, &document.config)?;
                }
                Ok(last(&configs))
            }
            Kind::RunCounter => {
                let counters: Vec<CounterDocument> = self.documents(after).await?;
                for counter in &counters {
                    add::<CounterDocument>(piece, &counter.id, &counter.value)?;
                }
                Ok(last(&counters))
            }
        }
    }

    /// The documents of a type behind an id, as many as are read at once.
    async fn documents<T: Document>(&self, after: Option<String>) -> Result<Vec<T>, Error> {
        let mut options = ScanOptions::new().limit(BATCH_DOCUMENTS_MAX);
        if let Some(after) = after {
            options = options.after(after);
        }
        let documents = self.held.snapshot().documents::<T>(&options)?;
        Ok(documents.collect().await?)
    }
}

/// Appends an object to a piece of the export.
fn add<T: Document>(piece: &mut BytesMut, id: &str, object: &impl Serialize) -> Result<(), Error> {
    let data = serde_json::to_vec(object).map_err(Error::internal)?;
    let entry = Entry {
        id,
        data_type: T::TYPE,
        data: STANDARD.encode(data),
    };
    serde_json::to_writer(piece.writer(), &entry).map_err(Error::internal)
}

fn last<T: Document>(documents: &[T]) -> Option<String> {
    documents.last().map(|document| document.id().to_owned())
}
