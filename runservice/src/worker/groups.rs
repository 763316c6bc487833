//! Starting queued runs.

use std::fmt::Write;

use datamanager::Query;
use service::api::Time;
use sha2::{Digest, Sha256};

use super::{Duty, Next};
use crate::Error;
use crate::actions::Actions;
use crate::api::{RunPhase, RunResult};
use crate::store::{Reading, RunDocument, with_slash};

impl Actions {
    /// Starts the oldest queued run of a group if none of the group, or of what lies in it, is running.
    pub(crate) async fn start_queued(&self, group: &str) -> Result<Next, Error> {
        let mut next = Next::default();
        if !self.settings().start_queued_runs {
            return Ok(next);
        }
        if next_run(&mut self.snapshot(), group).await?.is_none() {
            return Ok(next);
        }
        let started = self
            .database()
            .write(|mut transaction| async move {
                let Some(mut document) = next_run(&mut transaction, group).await? else {
                    return Ok(None);
                };
                document.run.phase = RunPhase::Running;
                document.run.start_time = Some(Time::now());
                document.note_event(&mut transaction, RunPhase::Running, RunResult::Unknown)?;
                transaction.put(&document)?;
                // An external scheduler that has asked before this is refused.
                transaction.touch_group(&change_group(group))?;
                Ok(Some(document.id))
            })
            .await?;
        if let Some(id) = started {
            next.now(Duty::Run(id));
            next.now(Duty::Publish);
        }
        Ok(next)
    }
}

/// The run of a group that can be started.
async fn next_run(reader: &mut impl Reading, group: &str) -> Result<Option<RunDocument>, Error> {
    let of_group = with_slash(group);
    let running = (RunPhase::Running.as_str(), of_group.clone());
    let running = Query::by("phase_group").starts_with(running).limit(1);
    if !reader.list::<RunDocument>(&running).await?.is_empty() {
        return Ok(None);
    }
    let queued = (RunPhase::Queued.as_str(), of_group);
    let queued = Query::by("phase_group").equal(queued).limit(1);
    Ok(reader.list::<RunDocument>(&queued).await?.pop())
}

/// The change group that agola's scheduler asks with.
fn change_group(group: &str) -> String {
    let hash = Sha256::digest(format!("changegroup-{group}"));
    let mut text = String::with_capacity(hash.len() * 2);
    for byte in hash {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_groups_are_those_of_agola() {
        assert_eq!(
            change_group("/project/p1/branch/master"),
            "6dfe598404a68f40d7e3795b65ac2000c0fcccbcd149aadbb42568b6fef3fffe"
        );
    }
}
