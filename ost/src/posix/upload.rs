//! An object that comes in parts.

use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::PosixError;
use super::staging::StagedFile;
use super::store::{Shared, blocking, put_result};
use super::write::Placement;

/// Parts go to their places in one staged file. Dropping the upload removes the file, once the parts under way are
/// written.
#[derive(Debug)]
pub(super) struct PosixUpload {
    shared: Arc<Shared>,
    target: PathBuf,
    staged: Option<Arc<StagedFile>>,
    size: u64,
}

impl PosixUpload {
    pub(super) fn new(shared: Arc<Shared>, target: PathBuf, staged: StagedFile) -> PosixUpload {
        PosixUpload {
            shared,
            target,
            staged: Some(Arc::new(staged)),
            size: 0,
        }
    }
}

#[async_trait]
impl MultipartUpload for PosixUpload {
    fn put_part(&mut self, payload: PutPayload) -> UploadPart {
        let mut offset = self.size;
        self.size += payload.content_length() as u64;
        let staged = self.staged.clone();
        Box::pin(blocking(move || {
            let staged = staged.ok_or_else(ended)?;
            for bytes in &payload {
                staged
                    .file()
                    .write_all_at(bytes, offset)
                    .map_err(|source| PosixError::step("write", staged.path(), source))?;
                offset += bytes.len() as u64;
            }
            Ok(())
        }))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = self
            .staged
            .take()
            .and_then(Arc::into_inner)
            .ok_or_else(ended)?;
        let shared = Arc::clone(&self.shared);
        let target = self.target.clone();
        let size = self.size;
        blocking(move || {
            let written = staged
                .file()
                .metadata()
                .map_err(|source| PosixError::step("look at", staged.path(), source))?;
            if written.len() != size {
                return Err(ended());
            }
            shared.place(staged, &target, Placement::Replace)?;
            Ok(put_result())
        })
        .await
    }

    async fn abort(&mut self) -> Result<()> {
        let staged = self.staged.take();
        blocking(move || {
            drop(staged);
            Ok(())
        })
        .await
    }
}

fn ended() -> object_store::Error {
    object_store::Error::Generic {
        store: "PosixStore",
        source: "the upload has ended, or not all of its parts were written".into(),
    }
}
