//! What an etcd holds, and what requests do to it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use etcd_client::proto::{
    PbCompare, PbDeleteResponse, PbEvent, PbKeyValue, PbLeaseGrantResponse, PbPutResponse,
    PbRangeResponse, PbResponseHeader, PbResponseOp, PbTargetUnion, PbTxnOpRequest,
    PbTxnOpResponse, PbTxnRequest, PbTxnRequestOp, PbTxnResponse,
};
use etcd_client::{CompareOp, EventType};

/// Why a request has no effect. The words are those of etcd.
pub(super) type Refusal = &'static str;

const LEASE_NOT_FOUND: Refusal = "etcdserver: requested lease not found";
const DUPLICATE_KEY: Refusal = "etcdserver: duplicate key given in txn request";
const COMPACTED: Refusal = "etcdserver: mvcc: required revision has been compacted";
const FUTURE_REVISION: Refusal = "etcdserver: mvcc: required revision is a future revision";

/// Keys with their versions, leases, and the history of changes. The order of calls is all that it depends on.
#[derive(Clone)]
pub(super) struct Content {
    cluster: u64,
    /// Of the last change.
    revision: i64,
    /// The history before this revision is gone.
    compacted: i64,
    keys: BTreeMap<Vec<u8>, PbKeyValue>,
    /// Changes with their revisions, each with all of one revision.
    history: VecDeque<(i64, Vec<PbEvent>)>,
    leases: BTreeMap<i64, Lease>,
    leases_granted: i64,
}

#[derive(Clone)]
struct Lease {
    lifetime: Duration,
    ends: Duration,
    keys: BTreeSet<Vec<u8>>,
}

/// Keys from one up to, and without, another; without an end one key alone.
#[derive(Clone, Debug)]
pub(super) struct KeyRange {
    first: Vec<u8>,
    end: Option<Vec<u8>>,
}

impl KeyRange {
    pub(super) fn new(first: &[u8], end: &[u8]) -> KeyRange {
        KeyRange {
            first: first.to_vec(),
            end: (!end.is_empty()).then(|| end.to_vec()),
        }
    }

    /// All keys that begin with `prefix`, whose last byte can be counted up.
    pub(super) fn prefix(prefix: &[u8]) -> KeyRange {
        let mut end = prefix.to_vec();
        if let Some(last) = end.last_mut() {
            *last = last.saturating_add(1);
        }
        KeyRange::new(prefix, &end)
    }

    fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            Some(end) => key >= self.first.as_slice() && key < end.as_slice(),
            None => key == self.first.as_slice(),
        }
    }

    fn find<'a>(
        &'a self,
        keys: &'a BTreeMap<Vec<u8>, PbKeyValue>,
    ) -> impl Iterator<Item = &'a PbKeyValue> {
        let from = (Bound::Included(self.first.clone()), Bound::Unbounded);
        keys.range(from)
            .take_while(|(key, _)| self.contains(key))
            .map(|(_, kv)| kv)
    }
}

impl Content {
    /// Nothing, as a new cluster has it.
    pub(super) fn new(cluster: u64) -> Content {
        Content {
            cluster,
            revision: 1,
            compacted: 0,
            keys: BTreeMap::new(),
            history: VecDeque::new(),
            leases: BTreeMap::new(),
            leases_granted: 0,
        }
    }

    pub(super) fn cluster(&self) -> u64 {
        self.cluster
    }

    pub(super) fn compacted(&self) -> i64 {
        self.compacted
    }

    pub(super) fn revision(&self) -> i64 {
        self.revision
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let keys = self.keys.values();
        keys.map(|kv| (kv.key.as_slice(), kv.value.as_slice()))
    }

    pub(super) fn header(&self) -> PbResponseHeader {
        PbResponseHeader {
            cluster_id: self.cluster,
            member_id: 1,
            revision: self.revision,
            raft_term: 1,
        }
    }

    /// Compares, and does the one thing or the other; all changes have the same revision.
    pub(super) fn txn(&mut self, request: &PbTxnRequest) -> Result<PbTxnResponse, Refusal> {
        check_duplicates(&request.success)?;
        check_duplicates(&request.failure)?;
        let succeeded = request.compare.iter().all(|compare| self.holds(compare));
        let operations = match succeeded {
            true => &request.success,
            false => &request.failure,
        };
        self.check_leases(operations)?;
        let mut changes = Changes::new(self.revision + 1);
        let mut responses = Vec::with_capacity(operations.len());
        for operation in operations {
            let response = match &operation.request {
                Some(PbTxnOpRequest::RequestRange(range)) => {
                    let keys = KeyRange::new(&range.key, &range.range_end);
                    PbTxnOpResponse::ResponseRange(self.range(&keys, range.limit))
                }
                Some(PbTxnOpRequest::RequestPut(put)) => {
                    self.put(&put.key, &put.value, put.lease, &mut changes);
                    PbTxnOpResponse::ResponsePut(PbPutResponse::default())
                }
                Some(PbTxnOpRequest::RequestDeleteRange(delete)) => {
                    let keys = KeyRange::new(&delete.key, &delete.range_end);
                    let deleted = self.delete(&keys, &mut changes);
                    PbTxnOpResponse::ResponseDeleteRange(PbDeleteResponse {
                        deleted,
                        ..PbDeleteResponse::default()
                    })
                }
                Some(PbTxnOpRequest::RequestTxn(_)) | None => {
                    return Err("the simulated etcd has no transactions in transactions");
                }
            };
            responses.push(PbResponseOp {
                response: Some(response),
            });
        }
        self.note(changes);
        Ok(PbTxnResponse {
            header: Some(self.header()),
            succeeded,
            responses,
        })
    }

    pub(super) fn delete_range(&mut self, keys: &KeyRange) -> PbDeleteResponse {
        let mut changes = Changes::new(self.revision + 1);
        let deleted = self.delete(keys, &mut changes);
        self.note(changes);
        PbDeleteResponse {
            header: Some(self.header()),
            deleted,
            ..PbDeleteResponse::default()
        }
    }

    pub(super) fn compact(&mut self, revision: i64) -> Result<(), Refusal> {
        if revision <= self.compacted {
            return Err(COMPACTED);
        }
        if revision > self.revision {
            return Err(FUTURE_REVISION);
        }
        self.compacted = revision;
        // What happened at the revision itself may still be watched.
        self.history.retain(|(at, _)| *at >= revision);
        Ok(())
    }

    pub(super) fn grant(&mut self, seconds: i64, now: Duration) -> PbLeaseGrantResponse {
        self.leases_granted += 1;
        let id = self.leases_granted;
        let lifetime = Duration::from_secs(seconds.unsigned_abs());
        let lease = Lease {
            lifetime,
            ends: now + lifetime,
            keys: BTreeSet::new(),
        };
        self.leases.insert(id, lease);
        PbLeaseGrantResponse {
            header: Some(self.header()),
            id,
            ttl: seconds,
            error: String::new(),
        }
    }

    /// Whether the lease was there.
    pub(super) fn keep_alive(&mut self, id: i64, now: Duration) -> bool {
        let lease = self.leases.get_mut(&id);
        lease
            .map(|lease| lease.ends = now + lease.lifetime)
            .is_some()
    }

    /// Ends the lease, with its keys at one revision.
    pub(super) fn revoke(&mut self, id: i64) -> Result<(), Refusal> {
        let lease = self.leases.remove(&id).ok_or(LEASE_NOT_FOUND)?;
        let mut changes = Changes::new(self.revision + 1);
        for key in lease.keys {
            self.delete(&KeyRange::new(&key, &[]), &mut changes);
        }
        self.note(changes);
        Ok(())
    }

    /// The leases that have run out.
    pub(super) fn ended_leases(&self, now: Duration) -> Vec<i64> {
        let leases = self.leases.iter();
        let ended = leases.filter(|(_, lease)| lease.ends <= now);
        ended.map(|(id, _)| *id).collect()
    }

    /// All leases begin anew, as they do when etcd has started.
    pub(super) fn renew_leases(&mut self, now: Duration) {
        for lease in self.leases.values_mut() {
            lease.ends = now + lease.lifetime;
        }
    }

    /// What happened to `keys` at `revision` and later, by revision.
    pub(super) fn events_since(&self, revision: i64, keys: &KeyRange) -> Vec<(i64, Vec<PbEvent>)> {
        let since = self.history.iter().filter(|(at, _)| *at >= revision);
        since
            .filter_map(|(at, events)| {
                let is_watched = |event: &&PbEvent| {
                    let key = event.kv.as_ref().map(|kv| kv.key.as_slice());
                    key.is_some_and(|key| keys.contains(key))
                };
                let events: Vec<PbEvent> = events.iter().filter(is_watched).cloned().collect();
                (!events.is_empty()).then_some((*at, events))
            })
            .collect()
    }

    fn holds(&self, compare: &PbCompare) -> bool {
        let found = self.keys.get(&compare.key);
        let number = |of: fn(&PbKeyValue) -> i64, expected: &i64| {
            found.map_or(0, of).cmp(expected) // a key that is not there has 0
        };
        let order = match &compare.target_union {
            Some(PbTargetUnion::Version(expected)) => number(|kv| kv.version, expected),
            Some(PbTargetUnion::CreateRevision(expected)) => {
                number(|kv| kv.create_revision, expected)
            }
            Some(PbTargetUnion::ModRevision(expected)) => number(|kv| kv.mod_revision, expected),
            Some(PbTargetUnion::Lease(expected)) => number(|kv| kv.lease, expected),
            // The value of a key that is not there compares as nothing does.
            Some(PbTargetUnion::Value(expected)) => match found {
                Some(kv) => kv.value.as_slice().cmp(expected),
                None => return false,
            },
            None => return false,
        };
        match CompareOp::try_from(compare.result) {
            Ok(CompareOp::Equal) => order == Ordering::Equal,
            Ok(CompareOp::Greater) => order == Ordering::Greater,
            Ok(CompareOp::Less) => order == Ordering::Less,
            Ok(CompareOp::NotEqual) => order != Ordering::Equal,
            Err(_) => false,
        }
    }

    fn check_leases(&self, operations: &[PbTxnRequestOp]) -> Result<(), Refusal> {
        let is_there = |operation: &PbTxnRequestOp| match &operation.request {
            Some(PbTxnOpRequest::RequestPut(put)) => {
                put.lease == 0 || self.leases.contains_key(&put.lease)
            }
            _ => true,
        };
        match operations.iter().all(is_there) {
            true => Ok(()),
            false => Err(LEASE_NOT_FOUND),
        }
    }

    fn range(&self, keys: &KeyRange, limit: i64) -> PbRangeResponse {
        let found = keys.find(&self.keys);
        let mut kvs: Vec<PbKeyValue> = found.cloned().collect();
        let count = kvs.len();
        if let Ok(limit @ 1..) = usize::try_from(limit) {
            kvs.truncate(limit);
        }
        PbRangeResponse {
            header: None,
            more: kvs.len() < count,
            count: i64::try_from(count).unwrap_or(i64::MAX),
            kvs,
        }
    }

    fn put(&mut self, key: &[u8], value: &[u8], lease: i64, changes: &mut Changes) {
        let before = self.keys.get(key);
        if let Some(old) = before.and_then(|kv| self.leases.get_mut(&kv.lease)) {
            old.keys.remove(key);
        }
        if let Some(lease) = self.leases.get_mut(&lease) {
            lease.keys.insert(key.to_vec());
        }
        let kv = PbKeyValue {
            key: key.to_vec(),
            create_revision: before.map_or(changes.revision, |kv| kv.create_revision),
            mod_revision: changes.revision,
            version: before.map_or(0, |kv| kv.version) + 1,
            value: value.to_vec(),
            lease,
        };
        changes.add(EventType::Put, kv.clone());
        self.keys.insert(key.to_vec(), kv);
    }

    /// How many keys there were to delete.
    fn delete(&mut self, keys: &KeyRange, changes: &mut Changes) -> i64 {
        let found: Vec<PbKeyValue> = keys.find(&self.keys).cloned().collect();
        for kv in &found {
            self.keys.remove(&kv.key);
            if let Some(lease) = self.leases.get_mut(&kv.lease) {
                lease.keys.remove(&kv.key);
            }
            // Of a key that is gone there is its name, and when that happened.
            let gone = PbKeyValue {
                key: kv.key.clone(),
                mod_revision: changes.revision,
                ..PbKeyValue::default()
            };
            changes.add(EventType::Delete, gone);
        }
        i64::try_from(found.len()).unwrap_or(i64::MAX)
    }

    /// Nothing has a revision of its own in which nothing happened.
    fn note(&mut self, changes: Changes) {
        if !changes.events.is_empty() {
            self.revision = changes.revision;
            self.history.push_back((changes.revision, changes.events));
        }
    }
}

/// What one request changes.
struct Changes {
    revision: i64,
    events: Vec<PbEvent>,
}

impl Changes {
    fn new(revision: i64) -> Changes {
        Changes {
            revision,
            events: Vec::new(),
        }
    }

    fn add(&mut self, kind: EventType, kv: PbKeyValue) {
        self.events.push(PbEvent {
            r#type: kind as i32,
            kv: Some(kv),
            prev_kv: None,
        });
    }
}

/// etcd refuses a transaction that changes a key twice.
fn check_duplicates(operations: &[PbTxnRequestOp]) -> Result<(), Refusal> {
    let mut put = BTreeSet::new();
    let mut deleted = Vec::new();
    for operation in operations {
        match &operation.request {
            Some(PbTxnOpRequest::RequestPut(request)) if !put.insert(request.key.as_slice()) => {
                return Err(DUPLICATE_KEY);
            }
            Some(PbTxnOpRequest::RequestDeleteRange(request)) => {
                deleted.push(KeyRange::new(&request.key, &request.range_end));
            }
            _ => {}
        }
    }
    let is_both = |key: &&[u8]| deleted.iter().any(|range| range.contains(key));
    match put.iter().any(is_both) {
        true => Err(DUPLICATE_KEY),
        false => Ok(()),
    }
}
