//! Create-if-absent, and telling one's own object from another writer's.

use bytes::Bytes;
use object_store::{ObjectStore, PutMode};

use crate::backend::BackendKind;
use crate::error::kind_of_create;
use crate::{Create, Error, ObjectPath, Ost};

/// Stores `content` unless the key is taken.
pub(crate) async fn create(ost: &Ost, path: &ObjectPath, content: Bytes) -> Result<Create, Error> {
    #[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
    if matches!(ost.backend().kind, BackendKind::Bucket(_)) {
        return crate::bucket::create(ost, path, content).await;
    }
    let result = async {
        let location = ost.store_path(path)?;
        ost.store()
            .put_opts(&location, content.into(), PutMode::Create.into())
            .await
    };
    match result.await {
        Ok(_) => Ok(Create::Created),
        Err(
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. },
        ) => Ok(Create::Exists),
        Err(error) => {
            let kind = kind_of_create(&error, matches!(ost.backend().kind, BackendKind::Memory));
            Err(ost
                .failed("create", path, error)
                .with_kind(kind)
                .needing_no_object())
        }
    }
}
