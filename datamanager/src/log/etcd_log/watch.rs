//! Following the log as it grows: one watch, which is never trusted to be alive without a sign.

use std::collections::VecDeque;
use std::time::Duration;

use etcd_client::{EventType, WatchResponse};
use futures::StreamExt;
use futures::future::{self, Either};
use futures::stream::{self, BoxStream};

use super::connection::Watch;
use super::keys::{Flushed, Head};
use super::{Inner, lock};
use crate::record::Record;
use crate::{Error, Position};

/// After so long without a message etcd is asked for one.
const SILENCE_BEFORE_PROBE: Duration = Duration::from_secs(2);
/// Probes without an answer after which the watch is given up.
const PROBES_MAX: u32 = 2;

/// How far a follower has come.
struct Tail {
    after: Position,
    ready: VecDeque<Record>,
    watch: Option<Watch>,
    /// The revision of etcd that was read before the watch.
    revision: i64,
    probes: u32,
}

/// Whether the answer to a probe comes from an etcd that was wiped or restored between the read and the watch. It would keep the
/// watch alive, and tell nothing until its revisions have come as far. (The first answer of a member that lags proves nothing.)
fn has_gone_back(tail: &Tail, message: &WatchResponse) -> bool {
    let header = message.header();
    tail.probes > 0 && header.is_some_and(|header| header.revision() < tail.revision)
}

impl Inner {
    /// The records behind `after`, and then each as it comes.
    pub(super) fn tail(&self, after: Position) -> BoxStream<'_, Result<Record, Error>> {
        let tail = Tail {
            after,
            ready: VecDeque::new(),
            watch: None,
            revision: 0,
            probes: 0,
        };
        stream::try_unfold(tail, move |mut tail| async move {
            loop {
                if let Some(record) = tail.ready.pop_front() {
                    if !self.may_apply(record.position.seq).await? {
                        return Err(Error::unavailable("the next epoch has begun"));
                    }
                    return Ok(Some((record, tail)));
                }
                match &mut tail.watch {
                    Some(_) => self.listen(&mut tail).await?,
                    None => self.catch_up(&mut tail).await?,
                }
            }
        })
        .boxed()
    }

    /// Reads what there is, and begins to watch where that ends.
    async fn catch_up(&self, tail: &mut Tail) -> Result<(), Error> {
        let page = self.page(tail.after).await?;
        if let Some(last) = page.records.last() {
            tail.after = last.position;
        }
        tail.ready.extend(page.records);
        if page.is_end {
            let keys = &self.session.keys;
            let watch = self.session.client.watch(keys.all(), page.revision + 1);
            tail.watch = Some(watch.await?);
            tail.revision = page.revision;
            tail.probes = 0;
        }
        Ok(())
    }

    /// Takes the next message of the watch.
    async fn listen(&self, tail: &mut Tail) -> Result<(), Error> {
        let Some(watch) = &mut tail.watch else {
            return Ok(());
        };
        let silence = self.environment.sleep(SILENCE_BEFORE_PROBE);
        let message = match future::select(Box::pin(watch.message()), silence).await {
            Either::Left((message, _)) => Some(message),
            Either::Right(_) => None,
        };
        let lost = match message {
            None if tail.probes < PROBES_MAX => {
                tail.probes += 1;
                match watch.request_progress().await {
                    Ok(()) => return Ok(()),
                    Err(failure) => failure.message,
                }
            }
            None => "the watch gives no sign of life".to_owned(),
            Some(Ok(Some(message))) if has_gone_back(tail, &message) => {
                "etcd is behind what was read from it before".to_owned()
            }
            Some(Ok(Some(message))) => {
                tail.probes = 0;
                self.session.client.note_answer(message.header());
                return self.take_message(tail, &message).await;
            }
            Some(Ok(None)) => "the watch has ended".to_owned(),
            Some(Err(failure)) => failure.message,
        };
        tail.watch = None;
        self.session.client.note_failure(&lost);
        self.suspect(&lost);
        Err(Error::unavailable(format!(
            "etcd cannot be watched: {lost}"
        )))
    }

    async fn take_message(&self, tail: &mut Tail, message: &WatchResponse) -> Result<(), Error> {
        if message.canceled() {
            // What it was to begin with may have been compacted: read again, and watch from there.
            tail.watch = None;
            if message.compact_revision() == 0 {
                self.suspect("it has ended the watch");
                return Err(Error::unavailable(format!(
                    "etcd has ended the watch: {}",
                    message.cancel_reason()
                )));
            }
            return Ok(());
        }
        let keys = &self.session.keys;
        for event in message.events() {
            let Some(kv) = event.kv() else { continue };
            let seq = keys.seq_of(self.epoch, kv.key());
            match (event.event_type(), seq) {
                (EventType::Put, Some(seq)) => self.take_record(tail, seq, kv).await?,
                (EventType::Delete, Some(seq)) => {
                    lock(&self.budget).remove(seq, self.now());
                }
                (EventType::Put, None) if kv.key() == keys.head().as_bytes() => {
                    let head = Head::decode(&keys.head(), kv.value())?;
                    if head.epoch != self.epoch || head.sealed_for.is_some() {
                        // The records before are read first: what is behind them tells what comes next.
                        tail.watch = None;
                        return Ok(());
                    }
                }
                (EventType::Delete, None) if kv.key() == keys.head().as_bytes() => {
                    tail.watch = None;
                    self.suspect("its head was deleted");
                    return Err(Error::unavailable("etcd has lost the log"));
                }
                (EventType::Put, None) if kv.key() == keys.flushed().as_bytes() => {
                    let flushed = Flushed::decode(&keys.flushed(), kv.value())?;
                    if let Err(error) = self.held.note_stored(flushed.position) {
                        self.suspect(&error.chain());
                    }
                }
                // Who is there decides who goes first, flushes and so on.
                (_, None) if self.is_about_company(event.event_type(), kv) => {
                    self.session.wake.notify_one();
                }
                _ => {}
            }
            if tail.watch.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether another process has come or gone.
    fn is_about_company(&self, event: EventType, kv: &etcd_client::KeyValue) -> bool {
        let instances = self.session.keys.instances();
        let own = self.session.keys.instance(&self.instance);
        let is_new = event == EventType::Delete || kv.create_revision() == kv.mod_revision();
        is_new && kv.key().starts_with(instances.as_bytes()) && kv.key() != own.as_bytes()
    }

    /// Takes the record `seq`, unless it has been read before or was appended by this process.
    async fn take_record(
        &self,
        tail: &mut Tail,
        seq: u64,
        kv: &etcd_client::KeyValue,
    ) -> Result<(), Error> {
        if seq <= tail.after.seq {
            return Ok(());
        }
        if seq != tail.after.seq + 1 {
            tail.watch = None; // something was missed
            return Ok(());
        }
        // What this process holds it has appended or read, and applied or is about to.
        if let Some(held) = self.held.at(seq).filter(|_| self.was_appended(seq)) {
            tail.after = held;
            return Ok(());
        }
        match self.decode(tail.after, kv).await? {
            Some(record) => {
                tail.after = record.position;
                tail.ready.push_back(record);
            }
            None => tail.watch = None,
        }
        Ok(())
    }
}
