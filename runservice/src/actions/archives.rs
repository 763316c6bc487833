//! Workspace archives.

use futures::{StreamExt, TryStreamExt};

use super::{Actions, Content};
use crate::Error;
use crate::objects::{Part, failed};

impl Actions {
    /// What a step of a task has saved.
    pub(crate) async fn archive(&self, task_id: &str, step: u32) -> Result<Content, Error> {
        let path = Part::Archive(step).path(task_id)?;
        let stream = self.objects().get_stream(&path).await.map_err(failed)?;
        Ok(Content {
            stream: stream.map_err(failed).boxed(),
            is_live: false,
        })
    }
}
