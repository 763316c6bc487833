//! Objects whose size is not known when their first bytes come.

use std::fmt;

use bytes::{Bytes, BytesMut};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload, UploadPart};

use crate::backend::BackendKind;
use crate::ost::UploadLimits;
use crate::{Error, ErrorKind, ObjectPath, Ost};

/// The parts that are under way at once, besides the one being filled.
const PARTS_UNDER_WAY_MAX: usize = 2;

/// The parts doubled in size this often let any object that S3 can hold fit in its 10,000 parts.
const PART_DOUBLINGS: usize = 10;

impl Default for UploadLimits {
    fn default() -> UploadLimits {
        UploadLimits {
            part_bytes_min: 8 * 1024 * 1024,
            parts_max: 10_000,
        }
    }
}

impl UploadLimits {
    /// The bytes of the part with this index. They double after each tenth of the parts, so that 10,000 parts hold
    /// 8 TiB while the first 8 GiB go in parts of 8 MiB.
    fn part_bytes(&self, index: usize) -> usize {
        let step = (self.parts_max / PART_DOUBLINGS).max(1);
        let doublings = u32::try_from(index / step).unwrap_or(u32::MAX).min(16);
        self.part_bytes_min.saturating_mul(1_usize << doublings)
    }
}

/// Takes an object's bytes as they come, and stores it when told to finish.
///
/// Memory holds at most three parts: 24 MiB for objects of up to 8 GiB. An object smaller than a part is stored by
/// a plain put.
///
/// Dropping the writer, or aborting it, leaves the key as it was. On S3 the parts of a dropped writer may stay,
/// invisible, if the program ends at once; a lifecycle rule of the bucket removes them.
pub struct ObjectWriter {
    ost: Ost,
    path: ObjectPath,
    limits: UploadLimits,
    buffer: BytesMut,
    size: u64,
    parts: usize,
    upload: Option<Box<dyn MultipartUpload>>,
    under_way: FuturesUnordered<UploadPart>,
    failed: bool,
}

impl ObjectWriter {
    pub(crate) fn new(ost: Ost, path: ObjectPath, limits: UploadLimits) -> ObjectWriter {
        ObjectWriter {
            ost,
            path,
            limits,
            buffer: BytesMut::new(),
            size: 0,
            parts: 0,
            upload: None,
            under_way: FuturesUnordered::new(),
            failed: false,
        }
    }

    /// Appends bytes, and waits while enough parts are under way.
    ///
    /// # Errors
    /// Those of the backend. The writer is of no use afterwards: every further call fails.
    ///
    /// # Cancelling
    /// After a dropped future the writer may lack these bytes or a part; abort it.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        self.check()?;
        // Cleared below: a failed or dropped call leaves the writer closed.
        self.failed = true;
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let part_bytes = self.limits.part_bytes(self.parts);
            let room = part_bytes - self.buffer.len();
            let taken = bytes.split_to(room.min(bytes.len()));
            if self.buffer.is_empty() && taken.len() == part_bytes {
                self.send(taken).await?;
                continue;
            }
            self.buffer.extend_from_slice(&taken);
            if self.buffer.len() == part_bytes {
                let part = self.buffer.split().freeze();
                self.send(part).await?;
            }
        }
        self.failed = false;
        Ok(())
    }

    /// Stores the object, replacing one that has the key, and returns its size in bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`]: the old or the new object is there; writing it again is safe.
    pub async fn finish(mut self) -> Result<u64, Error> {
        self.check()?;
        let rest = self.buffer.split().freeze();
        if self.upload.is_none() {
            self.ost.put(&self.path, rest).await?;
            return Ok(self.size);
        }
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        self.settle(0).await?;
        if let Some(upload) = &mut self.upload
            && let Err(error) = upload.complete().await
        {
            return Err(self.fail(error));
        }
        self.upload = None;
        Ok(self.size)
    }

    /// Drops what was written. The key stays as it was.
    pub async fn abort(mut self) {
        self.under_way.clear();
        if let Some(mut upload) = self.upload.take()
            && let Err(error) = upload.abort().await
        {
            log::warn!("{}: {error}", self.ost.message("abort writing", &self.path));
        }
    }

    async fn send(&mut self, part: Bytes) -> Result<(), Error> {
        if self.parts >= self.limits.parts_max {
            let message = self.ost.message("write", &self.path);
            let source = format!("it needs more than {} parts", self.limits.parts_max);
            return Err(Error::new(ErrorKind::Invalid, message).with_source(source));
        }
        if self.upload.is_none() {
            let result = async {
                self.ost
                    .store()
                    .put_multipart(&self.ost.store_path(&self.path)?)
                    .await
            };
            match result.await {
                Ok(upload) => self.upload = Some(upload),
                Err(error) => return Err(self.fail(error)),
            }
        }
        if let Some(upload) = &mut self.upload {
            self.under_way.push(upload.put_part(PutPayload::from(part)));
            self.parts += 1;
        }
        // A part begins when it is first polled, and the next one may be long in coming.
        while let Some(Some(result)) = self.under_way.next().now_or_never() {
            result.map_err(|error| self.fail(error))?;
        }
        self.settle(PARTS_UNDER_WAY_MAX).await
    }

    /// Waits until at most `count` parts are under way.
    async fn settle(&mut self, count: usize) -> Result<(), Error> {
        while self.under_way.len() > count {
            if let Some(Err(error)) = self.under_way.next().await {
                return Err(self.fail(error));
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: object_store::Error) -> Error {
        self.failed = true;
        let is_begun = self.upload.is_some();
        let error = self.ost.failed("write", &self.path, error);
        match error.kind() {
            // The bucket was there. The upload is not: it was completed by an attempt whose answer was lost, or
            // dropped by the service.
            ErrorKind::NotFound if is_begun => error.with_kind(ErrorKind::Unavailable),
            _ => error.needing_no_object(),
        }
    }

    fn check(&self) -> Result<(), Error> {
        if !self.failed {
            return Ok(());
        }
        let message = self.ost.message("write", &self.path);
        Err(Error::new(ErrorKind::Unavailable, message)
            .with_source("an earlier write of it failed"))
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        // A bucket keeps, and bills, the parts of an upload until it is told to drop them.
        if let Some(mut upload) = self.upload.take()
            && matches!(self.ost.backend().kind, BackendKind::Bucket(_))
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            self.under_way.clear();
            runtime.spawn(async move {
                if let Err(error) = upload.abort().await {
                    log::debug!("cannot abort a dropped upload: {error}");
                }
            });
        }
    }
}

impl fmt::Debug for ObjectWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "ObjectWriter({} in {}, {} bytes)",
            self.path,
            self.ost.location(),
            self.size
        )
    }
}

#[cfg(test)]
mod tests {
    use super::UploadLimits;

    fn capacity(limits: &UploadLimits) -> u64 {
        (0..limits.parts_max)
            .map(|index| limits.part_bytes(index) as u64)
            .sum()
    }

    #[test]
    fn os_09_parts_grow_so_that_their_number_never_limits() {
        let limits = UploadLimits::default();
        let largest_object = 5 << 40;
        assert!(capacity(&limits) > largest_object);
        let few = UploadLimits {
            parts_max: 50,
            ..limits
        };
        assert!(capacity(&few) > 1 << 30);
        assert!((0..10_000).is_sorted_by_key(|index| limits.part_bytes(index)));
    }

    #[test]
    fn os_10_memory_of_a_2_gib_stream_is_bounded() {
        let limits = UploadLimits::default();
        let parts = (2_usize << 30) / limits.part_bytes_min;
        let largest = limits.part_bytes(parts);
        let held = largest * (super::PARTS_UNDER_WAY_MAX + 2);
        assert!(held < 200 << 20, "{held} bytes");
    }
}
