//! The name that tells one store from another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::RecordId;
use crate::environment::Environment;

/// A store's own name: 16 random bytes, made when the store is, kept in `store.json` and in every record.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct StoreId(RecordId);

impl StoreId {
    pub(crate) fn random(environment: &dyn Environment) -> StoreId {
        StoreId(RecordId::random(environment))
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> StoreId {
        StoreId(RecordId::from_bytes(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl fmt::Debug for StoreId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}
