//! Runs, their tasks, logs and events.

use bytes::Bytes;
use futures::Stream;

use crate::api::{
    RunActionType, RunActionsRequest, RunEventResponse, RunPhase, RunResponse, RunResult,
    RunSummaryResponse, RunTaskActionType, RunTaskActionsRequest, RunTaskResponse,
};
use crate::path::Path;
use crate::stream::{events, pieces};
use crate::{Client, Error};

/// Whose runs are meant, by id, path or name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsOf<'a> {
    /// Those of a project.
    Project(&'a str),
    /// Those of a user.
    User(&'a str),
}

impl RunsOf<'_> {
    fn runs(self) -> Path {
        match self {
            RunsOf::Project(project) => Path::of(["projects", project, "runs"]),
            RunsOf::User(user) => Path::of(["users", user, "runs"]),
        }
    }

    fn run(self, number: u64) -> Path {
        self.runs().then([number.to_string().as_str()])
    }

    fn task(self, number: u64, task: &str) -> Path {
        self.run(number).then(["tasks", task])
    }
}

/// Which runs are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunsFilter {
    /// Only those in one of these phases, if there are any.
    pub phases: Vec<RunPhase>,
    /// Only those with one of these results, if there are any.
    pub results: Vec<RunResult>,
    /// Only of this part, as `branch/main`, `tag/v1` or `pr/12`, whose names are escaped. Empty: of all.
    pub subgroup: String,
    /// Begins behind the run with this number.
    pub start: Option<u64>,
    /// At most so many; the gateway has a bound of its own.
    pub limit: Option<u32>,
    /// Whether the oldest come first.
    pub ascending: bool,
}

/// A part of a task that has a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStep {
    /// The preparations.
    Setup,
    /// A step, from 0 on.
    Step(u32),
}

impl LogStep {
    fn of(self, path: Path) -> Path {
        match self {
            LogStep::Setup => path.query("setup", ""),
            LogStep::Step(step) => path.query("step", &step.to_string()),
        }
    }
}

impl Client {
    /// Runs.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn runs(
        &self,
        of: RunsOf<'_>,
        filter: &RunsFilter,
    ) -> Result<Vec<RunSummaryResponse>, Error> {
        let subgroup = Some(&filter.subgroup).filter(|subgroup| !subgroup.is_empty());
        let mut path = of
            .runs()
            .optional("subgroup", subgroup)
            .optional("start", filter.start)
            .optional("limit", filter.limit)
            .flag("asc", filter.ascending);
        for phase in &filter.phases {
            path = path.query("phase", phase.as_str());
        }
        for result in &filter.results {
            path = path.query("result", result.as_str());
        }
        self.get(&path).await
    }

    /// A run.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn run(&self, of: RunsOf<'_>, number: u64) -> Result<RunResponse, Error> {
        self.get(&of.run(number)).await
    }

    /// Does again what a run has done, from the start or what has not succeeded. Returns the new run.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn restart_run(
        &self,
        of: RunsOf<'_>,
        number: u64,
        from_start: bool,
    ) -> Result<RunResponse, Error> {
        self.act_on_run(of, number, RunActionType::Restart, from_start)
            .await
    }

    /// Cancels a run that is queued. Returns it as it was.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn cancel_run(&self, of: RunsOf<'_>, number: u64) -> Result<RunResponse, Error> {
        self.act_on_run(of, number, RunActionType::Cancel, false)
            .await
    }

    /// Stops a run that is running. Returns it as it was.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn stop_run(&self, of: RunsOf<'_>, number: u64) -> Result<RunResponse, Error> {
        self.act_on_run(of, number, RunActionType::Stop, false)
            .await
    }

    async fn act_on_run(
        &self,
        of: RunsOf<'_>,
        number: u64,
        action: RunActionType,
        from_start: bool,
    ) -> Result<RunResponse, Error> {
        let request = RunActionsRequest {
            action_type: Some(action),
            from_start,
        };
        self.put(&of.run(number).then(["actions"]), &request).await
    }

    /// A task of a run.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn run_task(
        &self,
        of: RunsOf<'_>,
        number: u64,
        task: &str,
    ) -> Result<RunTaskResponse, Error> {
        self.get(&of.task(number, task)).await
    }

    /// Approves a task.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn approve_task(&self, of: RunsOf<'_>, number: u64, task: &str) -> Result<(), Error> {
        let request = RunTaskActionsRequest {
            action_type: Some(RunTaskActionType::Approve),
        };
        self.put(&of.task(number, task).then(["actions"]), &request)
            .await
    }

    /// The log of a step as far as there is one. It is whole if the stream ends without an error.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn log(
        &self,
        of: RunsOf<'_>,
        number: u64,
        task: &str,
        step: LogStep,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        let path = step.of(of.task(number, task).then(["logs"]));
        Ok(pieces(self.stream(&path, false).await?))
    }

    /// The log of a step as it grows, until the step has ended. Nothing may come for as long as nothing is written.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn follow_log(
        &self,
        of: RunsOf<'_>,
        number: u64,
        task: &str,
        step: LogStep,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        let path = step.of(of.task(number, task).then(["logs"]));
        let path = path.flag("follow", true);
        Ok(pieces(self.stream(&path, true).await?))
    }

    /// Deletes the log of a step, once it is collected.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn delete_log(
        &self,
        of: RunsOf<'_>,
        number: u64,
        task: &str,
        step: LogStep,
    ) -> Result<(), Error> {
        self.delete(&step.of(of.task(number, task).then(["logs"])))
            .await
    }

    /// Changes of runs as they come. After the event with the sequence `after`, if it is given, nothing is left out.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn run_events(
        &self,
        of: RunsOf<'_>,
        after: Option<&str>,
    ) -> Result<impl Stream<Item = Result<RunEventResponse, Error>> + Send + Unpin + use<>, Error>
    {
        let path = of.runs().then(["events"]).optional("after", after);
        Ok(events(pieces(self.stream(&path, true).await?)))
    }
}
