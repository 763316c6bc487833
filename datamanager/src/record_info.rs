//! Records of the log as people and programs look at them.

use serde::Serialize;

use crate::control::ControlRecord;
use crate::entry_key::split_key;
use crate::record::{Record, RecordBody};
use crate::{Position, RecordId, Timestamp};

/// One record of the log, without the values that it writes.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct RecordInfo {
    /// Its position.
    pub position: Position,
    /// The id of the record before it.
    pub predecessor: RecordId,
    /// The writer's time.
    pub time: Timestamp,
    /// Bytes that it takes in the log.
    pub bytes: u64,
    /// What each transaction writes, in order; empty for a control record.
    pub transactions: Vec<Vec<WriteInfo>>,
    /// The control record as JSON, if it is one.
    pub control: Option<serde_json::Value>,
}

/// One write of a transaction.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct WriteInfo {
    /// The data type; internal ones begin with `!`.
    pub data_type: String,
    /// The id, as text.
    pub id: String,
    /// Bytes of the value; `None` for a delete.
    pub value_bytes: Option<u64>,
    /// When the entry expires, if it does.
    pub expires_at: Option<Timestamp>,
}

impl RecordInfo {
    pub(crate) fn of(record: &Record) -> RecordInfo {
        let (transactions, control) = match &record.body {
            RecordBody::Transactions(transactions) => {
                let infos = transactions
                    .iter()
                    .map(|transaction| transaction.writes.iter().map(WriteInfo::of).collect());
                (infos.collect(), None)
            }
            RecordBody::Control(control) => (Vec::new(), control_json(control)),
        };
        RecordInfo {
            position: record.position,
            predecessor: record.predecessor,
            time: record.time,
            bytes: record.bytes,
            transactions,
            control,
        }
    }
}

fn control_json(control: &ControlRecord) -> Option<serde_json::Value> {
    serde_json::to_value(control).ok()
}

impl WriteInfo {
    fn of(write: &crate::record::Write) -> WriteInfo {
        let (data_type, id) = split_key(&write.key).unwrap_or(("", &write.key));
        WriteInfo {
            data_type: data_type.to_owned(),
            id: String::from_utf8_lossy(id).into_owned(),
            value_bytes: write.value.as_ref().map(|value| value.len() as u64),
            expires_at: write.expires_at,
        }
    }
}
