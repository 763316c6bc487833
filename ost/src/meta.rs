//! What operations say about objects.

use crate::ObjectPath;

/// An object's key, size and age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// The key, below the base path.
    pub path: ObjectPath,
    /// Bytes.
    pub size: u64,
    /// When it was written, by the backend's clock: milliseconds since the Unix epoch.
    pub last_modified_ms: u64,
}

/// How a create-if-absent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "another writer may have won"]
pub enum Create {
    /// The object is there, and this call put it there.
    Created,
    /// An object was there before; it is unchanged.
    Exists,
}

/// One level of keys, as [`Ost::list_level`](crate::Ost::list_level) gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// What the deeper keys begin with, each ending in `/`, below the base path, in byte order.
    pub prefixes: Vec<String>,
    /// The objects at this level, in byte order of their keys.
    pub objects: Vec<ObjectMeta>,
}
