//! What becomes of runs, as it happens.

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use runservice::api::RunEvent;
use runservice::client::Client;

use super::Gateway;
use super::runs::RunOwner;
use crate::api::RunEventResponse;
use crate::auth::Caller;
use crate::error::behind;
use crate::{Error, ErrorKind};

impl Gateway {
    /// The changes of the runs of an owner: those behind the one with sequence `after`, and those that come; without one only
    /// those that come.
    pub(crate) async fn run_events(
        &self,
        caller: &Caller,
        owner: &RunOwner,
        after: &str,
    ) -> Result<BoxStream<'static, Result<RunEventResponse, Error>>, Error> {
        let group = self.readable_runs(Some(caller), owner).await?;
        let after = Some(after).filter(|after| !after.is_empty());
        let events = self.runservice().run_events(after).await.map_err(behind)?;
        let runservice = self.runservice().clone();
        let state = (events, runservice, format!("{group}/"));
        Ok(
            stream::unfold(state, async |(mut events, runservice, group)| {
                loop {
                    let event = match events.next().await? {
                        Ok(event) => event,
                        Err(error) => return Some((Err(error), (events, runservice, group))),
                    };
                    match of_group(&runservice, event, &group).await {
                        Ok(None) => {}
                        Ok(Some(event)) => return Some((Ok(event), (events, runservice, group))),
                        Err(error) => return Some((Err(error), (events, runservice, group))),
                    }
                }
            })
            .boxed(),
        )
    }
}

/// The event, if it is of a run of the group. A run that is gone by now is passed over.
async fn of_group(
    runservice: &Client,
    event: RunEvent,
    group: &str,
) -> Result<Option<RunEventResponse>, Error> {
    let run = match runservice.run(&event.run_id, &[]).await {
        Ok(found) => found.run,
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(behind(error)),
    };
    let run = run.filter(|run| run.group.starts_with(group));
    Ok(run.map(|run| RunEventResponse {
        sequence: event.sequence,
        number: run.counter,
        phase: event.phase.into(),
        result: event.result.into(),
    }))
}
