//! What is left to be removed below objects that are gone.

use datamanager::{Document, Indexes};
use serde::{Deserialize, Serialize};

use super::StoredParent;
use crate::api::ConfigType;

/// An object that has been removed while something below it has not. Written in the transaction that removes the object, so
/// that any process can go on with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeletionDocument {
    /// The id of the object.
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: ConfigType,
}

impl Document for DeletionDocument {
    const TYPE: &'static str = "deletion";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<DeletionDocument> {
        Indexes::new()
    }
}

impl DeletionDocument {
    pub(crate) fn of(target: &StoredParent) -> DeletionDocument {
        DeletionDocument {
            id: target.id.clone(),
            kind: target.kind,
        }
    }

    pub(crate) fn target(&self) -> StoredParent {
        StoredParent::new(self.kind, self.id.clone())
    }
}
