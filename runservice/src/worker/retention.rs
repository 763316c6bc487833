//! Removing caches and workspace archives that are old.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use ost::ObjectMeta;

use super::{Duty, Next};
use crate::Error;
use crate::actions::Actions;
use crate::objects::{ARCHIVES, CACHES, failed};

/// How often it is looked for old objects.
const CLEAN_INTERVAL: Duration = Duration::from_secs(24 * 3_600);
/// Objects that are removed at once.
const DELETES_MAX: usize = 8;

impl Actions {
    pub(crate) async fn clean_caches(&self) -> Result<Next, Error> {
        let age_max = self.settings().run_cache_expire_interval;
        self.clean(CACHES, age_max).await?;
        Ok(again(Duty::CleanCaches))
    }

    pub(crate) async fn clean_archives(&self) -> Result<Next, Error> {
        let age_max = self.settings().run_workspace_expire_interval;
        self.clean(ARCHIVES, age_max).await?;
        Ok(again(Duty::CleanArchives))
    }

    /// Removes the objects below a prefix that were written longer ago.
    async fn clean(&self, prefix: &str, age_max: Duration) -> Result<(), Error> {
        let age_max_ms = u64::try_from(age_max.as_millis()).unwrap_or(u64::MAX);
        let now_ms = self.snapshot().time().as_millis();
        let is_old =
            |object: &ObjectMeta| now_ms.saturating_sub(object.last_modified_ms) >= age_max_ms;
        let removed = self
            .objects()
            .list(prefix, None)
            .try_filter(|object| std::future::ready(is_old(object)))
            .map_ok(|object| async move { self.objects().delete(&object.path).await })
            .try_buffer_unordered(DELETES_MAX)
            .fold(Ok(0_u64), |count, removed| async move {
                match (count, removed) {
                    (Ok(count), Ok(())) => Ok(count + 1),
                    (Err(error), _) | (_, Err(error)) => Err(error),
                }
            })
            .await
            .map_err(failed)?;
        if removed > 0 {
            log::info!(instance = self.instance(); "removed {removed} old objects below {prefix:?}");
        }
        Ok(())
    }
}

fn again(duty: Duty) -> Next {
    let mut next = Next::default();
    next.later(duty, CLEAN_INTERVAL);
    next
}
