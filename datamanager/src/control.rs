//! Control records: what processes tell each other at one place of the log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Position, RecordId};

/// The newest set of control records that this version knows.
pub(crate) const CONTROL_FORMAT: u32 = 1;

/// A message to every process that follows the log; it takes effect at its position.
///
/// Stored as JSON, since it is rare and people read it when something went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum ControlRecord {
    /// The epoch's log ends here; the next record belongs to epoch `next_epoch` (R7).
    Seal { next_epoch: u32 },
    /// A job has begun. Memtables rotate at a checkpoint's (R27).
    JobBegun { job: JobKind, instance: String },
    /// The job that began at `job_seq` is given up and may not install (R27).
    JobAbandoned { job_seq: u64 },
    /// Announces a manifest and the end of its job; only the manifest itself counts (R25).
    ManifestInstalled {
        number: u64,
        checksum: u32,
        covered: Position,
        job_seq: Option<u64>,
    },
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobKind {
    Checkpoint,
    Compaction,
}

impl ControlRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.insert("format".to_owned(), CONTROL_FORMAT.into());
        }
        value.to_string().into_bytes()
    }

    /// Decodes a control record, or says which format it is of.
    pub(crate) fn decode(bytes: &[u8]) -> Result<ControlRecord, String> {
        #[derive(Deserialize)]
        struct Envelope {
            kind: String,
            format: u32,
        }
        let unreadable =
            |error: serde_json::Error| format!("a control record cannot be read: {error}");
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(unreadable)?;
        serde_json::from_slice(bytes).map_err(|error| {
            format!(
                "control record {:?} of format {} is not known to this version, which reads format {CONTROL_FORMAT}: {error}",
                envelope.kind, envelope.format
            )
        })
    }
}

/// A job that has begun and has neither installed nor been abandoned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenJob {
    pub(crate) job: JobKind,
    pub(crate) instance: String,
    /// The position of its `JobBegun` record.
    pub(crate) began_at: Position,
}

/// What control records have added up to at a position; equal in every process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ControlState {
    /// The record format that is written; only `dm upgrade` raises it (R4).
    pub(crate) record_format: u8,
    /// Log bytes since the covered position at which transactions wait (R23).
    pub(crate) log_bytes_max: u64,
    /// Jobs that are open, by the seq of their `JobBegun`.
    pub(crate) open_jobs: BTreeMap<u64, OpenJob>,
    /// The newest manifest that was announced.
    pub(crate) manifest_number: u64,
    /// The seal that ends this epoch's log, once it has one.
    pub(crate) sealed: Option<RecordId>,
}

impl ControlState {
    /// The state of a new store.
    pub(crate) fn new(log_bytes_max: u64) -> ControlState {
        ControlState {
            record_format: crate::record::RECORD_FORMAT,
            log_bytes_max,
            open_jobs: BTreeMap::new(),
            manifest_number: 1,
            sealed: None,
        }
    }

    /// Applies one control record.
    pub(crate) fn apply(&mut self, position: Position, record: &ControlRecord) {
        match record {
            ControlRecord::Seal { .. } => self.sealed = Some(position.record),
            ControlRecord::JobBegun { job, instance } => {
                let job = OpenJob {
                    job: *job,
                    instance: instance.clone(),
                    began_at: position,
                };
                self.open_jobs.insert(position.seq, job);
            }
            ControlRecord::JobAbandoned { job_seq } => {
                self.open_jobs.remove(job_seq);
            }
            ControlRecord::ManifestInstalled {
                number, job_seq, ..
            } => {
                self.manifest_number = self.manifest_number.max(*number);
                if let Some(job_seq) = job_seq {
                    self.open_jobs.remove(job_seq);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_records_come_back_and_unknown_ones_are_named() {
        let record = ControlRecord::JobBegun {
            job: JobKind::Checkpoint,
            instance: "a".to_owned(),
        };
        assert_eq!(ControlRecord::decode(&record.encode()), Ok(record));
        let message = ControlRecord::decode(br#"{"kind":"teleport","format":9}"#).unwrap_err();
        assert!(
            message.contains("\"teleport\" of format 9") && message.contains("reads format 1"),
            "{message}"
        );
        assert!(ControlRecord::decode(b"\xff").is_err());
    }
}
