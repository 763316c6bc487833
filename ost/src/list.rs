//! Lists in byte order, whatever order the backend has.

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::path::Path as StorePath;

use crate::{Error, ErrorKind, Level, ObjectMeta, ObjectPath, Ost};

/// A checked prefix of keys: a directory, and the begin of a name in it.
struct Prefix {
    /// The backend's name of the directory; `None` for its root.
    directory: Option<StorePath>,
    /// The prefix as it was given.
    text: String,
}

impl Prefix {
    fn parse(ost: &Ost, prefix: &str) -> Result<Prefix, Error> {
        let (directory, name) = match prefix.rfind('/') {
            Some(slash) => (&prefix[..slash], &prefix[slash + 1..]),
            None => ("", prefix),
        };
        let invalid = |source: Option<Error>| {
            let message = format!("invalid prefix {prefix:?} for a list of {}", ost.location());
            let error = Error::new(ErrorKind::Invalid, message);
            match source {
                Some(source) => error.with_source(source),
                None => error,
            }
        };
        if directory.is_empty() && prefix.starts_with('/') {
            return Err(invalid(None));
        }
        if !directory.is_empty() {
            ObjectPath::parse_directory(directory).map_err(|error| invalid(Some(error)))?;
        }
        if name.chars().any(char::is_control) {
            return Err(invalid(None));
        }
        let full = ost.base().full(directory);
        let directory = match full.as_str() {
            "" => None,
            full => Some(StorePath::parse(full).map_err(|error| invalid(None).with_source(error))?),
        };
        Ok(Prefix {
            directory,
            text: prefix.to_owned(),
        })
    }
}

/// The objects whose keys begin with `prefix` and are greater than `start_after`, in byte order.
pub(crate) fn list(
    ost: &Ost,
    prefix: &str,
    start_after: Option<&str>,
) -> BoxStream<'static, Result<ObjectMeta, Error>> {
    let prefix = match Prefix::parse(ost, prefix) {
        Ok(prefix) => prefix,
        Err(error) => return futures::stream::once(futures::future::ready(Err(error))).boxed(),
    };
    // The backend may begin too early, never too late; what is too early is left out below.
    let offset = start_after.and_then(|key| StorePath::parse(ost.base().full(key)).ok());
    let stream = match &offset {
        Some(offset) => ost
            .store()
            .list_with_offset(prefix.directory.as_ref(), offset),
        None => ost.store().list(prefix.directory.as_ref()),
    };
    let naming = ost.clone();
    let stream = stream
        .map_err({
            let ost = ost.clone();
            move |error| failed(&ost, error)
        })
        .try_filter_map(move |meta| futures::future::ready(Ok(object(&naming, &meta))));
    let in_order = if ost.backend().kind.lists_in_order() {
        checked(ost.clone(), stream.boxed())
    } else {
        sorted(stream.boxed())
    };
    let start_after = start_after.map(str::to_owned);
    let text = prefix.text.clone();
    in_order
        .try_take_while(move |meta| {
            let key = meta.path.as_str();
            futures::future::ready(Ok(key.starts_with(&text) || key < text.as_str()))
        })
        .try_filter(move |meta| {
            let key = meta.path.as_str();
            futures::future::ready(
                key.starts_with(&prefix.text)
                    && start_after
                        .as_deref()
                        .is_none_or(|start_after| key > start_after),
            )
        })
        .boxed()
}

/// Passes a list on, and stops where it is not in order.
fn checked(
    ost: Ost,
    stream: BoxStream<'static, Result<ObjectMeta, Error>>,
) -> BoxStream<'static, Result<ObjectMeta, Error>> {
    let mut last: Option<ObjectPath> = None;
    stream
        .map(move |item| {
            let meta = item?;
            if last.as_ref().is_some_and(|last| *last >= meta.path) {
                let message = format!(
                    "{} does not list its objects in the order of their keys",
                    ost.location()
                );
                return Err(Error::new(ErrorKind::Invalid, message));
            }
            last = Some(meta.path.clone());
            Ok(meta)
        })
        .boxed()
}

/// Gathers a list and sorts it.
fn sorted(
    stream: BoxStream<'static, Result<ObjectMeta, Error>>,
) -> BoxStream<'static, Result<ObjectMeta, Error>> {
    let gathered = async move {
        let mut objects: Vec<ObjectMeta> = stream.try_collect().await?;
        objects.sort_unstable_by(|left, right| left.path.cmp(&right.path));
        Ok::<_, Error>(futures::stream::iter(objects.into_iter().map(Ok)))
    };
    futures::stream::once(gathered).try_flatten().boxed()
}

/// The objects at one level, and the prefixes of those below.
pub(crate) async fn list_level(ost: &Ost, prefix: &str) -> Result<Level, Error> {
    let prefix = Prefix::parse(ost, prefix)?;
    let listed = ost
        .store()
        .list_with_delimiter(prefix.directory.as_ref())
        .await
        .map_err(|error| failed(ost, error))?;
    let mut level = Level::default();
    for directory in listed.common_prefixes {
        if let Some(key) = ost.base().strip(directory.as_ref())
            && key.starts_with(&prefix.text)
            && ObjectPath::parse_directory(key).is_ok()
        {
            level.prefixes.push(format!("{key}/"));
        }
    }
    level.prefixes.sort_unstable();
    let objects = listed.objects.iter().filter_map(|meta| object(ost, meta));
    level
        .objects
        .extend(objects.filter(|meta| meta.path.as_str().starts_with(&prefix.text)));
    level
        .objects
        .sort_unstable_by(|left, right| left.path.cmp(&right.path));
    Ok(level)
}

/// A listed object, if its name can be a key; other tools may have put others beside ours.
fn object(ost: &Ost, meta: &object_store::ObjectMeta) -> Option<ObjectMeta> {
    let key = ost.base().strip(meta.location.as_ref())?;
    match ObjectPath::parse(key) {
        Ok(path) => Some(ost.meta_of(path, meta)),
        Err(error) => {
            log::debug!("left out of a list of {}: {error}", ost.location());
            None
        }
    }
}

fn failed(ost: &Ost, error: object_store::Error) -> Error {
    Error::from_backend(format!("cannot list objects in {}", ost.location()), error)
        .needing_no_object()
}
