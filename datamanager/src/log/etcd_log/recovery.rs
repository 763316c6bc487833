//! Ending the log of an etcd that has lost it, without losing what processes still hold (R7, R11).
//!
//! Who finds the log lost announces it by an object. Every process of the store looks for such an object every few seconds; it
//! brings the records that it holds to the object storage and answers. One whose log is another, living one, objects. When
//! time is up, a seal is put behind the last record on the object storage, and then into etcd.

use std::sync::atomic::Ordering;
use std::time::Duration;

use etcd_client::{Compare, CompareOp, DeleteOptions, Txn, TxnOp};
use futures::TryStreamExt;
use ost::{Create, ObjectPath};
use serde::{Deserialize, Serialize};

use super::chain::ChainEnd;
use super::client::Failure;
use super::keys::{Flushed, Head};
use super::reader::PAGE_RECORDS_MAX;
use super::{Condition, Inner, lock};
use crate::control::{ControlRecord, Seal};
use crate::epoch::{EpochCause, EpochFile};
use crate::failpoint;
use crate::mutation;
use crate::record::{Record, RecordBody};
use crate::wal_file;
use crate::{Error, ErrorKind, LogKind, Position, RecordId, sealed_json};

const RECOVERY_FORMAT: u32 = 1;
/// How long a look for an announcement may take. It holds up acknowledgements and the renewal of the registration.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// How often answers are looked for.
const ANSWER_INTERVAL: Duration = Duration::from_millis(250);
/// An announcement so much older than the wait is left over from a recovery that came to nothing.
const STALE_FACTOR: u32 = 4;
/// How often the seal is tried while others change the object storage or etcd.
const ATTEMPTS_MAX: u32 = 20;
const ATTEMPT_DELAY: Duration = Duration::from_millis(100);

/// The content of `recovery/<epoch>.json`: the log before that epoch is lost.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Announcement {
    format: u32,
    /// The epoch that is to begin.
    epoch: u32,
    /// Names this attempt.
    attempt: RecordId,
    instance: String,
    cluster: String,
    prefix: String,
    what: String,
}

/// The content of `recovery/<epoch>-<attempt>-<instance>.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answer {
    format: u32,
    instance: String,
    cluster: String,
    prefix: String,
    /// Whether this process's log is lost as well; else it objects.
    lost: bool,
    /// The last record that this process has seen in the log, and that is on the object storage if the log is lost.
    position: Position,
}

fn announcement_path(epoch: u32) -> Result<ObjectPath, Error> {
    Ok(ObjectPath::parse(&announcement_key(epoch))?)
}

fn announcement_key(epoch: u32) -> String {
    format!("recovery/{epoch:010}.json")
}

fn answers_prefix(epoch: u32, attempt: RecordId) -> String {
    format!("recovery/{epoch:010}-{attempt}-")
}

/// What is said while the log is being recovered.
pub(super) fn lost() -> Error {
    Error::unavailable("etcd has lost the log, which is being recovered")
}

impl Inner {
    /// Looks whether somebody recovers the log, and answers (R11).
    pub(super) async fn look_for_recovery(&self) {
        let began = self.now();
        let Some(announcement) = self.look_for_announcement().await else {
            return;
        };
        lock(&self.looks).done_at = began;
        if let Err(error) = self.respond(announcement).await {
            log::warn!(instance = self.instance; "a recovery could not be answered: {}", error.chain());
        }
    }

    /// The announcement that is there. A look that fails stops nothing, and one that takes long has failed.
    async fn look_for_announcement(&self) -> Option<Announcement> {
        let began = self.now();
        let is_overdue = {
            let mut looks = lock(&self.looks);
            looks.tried_at = began;
            began.saturating_sub(looks.done_at) >= self.settings.etcd_recovery_wait
        };
        let mut found = None;
        let looking = async { found = Some(self.find_announcement_or_epoch(is_overdue).await) };
        // Commits that wait for it are to be answered in time.
        let wait_max = LOOK_MAX.min(self.settings.commit_timeout / 6);
        self.within(wait_max, looking).await;
        match found {
            Some(Ok(None)) => lock(&self.looks).done_at = began,
            // That it has been seen counts once it is answered.
            Some(Ok(found)) => return found,
            Some(Err(error)) => {
                log::debug!(instance = self.instance; "it cannot be seen whether the log is recovered: {}", error.chain());
            }
            None => {
                log::debug!(instance = self.instance; "it was not seen within {wait_max:?} whether the log is recovered");
            }
        }
        None
    }

    /// Whether it is to be looked before anybody is told of a commit, or will be when all of the time is over of which this is a
    /// `share`. What has just failed is not tried again at once.
    pub(super) fn is_look_due(&self, share: f64) -> bool {
        let (now, looks) = (self.now(), *lock(&self.looks));
        let wait = self.settings.etcd_recovery_wait;
        now.saturating_sub(looks.done_at) >= wait.mul_f64(share)
            && now.saturating_sub(looks.tried_at) >= wait.min(super::LOOK_INTERVAL).mul_f64(share)
    }

    /// Whether the record `seq` may be applied. What is on the object storage stands. What is in etcd alone stands as long as
    /// nobody recovers the log: a message of the watch may have waited while somebody did, and has put the end of the log before
    /// it. `false` says that the object storage has to be read instead.
    ///
    /// # Errors
    /// `Unavailable` while the log is being recovered.
    pub(super) async fn may_apply(&self, seq: u64) -> Result<bool, Error> {
        if seq <= self.held.stored().seq || mutation::is("apply-without-looking") {
            return Ok(true);
        }
        // To answer takes long, and is left to the keeper.
        if self.is_look_due(1.0)
            && let Some(announcement) = self.look_for_announcement().await
            && self.concerns(&announcement)
        {
            self.session.wake.notify_one();
            return Err(lost());
        }
        match self.condition() {
            Condition::Lost => Err(lost()),
            Condition::Failed(kind, message) => Err(Error::new(kind, message)),
            Condition::Good | Condition::Unchecked => {
                Ok(!self.is_superseded.load(Ordering::SeqCst))
            }
        }
    }

    /// The announcement that is there. Who is overdue may have missed a recovery from its beginning to its end, with another
    /// etcd; so it is seen whether the next epoch has begun, too, and afterwards, since an announcement is removed behind that.
    async fn find_announcement_or_epoch(
        &self,
        is_overdue: bool,
    ) -> Result<Option<Announcement>, Error> {
        let found = self.find_announcement().await?;
        if is_overdue && self.next_epoch_has_begun().await? {
            self.is_superseded.store(true, Ordering::SeqCst);
            self.suspect("the next epoch has begun");
        }
        Ok(found)
    }

    pub(super) async fn next_epoch_has_begun(&self) -> Result<bool, Error> {
        match EpochFile::load(&self.ost, self.epoch + 1).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn find_announcement(&self) -> Result<Option<Announcement>, Error> {
        let key = announcement_key(self.epoch + 1);
        match self.ost.get(&ObjectPath::parse(&key)?).await {
            Ok(bytes) => sealed_json::decode(&key, &bytes, RECOVERY_FORMAT).map(Some),
            Err(error) if error.kind() == ost::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What another process that uses the same etcd has found to be lost there. Who has joined its recovery has told where the
    /// log ends, and uses it no more, even if etcd has all of it again: others may be about to seal it.
    pub(super) async fn lost_for_others(&self) -> Option<String> {
        let announcement = self.find_announcement().await.ok()??;
        let path = announcement_path(announcement.epoch).ok()?;
        let counts = self.concerns(&announcement)
            && !self.is_over_in_etcd().await.ok()?
            && !self.is_stale(&path).await.unwrap_or(true);
        counts.then_some(announcement.what)
    }

    /// Whether somebody recovers the log that this process uses.
    fn concerns(&self, announcement: &Announcement) -> bool {
        *lock(&self.objected) != Some(announcement.attempt) && self.is_same_etcd(announcement)
    }

    fn is_same_etcd(&self, announcement: &Announcement) -> bool {
        announcement.cluster == self.session.cluster()
            && announcement.prefix == self.session.prefix()
    }

    /// Joins the recovery, or objects if this process's log is another one and lives.
    async fn respond(&self, announcement: Announcement) -> Result<(), Error> {
        if matches!(self.condition(), Condition::Lost)
            || *lock(&self.objected) == Some(announcement.attempt)
        {
            return Ok(());
        }
        let is_same = self.is_same_etcd(&announcement);
        if is_same
            && self
                .is_stale(&announcement_path(announcement.epoch)?)
                .await?
        {
            self.remove_announcements(announcement.epoch).await;
            return Ok(());
        }
        if is_same {
            self.suspect("another process recovers the log");
            // It knows better, or has found a head that this one has not looked at.
            return self.recover(&announcement.what).await;
        }
        self.condition.send_replace(Condition::Unchecked);
        Box::pin(self.check()).await?;
        if matches!(self.condition(), Condition::Good) {
            log::warn!(
                instance = self.instance, cluster = announcement.cluster;
                "{} has lost the log in another etcd and was told that the log lives in this one", announcement.instance
            );
            self.answer(&announcement, false).await?;
        }
        Ok(())
    }

    async fn answer(&self, announcement: &Announcement, lost: bool) -> Result<(), Error> {
        let answer = Answer {
            format: RECOVERY_FORMAT,
            instance: self.instance.clone(),
            cluster: self.session.cluster(),
            prefix: self.session.prefix().to_owned(),
            lost,
            position: self.held.last(),
        };
        let prefix = answers_prefix(announcement.epoch, announcement.attempt);
        let path = ObjectPath::parse(&format!("{prefix}{}.json", self.instance))?;
        self.ost.put(&path, sealed_json::encode(&answer)?).await?;
        let answered = if lost { &self.joined } else { &self.objected };
        *lock(answered) = Some(announcement.attempt);
        Ok(())
    }

    /// Ends the lost log and puts the sealed head into etcd, or finds that somebody has.
    ///
    /// # Errors
    /// `Invalid` when a living process uses another etcd; names both. `Unavailable` when etcd or the object storage does not
    /// answer: it can be tried again.
    pub(super) async fn recover(&self, what: &str) -> Result<(), Error> {
        let _one = self.recovering.lock().await;
        log::error!(
            instance = self.instance, epoch = self.epoch, cluster = self.session.cluster();
            "etcd has lost the log: {what}. The next epoch begins with what the object storage and the processes have"
        );
        self.condition.send_replace(Condition::Lost);
        let recovered = self.recover_one(what).await;
        match &recovered {
            Ok(()) => {
                // What a watch has told before and was not applied yet, is not part of the log if nobody has saved it.
                self.is_superseded.store(true, Ordering::SeqCst);
                self.condition.send_replace(Condition::Unchecked);
            }
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                log::warn!(instance = self.instance; "the recovery is tried again: {}", error.chain());
                if lock(&self.joined).is_none() {
                    self.condition.send_replace(Condition::Unchecked);
                }
            }
            Err(error) => self.fail(error),
        }
        recovered
    }

    async fn recover_one(&self, what: &str) -> Result<(), Error> {
        let announcement = self.announce(what).await?;
        failpoint::pass("recovery-announced");
        let recovered = self.join(&announcement).await;
        if let Err(error) = &recovered
            && error.kind() != ErrorKind::Unavailable
            && announcement.instance == self.instance
        {
            self.remove_announcements(announcement.epoch).await;
        }
        recovered
    }

    /// Brings what this process holds to the object storage, waits until all others have done so, and ends the lost log.
    ///
    /// It waits as long as another process may acknowledge without a look, whoever has answered: who there is was known to etcd
    /// alone, and one that is wiped or restored lists but those who have registered there again.
    async fn join(&self, announcement: &Announcement) -> Result<(), Error> {
        let began = self.now();
        self.save_held().await?;
        failpoint::pass("held-saved");
        self.answer(announcement, true).await?;
        failpoint::pass("recovery-answered");
        loop {
            let answers = self.answers(announcement).await?;
            if let Some(objection) = answers.iter().find(|answer| !answer.lost) {
                return Err(Error::invalid(format!(
                    "cluster {} (prefix {:?}) does not hold the log of this store, which lives in cluster {} (prefix {:?}): \
                     {:?} uses it",
                    self.session.cluster(),
                    self.session.prefix(),
                    objection.cluster,
                    objection.prefix,
                    objection.instance
                )));
            }
            let is_over = self.now().saturating_sub(began) >= self.settings.etcd_recovery_wait;
            let is_over = is_over || mutation::is("wait-for-no-answer");
            if is_over || self.is_over_in_etcd().await? {
                break;
            }
            self.environment.sleep(ANSWER_INTERVAL).await;
        }
        self.save_held().await?;
        self.seal_lost_log().await
    }

    /// Creates the announcement, or finds the one that is there.
    async fn announce(&self, what: &str) -> Result<Announcement, Error> {
        let announcement = Announcement {
            format: RECOVERY_FORMAT,
            epoch: self.epoch + 1,
            attempt: RecordId::random(self.environment.as_ref()),
            instance: self.instance.clone(),
            cluster: self.session.cluster(),
            prefix: self.session.prefix().to_owned(),
            what: what.to_owned(),
        };
        let path = announcement_path(announcement.epoch)?;
        for _ in 0..ATTEMPTS_MAX {
            let content = sealed_json::encode(&announcement)?;
            if let Create::Created = self.ost.create(&path, content).await? {
                return Ok(announcement);
            }
            if self.is_stale(&path).await? {
                self.remove_announcements(announcement.epoch).await;
                continue;
            }
            if let Some(found) = self.find_announcement().await? {
                return Ok(found);
            }
        }
        Err(Error::unavailable(
            "the recovery of the log cannot be announced",
        ))
    }

    /// Whether an announcement is much older than an object that is written now (R5).
    async fn is_stale(&self, path: &ObjectPath) -> Result<bool, Error> {
        let announced = match self.ost.head(path).await {
            Ok(meta) => meta.last_modified_ms,
            Err(error) if error.kind() == ost::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let now = crate::instances::store_time(&self.ost, self.environment.as_ref()).await?;
        let age = now.saturating_since(crate::Timestamp::from_millis(announced));
        Ok(age > self.settings.etcd_recovery_wait * STALE_FACTOR)
    }

    /// Brings what this process holds to the object storage: of this log, and of the one that it used before if that is of the
    /// same epoch.
    async fn save_held(&self) -> Result<(), Error> {
        let previous = lock(&self.previous).clone();
        for other in [self.session.current(), previous].into_iter().flatten() {
            if other.epoch == self.epoch && !std::ptr::eq(other.as_ref(), self) {
                other.condition.send_replace(Condition::Lost);
                save(&other).await?;
            }
        }
        save(self).await
    }

    async fn answers(&self, announcement: &Announcement) -> Result<Vec<Answer>, Error> {
        let prefix = answers_prefix(announcement.epoch, announcement.attempt);
        let metas: Vec<ost::ObjectMeta> = self.ost.list(&prefix, None).try_collect().await?;
        let mut answers = Vec::with_capacity(metas.len());
        for meta in metas {
            match self.ost.get(&meta.path).await {
                Ok(bytes) => answers.push(sealed_json::decode(
                    meta.path.as_ref(),
                    &bytes,
                    RECOVERY_FORMAT,
                )?),
                Err(error) if error.kind() == ost::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(answers)
    }

    /// Whether another process has brought the recovery to its end.
    async fn is_over_in_etcd(&self) -> Result<bool, Error> {
        let look = self.look(0, 0).await?;
        self.check_store(&look)?;
        Ok(look.head.is_some_and(|head| {
            head.epoch > self.epoch || head.sealed_for.is_some_and(|next| next > self.epoch)
        }))
    }

    /// Puts a seal behind the last record on the object storage, and the sealed head into etcd, unless another has done so.
    ///
    /// An etcd that was restored meanwhile may hold the log after all. It is ended all the same: nobody acknowledges anything on
    /// it any more, and another process may be about to seal it that has seen etcd empty.
    async fn seal_lost_log(&self) -> Result<(), Error> {
        for _ in 0..ATTEMPTS_MAX {
            let look = self.look(0, 0).await?;
            self.check_store(&look)?;
            let end = self.walk_chain().await?;
            if let Some(head) = &look.head {
                if head.epoch > self.epoch || head.sealed_for.is_some_and(|next| next > self.epoch)
                {
                    return Ok(());
                }
                if end.seal.is_none()
                    && self.holds(head, end.position)
                    && self.save_from_etcd(&end).await?
                {
                    continue;
                }
            }
            if end.seal.is_none() {
                // Taken: somebody has flushed, or sealed. Read on, and begin again.
                self.create_seal(&end).await?;
                failpoint::pass("lost-log-sealed");
                continue;
            }
            if self.put_sealed_head(&look, end.position).await? {
                failpoint::pass("sealed-head-put");
                self.has_sealed.store(true, Ordering::SeqCst);
                log::warn!(
                    instance = self.instance, epoch = self.epoch, seq = end.position.seq;
                    "the lost log has been ended; what comes next is epoch {}", self.epoch + 1
                );
                return Ok(());
            }
            self.environment.sleep(ATTEMPT_DELAY).await;
        }
        Err(Error::unavailable(
            "the lost log could not be ended, as others change it",
        ))
    }

    /// Whether `head` is that of this log after all, not behind anything that is known.
    fn holds(&self, head: &Head, end: Position) -> bool {
        let last = self.held.last();
        head.epoch == self.epoch
            && [end, last].iter().all(|known| {
                head.seq > known.seq || (head.seq == known.seq && head.record == known.record)
            })
    }

    /// Brings records behind `end` that etcd has to the object storage, and says whether there were any. No living process needs
    /// them; one that has died may have acknowledged them.
    async fn save_from_etcd(&self, end: &ChainEnd) -> Result<bool, Error> {
        self.note_end(end);
        let look = self.look(end.position.seq + 1, PAGE_RECORDS_MAX).await?;
        let records = self.decode_page(end.position, &look.kvs).await?;
        if !records.is_empty() {
            save(self).await?;
        }
        Ok(!records.is_empty())
    }

    async fn create_seal(&self, end: &ChainEnd) -> Result<(), Error> {
        let mut writer = [0; 8];
        self.environment.fill_random(&mut writer);
        let position = Position {
            epoch: self.epoch,
            seq: end.position.seq + 1,
            record: RecordId::random(self.environment.as_ref()),
        };
        let seal = Seal {
            next_epoch: self.epoch + 1,
            cause: EpochCause::Recovery,
            log: LogKind::Etcd,
            job_seq: None,
        };
        let record = Record {
            position,
            predecessor: end.position.record,
            store: self.store,
            writer: u64::from_le_bytes(writer),
            time: end.time, // no clock is needed, and none can be wrong
            body: RecordBody::Control(ControlRecord::Seal(seal)),
            bytes: 0,
        };
        let mut content = wal_file::encode_header(self.epoch, position.seq);
        content.extend_from_slice(&record.encode()?);
        let path = ObjectPath::parse(&self.objects.key(position.seq))?;
        match self.ost.create(&path, content.into()).await? {
            Create::Created | Create::Exists => Ok(()),
        }
    }

    /// Replaces what etcd was found to hold by the sealed head; whether that was still there.
    async fn put_sealed_head(
        &self,
        look: &super::reader::Look,
        base: Position,
    ) -> Result<bool, Error> {
        let keys = &self.session.keys;
        let store = match &look.store {
            Some(store) => Compare::value(keys.store(), CompareOp::Equal, store.clone()),
            None => Compare::version(keys.store(), CompareOp::Equal, 0),
        };
        let head = Compare::mod_revision(keys.head(), CompareOp::Equal, look.head_revision);
        let all = Some(DeleteOptions::new().with_prefix());
        let txn = Txn::new().when([head, store]).and_then([
            TxnOp::delete(keys.wal(), all),
            TxnOp::put(keys.store(), self.store.to_string(), None),
            TxnOp::put(
                keys.head(),
                Head::sealed(base, self.epoch + 1).encode(),
                None,
            ),
            TxnOp::put(keys.flushed(), Flushed::new(base).encode(), None),
        ]);
        let answer = self.session.client.txn("end the lost log", txn).await;
        Ok(answer.map_err(Failure::into_error)?.succeeded())
    }

    /// Removes what was said about beginning `epoch`; nothing rests on it any more.
    pub(super) async fn remove_announcements(&self, epoch: u32) {
        let removed = async {
            let prefix = format!("recovery/{epoch:010}");
            let metas: Vec<ost::ObjectMeta> = self.ost.list(&prefix, None).try_collect().await?;
            for meta in metas {
                self.ost.delete(&meta.path).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = removed.await {
            log::debug!(instance = self.instance; "the announcement of a recovery stays: {}", error.chain());
        }
    }
}

/// Brings what `log` holds to the object storage. What does not fit there has been kept aside, and is given up.
async fn save(log: &Inner) -> Result<(), Error> {
    let count = log.held.next(usize::MAX, u64::MAX).1.len();
    if count == 0 {
        return Ok(());
    }
    let before = log.held.stored();
    match log.flush_all().await {
        // What does not fit has been kept aside: the object storage has gone on without it.
        Err(error) if error.kind() == ErrorKind::Corrupt => {
            log::error!(instance = log.instance; "what this process holds is given up: {}", error.chain());
            return Ok(());
        }
        result => result?,
    }
    log::warn!(
        instance = log.instance, records = count;
        "records that etcd has lost were brought to the object storage, behind {before}"
    );
    Ok(())
}
