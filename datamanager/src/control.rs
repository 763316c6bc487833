//! Control records: what processes tell each other at one place of the log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::documents::Catalog;
use crate::epoch::EpochCause;
use crate::mutation;
use crate::{Error, ErrorKind, LogKind, Position};

/// The newest set of control records that this version knows.
pub(crate) const CONTROL_FORMAT: u32 = 1;

/// A message to every process that follows the log; it takes effect at its position.
///
/// Stored as JSON, since it is rare and people read it when something went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum ControlRecord {
    /// The epoch's log ends here; the next record belongs to the next epoch (R7).
    Seal(Seal),
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
    /// From here on transactions are refused, or accepted again, in every process (R30).
    Maintenance { on: bool, instance: String },
    /// From here on records are written in this format (R4).
    Upgrade { record_format: u8 },
}

/// How an epoch ends, and what the next one is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seal {
    pub(crate) next_epoch: u32,
    pub(crate) cause: EpochCause,
    /// Where the next epoch keeps its log.
    pub(crate) log: LogKind,
    /// The import that the next epoch begins with, by the seq of its `JobBegun` (R31).
    pub(crate) job_seq: Option<u64>,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobKind {
    Checkpoint,
    Compaction,
    Import,
}

impl JobKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            JobKind::Checkpoint => "checkpoint",
            JobKind::Compaction => "compaction",
            JobKind::Import => "import",
        }
    }
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
    pub(crate) sealed: Option<Seal>,
    /// Since when transactions are refused, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) maintenance: Option<MaintenanceSince>,
    /// What is known of each document type's indexes.
    #[serde(default, skip_serializing_if = "Catalog::is_empty")]
    pub(crate) catalog: Catalog,
}

/// When and by whom maintenance was switched on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MaintenanceSince {
    pub(crate) position: Position,
    pub(crate) instance: String,
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
            maintenance: None,
            catalog: Catalog::default(),
        }
    }

    /// The state with which the epoch after a seal begins: what was going on has ended with the log.
    pub(crate) fn for_next_epoch(&self) -> ControlState {
        ControlState {
            open_jobs: BTreeMap::new(),
            manifest_number: 0,
            sealed: None,
            ..self.clone()
        }
    }

    /// The open job of this kind: it has the claim to do such work, which saves double work and no more.
    pub(crate) fn claim(&self, kind: JobKind) -> Option<(u64, &OpenJob)> {
        let mut jobs = self.open_jobs.iter();
        jobs.find(|(_, job)| job.job == kind)
            .map(|(job_seq, job)| (*job_seq, job))
    }

    /// Whether `record` may be appended on top of this state; `last_transaction` is the newest record with transactions.
    ///
    /// Checked by the process that appends, which has applied everything before (R2): so it holds for all.
    ///
    /// # Errors
    /// What the caller of the operation is told.
    pub(crate) fn check(&self, record: &ControlRecord, last_transaction: u64) -> Result<(), Error> {
        if let Some(seal) = &self.sealed
            && !mutation::is("append-behind-a-seal")
        {
            return Err(Error::unavailable(format!(
                "the log is sealed: epoch {} has yet to begin",
                seal.next_epoch
            )));
        }
        match record {
            ControlRecord::JobBegun { job, .. } => self.check_job_begun(*job),
            ControlRecord::JobAbandoned { job_seq } if !self.open_jobs.contains_key(job_seq) => {
                Err(Error::new(
                    ErrorKind::NotFound,
                    format!("job {job_seq} is no longer open"),
                ))
            }
            ControlRecord::Maintenance { on: false, .. } => match self.claim(JobKind::Import) {
                Some((job_seq, job)) => Err(Error::invalid(format!(
                    "maintenance stays on while {:?} imports (job {job_seq}); force it off to abandon the import",
                    job.instance
                ))),
                None => Ok(()),
            },
            ControlRecord::Seal(Seal {
                job_seq: Some(job_seq),
                ..
            }) if !mutation::is("import-unchecked") => {
                self.check_import(*job_seq, last_transaction)
            }
            _ => Ok(()),
        }
    }

    fn check_job_begun(&self, kind: JobKind) -> Result<(), Error> {
        if let Some((job_seq, job)) = self.claim(kind) {
            return Err(Error::unavailable(format!(
                "{:?} has a {} under way (job {job_seq})",
                job.instance,
                kind.as_str()
            )));
        }
        if kind == JobKind::Import && self.maintenance.is_none() {
            return Err(Error::invalid(
                "the store is not in maintenance: switch it on before an import",
            ));
        }
        Ok(())
    }

    fn check_import(&self, job_seq: u64, last_transaction: u64) -> Result<(), Error> {
        if !self.open_jobs.contains_key(&job_seq) {
            return Err(Error::unavailable(format!(
                "import {job_seq} was abandoned meanwhile"
            )));
        }
        if self.maintenance.is_none() || last_transaction > job_seq {
            return Err(Error::unavailable(format!(
                "something was committed since import {job_seq} began"
            )));
        }
        Ok(())
    }

    /// Applies one control record.
    pub(crate) fn apply(&mut self, position: Position, record: &ControlRecord) {
        match record {
            ControlRecord::Seal(seal) => self.sealed = Some(seal.clone()),
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
            ControlRecord::Maintenance { on, instance } => {
                self.maintenance = on.then(|| MaintenanceSince {
                    position,
                    instance: instance.clone(),
                });
            }
            ControlRecord::Upgrade { record_format } => {
                self.record_format = self.record_format.max(*record_format);
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
