//! What a case found wrong, and the steps that all cases take.

use std::error::Error as StdError;
use std::fmt;

use futures::{StreamExt, TryStreamExt};

use crate::{Error, ObjectPath, Ost};

/// Requests of a case that are under way at once.
const REQUESTS_MAX: usize = 32;

/// A case that failed.
#[derive(Debug)]
pub struct Failure {
    case: &'static str,
    what: String,
    source: Option<Error>,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "case {} failed: {}", self.case, self.what)
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_ref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// A case under way, with a base path of its own.
pub(super) struct Case {
    name: &'static str,
    pub(super) ost: Ost,
}

impl Case {
    pub(super) async fn begin(ost: &Ost, name: &'static str) -> Result<Case, Failure> {
        let below = ost.with_base_path(&format!("conformance/{name}"));
        let ost = below.map_err(|source| Failure {
            case: name,
            what: "base path".into(),
            source: Some(source),
        })?;
        let case = Case { name, ost };
        case.clean_up().await?;
        Ok(case)
    }

    /// Removes what the case, or an earlier run of it, has stored.
    pub(super) async fn clean_up(&self) -> Result<(), Failure> {
        let keys = self.keys("", None).await?;
        let deletes = keys
            .iter()
            .map(|key| async move { self.ok("delete", self.ost.delete(&self.path(key)?).await) });
        let deletes = futures::stream::iter(deletes).buffer_unordered(REQUESTS_MAX);
        deletes.try_collect::<()>().await?;
        let left = self.keys("", None).await?;
        self.check(left.is_empty(), || {
            format!("deleted objects are listed: {left:?}")
        })
    }

    pub(super) fn path(&self, key: &str) -> Result<ObjectPath, Failure> {
        self.ok("parse", ObjectPath::parse(key))
    }

    pub(super) async fn put(&self, key: &str, content: &str) -> Result<(), Failure> {
        self.ok(
            "put",
            self.ost
                .put(&self.path(key)?, content.to_owned().into())
                .await,
        )
    }

    /// Stores objects whose content is their key, many at a time.
    pub(super) async fn put_all(&self, keys: &[String]) -> Result<(), Failure> {
        futures::stream::iter(keys.iter().map(|key| self.put(key, key)))
            .buffer_unordered(REQUESTS_MAX)
            .try_collect()
            .await
    }

    pub(super) async fn expect(&self, key: &str, content: &str) -> Result<(), Failure> {
        let got = self.ok("get", self.ost.get(&self.path(key)?).await)?;
        self.check(got == content.as_bytes(), || {
            format!("{key:?} holds {got:?} instead of {content:?}")
        })
    }

    pub(super) async fn keys(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<String>, Failure> {
        let listed = self
            .ost
            .list(prefix, after)
            .map_ok(|meta| meta.path.to_string());
        self.ok("list", listed.try_collect().await)
    }

    pub(super) fn ok<T>(&self, what: &str, result: Result<T, Error>) -> Result<T, Failure> {
        result.map_err(|source| Failure {
            case: self.name,
            what: what.to_owned(),
            source: Some(source),
        })
    }

    pub(super) fn check(&self, holds: bool, what: impl FnOnce() -> String) -> Result<(), Failure> {
        if holds {
            return Ok(());
        }
        Err(Failure {
            case: self.name,
            what: what(),
            source: None,
        })
    }

    pub(super) fn same<T: PartialEq + fmt::Debug>(
        &self,
        what: &str,
        got: T,
        expected: T,
    ) -> Result<(), Failure> {
        self.check(got == expected, || {
            format!("{what}: got {got:?}, expected {expected:?}")
        })
    }
}
