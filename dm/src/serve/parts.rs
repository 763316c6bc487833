//! Running services beside each other, and stopping them one after the other.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use anyhow::{anyhow, bail};
use futures::FutureExt;
use futures::future::{BoxFuture, select_all};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::plan::Plan;

type Ran = Result<(), service::Error>;
type Stopped = BoxFuture<'static, ()>;

/// A service that runs.
struct Part {
    name: &'static str,
    /// Until it is to stop.
    stop: Option<oneshot::Sender<Infallible>>,
    /// Until it has ended.
    task: Option<JoinHandle<Ran>>,
}

/// The services that run, in the order in which they are stopped.
pub(super) struct Parts {
    parts: Vec<Part>,
    stop_timeout: Duration,
}

impl Parts {
    /// Starts them all. They wait for each other; the executor, which is worried about a run service that does not answer, is
    /// started once `executor_begins` is done.
    pub(super) fn begin(
        mut plan: Plan,
        executor_begins: impl Future<Output = ()> + Send + 'static,
    ) -> Parts {
        let stop_timeout = plan.divide_stop_timeout();
        let mut parts = Vec::new();
        if let Some((settings, listener)) = plan.gateway {
            parts.push(Part::begin("gateway", |stopped| async move {
                gateway::run(listener, &settings, stopped).await
            }));
        }
        if let Some((settings, listener)) = plan.executor {
            parts.push(Part::begin("executor", |stopped| async move {
                let stopped = stopped.shared();
                tokio::select! {
                    () = executor_begins => executor::run(listener, &settings, stopped).await,
                    () = stopped.clone() => Ok(()),
                }
            }));
        }
        if let Some((settings, listener)) = plan.runservice {
            parts.push(Part::begin("runservice", |stopped| async move {
                runservice::run(listener, &settings, stopped).await
            }));
        }
        if let Some((settings, listener)) = plan.configstore {
            parts.push(Part::begin("configstore", |stopped| async move {
                configstore::run(listener, &settings, stopped).await
            }));
        }
        Parts {
            parts,
            stop_timeout,
        }
    }

    /// Returns why one of them has ended that was not to end.
    pub(super) async fn failed(&mut self) -> anyhow::Error {
        let names: Vec<&'static str> = self.parts.iter().map(|part| part.name).collect();
        let ends = self.parts.iter_mut().map(|part| Box::pin(part.end()));
        let (ended, index, _) = select_all(ends).await;
        match ended {
            Ok(()) => anyhow!("{} has ended by itself", names[index]),
            Err(error) => error.context(names[index]),
        }
    }

    /// Stops them all in order, within the time for it; at once if a signal asks for that meanwhile.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let asked_again = service::stop_signal()?;
        tokio::select! {
            stopped = self.stop_in_order() => stopped,
            () = asked_again => bail!("stopped at once, since it was asked for again"),
        }
    }

    /// A service is told to stop when those before it have stopped or have used up their part of the time. Each of them goes
    /// on with its own stop meanwhile.
    async fn stop_in_order(&mut self) -> anyhow::Result<()> {
        let begin = Instant::now();
        let deadline = begin + self.stop_timeout;
        let mut first_failure = None;
        let mut turn = begin;
        for index in 0..self.parts.len() {
            turn += share(self.stop_timeout, self.parts.len());
            self.parts[index].stop = None;
            for part in &mut self.parts[..=index] {
                if let Ok(Err(error)) = timeout_at(turn, part.end()).await {
                    first_failure.get_or_insert(error.context(part.name));
                }
            }
        }
        for part in &mut self.parts {
            match timeout_at(deadline, part.end()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => drop(first_failure.get_or_insert(error.context(part.name))),
                Err(_) => {
                    let late = anyhow!("{} did not stop within {:?}", part.name, self.stop_timeout);
                    first_failure.get_or_insert(late);
                }
            }
        }
        first_failure.map_or(Ok(()), Err)
    }
}

/// How much of the time for stopping one of so many services has.
pub(super) fn share(stop_timeout: Duration, services: usize) -> Duration {
    stop_timeout / u32::try_from(services.max(1)).unwrap_or(u32::MAX)
}

impl Part {
    fn begin<R>(name: &'static str, program: impl FnOnce(Stopped) -> R) -> Part
    where
        R: Future<Output = Ran> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let stopped: Stopped = Box::pin(async move {
            // The sender is dropped when the service is to stop.
            let _: Result<Infallible, _> = stopped.await;
        });
        Part {
            name,
            stop: Some(stop),
            task: Some(tokio::spawn(program(stopped))),
        }
    }

    /// Waits until it has ended. What has come of it is told once; later it is nothing.
    async fn end(&mut self) -> anyhow::Result<()> {
        let Some(task) = &mut self.task else {
            return Ok(());
        };
        let ended = task.await;
        self.task = None;
        Ok(ended??)
    }
}
