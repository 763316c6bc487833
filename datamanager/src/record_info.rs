//! Records of the log as people and programs look at them.

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt, TryStreamExt};
use serde::Serialize;

use crate::control::ControlRecord;
use crate::entry_key::describe_key;
use crate::log::follows;
use crate::record::{Record, RecordBody};
use crate::{Error, Position, RecordId, Timestamp};

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
    /// Whether it is a part of the log. One that is not was stored by a process that had been stopped for long, where another
    /// record had been collected; it was never acknowledged nor applied, and goes with the next collection of garbage.
    pub in_chain: bool,
}

/// One write of a transaction.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct WriteInfo {
    /// The data type; internal ones begin with `!`.
    pub data_type: String,
    /// The id; of an internal entry a text for people that says what it is of, such as `name#1 of user: "bob"` for the first
    /// build of an index.
    pub id: String,
    /// Bytes of the value; `None` for a delete.
    pub value_bytes: Option<u64>,
    /// When the entry expires, if it does.
    pub expires_at: Option<Timestamp>,
}

impl RecordInfo {
    /// Describes `records` that [`chained`](crate::log::chained) gives with the same `covered`. The one behind a record tells
    /// whether it is in the chain, so each is given out when that one has come.
    pub(crate) fn stream<'a>(
        records: BoxStream<'a, Result<Record, Error>>,
        covered: impl Fn() -> Position + Send + 'a,
    ) -> impl Stream<Item = Result<RecordInfo, Error>> + Send + 'a {
        let start = (records, None::<Record>, covered);
        stream::unfold(Some(start), |state| async move {
            let (mut records, held, covered) = state?;
            let held = match held {
                Some(held) => held,
                None => match records.try_next().await {
                    Ok(first) => first?,
                    Err(error) => return Some((Err(error), None)),
                },
            };
            let (in_chain, rest) = match records.try_next().await {
                Ok(Some(next)) => {
                    let in_chain = follows(held.position, &next);
                    (in_chain, Some((records, Some(next), covered)))
                }
                Ok(None) => {
                    // The end of the log, unless data files hold more than that.
                    let (last, covered) = (held.position, covered());
                    let in_chain = last.seq > covered.seq || last.record == covered.record;
                    (in_chain, None)
                }
                Err(error) => {
                    let failed = stream::once(std::future::ready(Err(error))).boxed();
                    (true, Some((failed, None, covered)))
                }
            };
            Some((Ok(RecordInfo::of(&held, in_chain)), rest))
        })
    }

    fn of(record: &Record, in_chain: bool) -> RecordInfo {
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
            in_chain,
        }
    }
}

fn control_json(control: &ControlRecord) -> Option<serde_json::Value> {
    serde_json::to_value(control).ok()
}

impl WriteInfo {
    fn of(write: &crate::record::Write) -> WriteInfo {
        let (data_type, id) = describe_key(&write.key);
        WriteInfo {
            data_type,
            id,
            value_bytes: write.value.as_ref().map(|value| value.len() as u64),
            expires_at: write.expires_at,
        }
    }
}
