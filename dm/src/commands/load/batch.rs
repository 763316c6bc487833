//! Documents, gathered for one transaction.

use std::io::{BufReader, Read};
use std::ops::Range;

use bytes::Bytes;

use super::documents::{Documents, Place};
use super::id_source::IdSource;

const INPUT_BUFFER_BYTES: usize = 256 * 1024;

/// When a batch is full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) documents_max: usize,
    pub(super) batch_bytes_max: usize,
    pub(super) document_bytes_max: usize,
}

/// One document of a batch.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) id: String,
    pub(super) place: Place,
    text: Range<usize>,
}

/// One or more documents that follow each other in the input.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) documents: Vec<Document>,
    text: Bytes,
    /// The row number of the first document, counted from 1.
    pub(super) first_row: u64,
    /// Bytes of the input up to the end of the last document.
    pub(super) end_offset: u64,
}

impl Batch {
    /// The document's bytes as they stand in the input.
    pub(super) fn text(&self, document: &Document) -> Bytes {
        self.text.slice(document.text.clone())
    }

    pub(super) fn last_row(&self) -> u64 {
        (self.first_row + self.documents.len() as u64).saturating_sub(1)
    }

    pub(super) fn first_place(&self) -> Place {
        self.documents
            .first()
            .map_or(Place::default(), |document| document.place)
    }

    pub(super) fn last_place(&self) -> Place {
        self.documents
            .last()
            .map_or(Place::default(), |document| document.place)
    }
}

/// The next part of the input.
pub(super) struct FromInput {
    pub(super) batch: Batch,
    /// What is wrong behind the documents of the batch; nothing follows it. The batch then is not full and is not to be
    /// stored, but may hold an earlier fault that only the store can tell.
    pub(super) fault: Option<anyhow::Error>,
}

/// Reads batches.
pub(super) struct BatchReader<R> {
    documents: Documents<BufReader<R>>,
    ids: IdSource,
    limits: Limits,
    rows: u64,
}

impl<R: Read> BatchReader<R> {
    pub(super) fn new(input: R, ids: IdSource, limits: Limits) -> BatchReader<R> {
        let input = BufReader::with_capacity(INPUT_BUFFER_BYTES, input);
        BatchReader {
            documents: Documents::new(input, limits.document_bytes_max),
            ids,
            limits,
            rows: 0,
        }
    }

    /// The next batch, `None` at the end of the input.
    pub(super) fn next_batch(&mut self) -> Option<FromInput> {
        let first_row = self.rows + 1;
        let mut documents = Vec::new();
        let mut text = Vec::new();
        let mut fault = None;
        while documents.len() < self.limits.documents_max
            && text.len() < self.limits.batch_bytes_max
        {
            match self.next_document(&mut text) {
                Ok(Some(document)) => documents.push(document),
                Ok(None) => break,
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            }
        }
        if documents.is_empty() && fault.is_none() {
            return None;
        }
        let batch = Batch {
            documents,
            text: Bytes::from(text),
            first_row,
            end_offset: self.documents.offset(),
        };
        Some(FromInput { batch, fault })
    }

    fn next_document(&mut self, text: &mut Vec<u8>) -> anyhow::Result<Option<Document>> {
        let start = text.len();
        let Some(place) = self.documents.next(text)? else {
            return Ok(None);
        };
        self.rows += 1;
        let bytes = &text[start..];
        let document = std::str::from_utf8(bytes).map_err(|error| {
            place.error(format_args!(
                "not UTF-8 behind byte {} of the document",
                error.valid_up_to()
            ))
        })?;
        let id = self
            .ids
            .id_of(document, self.rows)
            .map_err(|error| place.json_error(&error))?;
        Ok(Some(Document {
            id,
            place,
            text: start..text.len(),
        }))
    }
}
