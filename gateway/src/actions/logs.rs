//! Logs of steps.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use runservice::client::{LogStep, TaskLog};

use super::Gateway;
use super::runs::RunOwner;
use crate::Error;
use crate::auth::Caller;
use crate::error::behind;

/// One log of a task.
#[derive(Clone, Debug)]
pub(crate) struct LogSelection {
    pub(crate) number: u64,
    pub(crate) task: String,
    pub(crate) step: LogStep,
}

impl LogSelection {
    fn of<'a>(&'a self, run: &'a str) -> TaskLog<'a> {
        TaskLog {
            run,
            task: &self.task,
            step: self.step,
        }
    }
}

impl Gateway {
    /// What a log has by now, or with `follow` what it has and gets until its step ends.
    pub(crate) async fn log(
        &self,
        caller: Option<&Caller>,
        owner: &RunOwner,
        selection: &LogSelection,
        follow: bool,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let group = self.readable_runs(caller, owner).await?;
        let run = self.find_run(&group, selection.number, &[]).await?.run;
        let log = selection.of(&run.id);
        match follow {
            true => {
                let log = self.runservice().follow_log(&log).await;
                Ok(log.map_err(behind)?.boxed())
            }
            false => Ok(self.runservice().log(&log).await.map_err(behind)?.boxed()),
        }
    }

    pub(crate) async fn delete_log(
        &self,
        caller: &Caller,
        owner: &RunOwner,
        selection: &LogSelection,
    ) -> Result<(), Error> {
        let group = self.own_runs(caller, owner).await?;
        let run = self.find_run(&group, selection.number, &[]).await?.run;
        let runservice = self.runservice_for(caller);
        let deleted = runservice.delete_log(&selection.of(&run.id)).await;
        deleted.map_err(behind)
    }
}
