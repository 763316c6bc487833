//! The transactions of large records, which are put to the object storage before the record goes to etcd (R9).

use std::sync::{Mutex, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use futures::TryStreamExt;
use ost::{Create, ObjectPath, Ost};

use super::keys::BlobPointer;
use crate::failpoint;
use crate::mutation;
use crate::record::RECORD_HEADER_BYTES;
use crate::{Error, ErrorKind, Position, RecordId};

const BLOB_PREFIX: &str = "blobs/";
const BLOB_MAGIC: [u8; 8] = *b"DMBLOB\r\n";
const BLOB_FORMAT: u32 = 1;
const BLOB_HEADER_BYTES: usize = 32;
/// A record names a blob only if its own seq is less than so many above the one in the blob's name. So a blob that is so far
/// behind what data files cover is named by no record that is needed.
const BLOB_SEQ_DISTANCE: u64 = 1_000;

/// The blobs of one epoch.
pub(super) struct Blobs {
    ost: Ost,
    epoch: u32,
    /// What was uploaded last, for a record that has lost its place since.
    uploaded: Mutex<Option<Uploaded>>,
}

struct Uploaded {
    first_seq: u64,
    first_record: RecordId,
    body: Bytes,
}

impl Blobs {
    pub(super) fn new(ost: Ost, epoch: u32) -> Blobs {
        Blobs {
            ost,
            epoch,
            uploaded: Mutex::new(None),
        }
    }

    fn key(&self, first_seq: u64, first_record: RecordId) -> String {
        format!(
            "{BLOB_PREFIX}{:010}-{first_seq:020}-{first_record}.blob",
            self.epoch
        )
    }

    /// Puts the transactions of `record`, which is to stand at `position`, to the object storage, unless they are there from
    /// an attempt before.
    pub(super) async fn upload(
        &self,
        position: Position,
        record: &Bytes,
    ) -> Result<BlobPointer, Error> {
        let body = record.slice(RECORD_HEADER_BYTES..);
        let header = record.slice(..RECORD_HEADER_BYTES);
        if let Some((first_seq, first_record)) = self.find_uploaded(position, &body) {
            return Ok(BlobPointer {
                first_seq,
                first_record,
                header,
            });
        }
        let pointer = BlobPointer {
            first_seq: position.seq,
            first_record: position.record,
            header,
        };
        let path = ObjectPath::parse(&self.key(position.seq, position.record))?;
        let content = encode(self.epoch, position.seq, &body);
        match self.ost.create(&path, content).await? {
            // Its name has a random id: what is there was sent before, with its answer lost.
            Create::Created | Create::Exists => {}
        }
        failpoint::pass("blob-put");
        *self.uploaded() = Some(Uploaded {
            first_seq: position.seq,
            first_record: position.record,
            body,
        });
        Ok(pointer)
    }

    fn uploaded(&self) -> std::sync::MutexGuard<'_, Option<Uploaded>> {
        self.uploaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find_uploaded(&self, position: Position, body: &Bytes) -> Option<(u64, RecordId)> {
        let uploaded = self.uploaded();
        uploaded
            .as_ref()
            .filter(|uploaded| {
                let is_near = position.seq.wrapping_sub(uploaded.first_seq) < BLOB_SEQ_DISTANCE;
                uploaded.body == *body && (is_near || mutation::is("name-an-old-blob"))
            })
            .map(|uploaded| (uploaded.first_seq, uploaded.first_record))
    }

    /// Lets go of the memory of a record that stands.
    pub(super) fn forget_uploaded(&self) {
        *self.uploaded() = None;
    }

    /// The whole record that `pointer` stands for; `None` if the blob is gone.
    pub(super) async fn read(&self, pointer: &BlobPointer) -> Result<Option<Bytes>, Error> {
        let key = self.key(pointer.first_seq, pointer.first_record);
        let content = match self.ost.get(&ObjectPath::parse(&key)?).await {
            Ok(content) => content,
            Err(error) if error.kind() == ost::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let body = decode(&key, self.epoch, pointer.first_seq, &content)?;
        let mut record = BytesMut::with_capacity(pointer.header.len() + body.len());
        record.put_slice(&pointer.header);
        record.put_slice(&body);
        Ok(Some(record.freeze()))
    }

    /// Removes the blobs that no record behind `covered` can name, and those of epochs that have ended.
    pub(super) async fn remove_old(&self, covered: Position) -> Result<u64, Error> {
        let metas: Vec<ost::ObjectMeta> = self.ost.list(BLOB_PREFIX, None).try_collect().await?;
        let mut removed = 0;
        for meta in metas {
            let Some((epoch, seq)) = parse(meta.path.as_ref()) else {
                continue;
            };
            let is_old = epoch < self.epoch
                || (epoch == self.epoch && seq.saturating_add(BLOB_SEQ_DISTANCE) <= covered.seq);
            if is_old {
                match self.ost.delete(&meta.path).await.map_err(Error::from) {
                    Ok(()) => removed += 1,
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(removed)
    }
}

/// Epoch and seq in the name of a blob.
fn parse(key: &str) -> Option<(u32, u64)> {
    let mut parts = key.strip_prefix(BLOB_PREFIX)?.splitn(3, '-');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn encode(epoch: u32, seq: u64, body: &Bytes) -> Bytes {
    let mut content = BytesMut::with_capacity(BLOB_HEADER_BYTES + body.len());
    content.put_slice(&BLOB_MAGIC);
    content.put_u32_le(BLOB_FORMAT);
    content.put_u32_le(epoch);
    content.put_u64_le(seq);
    content.put_u32_le(crc32c::crc32c(body));
    let checksum = crc32c::crc32c(&content);
    content.put_u32_le(checksum);
    content.put_slice(body);
    content.freeze()
}

fn decode(key: &str, epoch: u32, seq: u64, content: &Bytes) -> Result<Bytes, Error> {
    let corrupt = |what: &str| Error::corrupt(format!("{key:?} at offset 0: {what}"));
    let header = content
        .get(..BLOB_HEADER_BYTES)
        .ok_or_else(|| corrupt("it is cut off"))?;
    let number = |offset: usize| {
        let mut number = [0; 4];
        number.copy_from_slice(&header[offset..offset + 4]);
        u32::from_le_bytes(number)
    };
    if header[..8] != BLOB_MAGIC || crc32c::crc32c(&header[..28]) != number(28) {
        return Err(corrupt("the header is not that of a blob"));
    }
    if number(8) != BLOB_FORMAT {
        return Err(Error::invalid(format!(
            "cannot read {key:?}: blob format {} is newer than {BLOB_FORMAT}, the newest that this version reads",
            number(8)
        )));
    }
    if number(12) != epoch || header[16..24] != seq.to_le_bytes() {
        return Err(corrupt("the blob has another name inside"));
    }
    let body = content.slice(BLOB_HEADER_BYTES..);
    if crc32c::crc32c(&body) != number(24) {
        return Err(corrupt("the checksum does not fit"));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_blob_is_named_only_while_it_is_sure_to_be_kept() {
        let blobs = Blobs::new(Ost::memory(), 1);
        let record = Bytes::from(vec![7; RECORD_HEADER_BYTES + 100]);
        let at = |seq, id| Position {
            epoch: 1,
            seq,
            record: RecordId::from_bytes([id; 16]),
        };
        let first = blobs.upload(at(5, 1), &record).await.unwrap();
        let near = blobs.upload(at(1_004, 2), &record).await.unwrap();
        assert_eq!((near.first_seq, near.first_record), (5, first.first_record));
        let far = blobs.upload(at(1_005, 3), &record).await.unwrap();
        assert_eq!(far.first_seq, 1_005);
        // What is named last is kept while the record that names it is needed.
        assert_eq!(blobs.remove_old(at(1_004, 0)).await.unwrap(), 0);
        assert_eq!(blobs.remove_old(at(1_005, 0)).await.unwrap(), 1);
        assert!(blobs.read(&far).await.unwrap().is_some());
    }

    #[test]
    fn a_blob_comes_back_and_no_flipped_or_missing_byte_goes_unnoticed() {
        let body = Bytes::from_static(b"transactions");
        let content = encode(1, 7, &body);
        assert_eq!(decode("k", 1, 7, &content).unwrap(), body);
        for place in 0..content.len() {
            let mut flipped = content.to_vec();
            flipped[place] ^= 1;
            decode("k", 1, 7, &flipped.into()).unwrap_err();
            decode("k", 1, 7, &content.slice(..place)).unwrap_err();
        }
        decode("k", 1, 8, &content).unwrap_err();
        assert_eq!(
            parse("blobs/0000000001-00000000000000000007-ab.blob"),
            Some((1, 7))
        );
    }
}
