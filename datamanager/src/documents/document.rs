//! Types of a program that are stored as documents.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::indexes::Indexes;
use crate::{Error, Timestamp};

/// A type whose values are stored as documents: as JSON, under a type and an id, with the indexes that it names.
///
/// ```
/// use datamanager::{Document, Indexes};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct User {
///     id: String,
///     name: String,
///     team: Option<String>,
///     age: u32,
/// }
///
/// impl Document for User {
///     const TYPE: &'static str = "user";
///
///     fn id(&self) -> &str {
///         &self.id
///     }
///
///     fn indexes() -> Indexes<User> {
///         Indexes::<User>::new()
///             .unique("name", |user| user.name.clone())
///             .index("team_age", |user| (user.team.clone(), user.age))
///     }
/// }
/// ```
///
/// # Changing a type
/// The fields of a document may change as long as what is stored can still be decoded: with `#[serde(default)]` for what
/// older documents lack. So that fields which only newer programs know survive a change made by an older one, keep them:
///
/// ```
/// # use datamanager::Document;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize)]
/// struct Account {
///     id: String,
///     #[serde(flatten)]
///     unknown: serde_json::Map<String, serde_json::Value>,
/// }
/// # impl Document for Account {
/// #     const TYPE: &'static str = "account";
/// #     fn id(&self) -> &str { &self.id }
/// # }
/// ```
///
/// What the indexes are made of may change only together with [`Indexes::generation`].
pub trait Document: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The data type under which the documents are stored: 1 to 64 of `[a-z0-9_-]`.
    const TYPE: &'static str;

    /// Whether each change stores what stood there before, so that a listener gets it however late it comes. Otherwise
    /// [`Change`](crate::Change) has it only while this process still has it at hand. It about doubles what a change writes
    /// to the log.
    const LOG_PREVIOUS: bool = false;

    /// The id, unique within the type: 1 to 1024 bytes of UTF-8 without a zero byte.
    fn id(&self) -> &str;

    /// From when on the document is gone; by default it stays.
    fn expires_at(&self) -> Option<Timestamp> {
        None
    }

    /// The indexes by which documents can be found; by default none.
    fn indexes() -> Indexes<Self> {
        Indexes::new()
    }
}

/// The stored bytes of a document.
pub(crate) fn encode<T: Document>(document: &T) -> Result<Bytes, Error> {
    serde_json::to_vec(document)
        .map(Bytes::from)
        .map_err(|error| {
            Error::invalid(format!(
                "document {:?} of type {:?} cannot be encoded",
                document.id(),
                T::TYPE
            ))
            .with_source(error)
        })
}

/// The document that `bytes` are.
///
/// # Errors
/// `Invalid`, naming type and id, if they are no such document.
pub(crate) fn decode<T: Document>(id: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::invalid(format!(
            "document {id:?} of type {:?} cannot be decoded as a {}",
            T::TYPE,
            std::any::type_name::<T>()
        ))
        .with_source(error)
    })
}
