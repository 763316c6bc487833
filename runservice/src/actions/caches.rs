//! Caches.

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use ost::{ErrorKind, ObjectPath};

use super::{Actions, Content};
use crate::Error;
use crate::api::CACHE_KEY_CHARS_MAX;
use crate::objects::{CACHES, cache, exists, failed};

/// Refuses what cannot be the key of a cache: as it stands in a path, escaped.
pub(crate) fn check_cache_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.chars().count() > CACHE_KEY_CHARS_MAX {
        return Err(Error::bad_request(format!(
            "the key of a cache has 1 to {CACHE_KEY_CHARS_MAX} characters when it is escaped"
        )));
    }
    cache(key).map(drop)
}

impl Actions {
    /// Where the cache with a key is, or the newest one of those whose keys begin with it.
    ///
    /// # Errors
    /// `NotFound`: there is none.
    pub(crate) async fn find_cache(&self, key: &str, is_prefix: bool) -> Result<ObjectPath, Error> {
        let none = || Error::not_found("there is no such cache");
        if !is_prefix {
            let path = cache(key)?;
            return match exists(self.objects(), &path).await? {
                true => Ok(path),
                false => Err(none()),
            };
        }
        let prefix = format!("{CACHES}{key}");
        let mut found = self.objects().list(&prefix, None);
        let mut newest = None;
        while let Some(object) = found.next().await {
            let object = object.map_err(failed)?;
            let place = (object.last_modified_ms, object.path);
            if newest.as_ref().is_none_or(|newest| *newest < place) {
                newest = Some(place);
            }
        }
        newest.map(|(_, path)| path).ok_or_else(none)
    }

    /// The content of a cache.
    pub(crate) async fn read_cache(&self, path: &ObjectPath) -> Result<Content, Error> {
        let stream = self.objects().get_stream(path).await.map_err(failed)?;
        Ok(Content {
            stream: stream.map_err(failed).boxed(),
            is_live: false,
        })
    }

    /// Stores a cache, once all of `content` has come; returns false, and reads nothing, if there is one with this key.
    pub(crate) async fn write_cache(
        &self,
        key: &str,
        content: impl Stream<Item = Result<Bytes, Error>>,
    ) -> Result<bool, Error> {
        let path = cache(key)?;
        if exists(self.objects(), &path).await? {
            return Ok(false);
        }
        let mut writer = self.objects().writer(&path).await.map_err(failed)?;
        let mut content = std::pin::pin!(content);
        while let Some(piece) = content.next().await {
            match piece {
                Ok(piece) => writer.write(piece).await.map_err(failed)?,
                Err(error) => {
                    writer.abort().await;
                    return Err(error);
                }
            }
        }
        // What is there is never replaced by what came later.
        match self.objects().head(&path).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                writer.finish().await.map_err(failed)?;
                Ok(true)
            }
            _ => {
                writer.abort().await;
                Ok(false)
            }
        }
    }
}
