//! Tasks of a driver whose preparations take as long as they like.

use std::collections::BTreeMap;
use std::future::pending;
use std::path::Path;

use async_trait::async_trait;
use runservice::api::{ExecutorTaskSpec, ExecutorTaskSpecData, RunStep, SaveContent, Step};
use tempfile::TempDir;

use super::*;
use crate::driver::{Command, CommandEnd, Failure, Place, TaskContext};
use crate::task_directory::TaskDirectory;
use crate::task_log::LogWriter;

const SLOW: &str = "slow";
const QUICK: &str = "quick";

/// Never ends its preparations for the task [`SLOW`].
#[derive(Debug)]
struct SlowDriver;

#[async_trait]
impl Driver for SlowDriver {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn archs(&self) -> Vec<String> {
        Vec::new()
    }

    async fn ready(&self) -> Result<(), Failure> {
        Ok(())
    }

    async fn setup(
        &self,
        task: &TaskContext,
        log: &mut LogWriter,
    ) -> Result<Box<dyn Place>, Failure> {
        log.line("preparing").await.unwrap();
        match task.id.as_str() {
            SLOW => pending().await,
            _ => Ok(Box::new(NoPlace(BTreeMap::new()))),
        }
    }

    async fn remove(&self, _task_id: &str, _directory: &TaskDirectory) -> Result<(), Failure> {
        Ok(())
    }

    async fn remove_all(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// All commands succeed in it.
struct NoPlace(BTreeMap<String, String>);

#[async_trait]
impl Place for NoPlace {
    async fn run(&self, _: &Command<'_>, _: &mut LogWriter) -> Result<CommandEnd, Failure> {
        Ok(CommandEnd::Exited(0))
    }

    async fn pack(
        &self,
        _: usize,
        _: &[SaveContent],
        _: &Path,
        _: &mut LogWriter,
    ) -> Result<(), Failure> {
        unreachable!("no step saves anything")
    }

    async fn unpack(&self, _: usize, _: &Path, _: &str, _: &mut LogWriter) -> Result<(), Failure> {
        unreachable!("no step restores anything")
    }

    async fn read(&self, _: &str, _: u64) -> Result<Option<Vec<u8>>, Failure> {
        Ok(None)
    }

    fn environment(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// An executor with that driver, whose run service never answers.
async fn engine(setup_timeout: Duration) -> (Engine, TempDir) {
    let directory = TempDir::new().unwrap();
    let mut settings = Settings::default();
    settings.executor.setup_timeout = setup_timeout;
    settings.executor.disk_free_bytes_min = 0;
    let data = DataDirectory::open(directory.path()).unwrap();
    let figures = Figures::new(&prometheus::Registry::new()).unwrap();
    let address = ([127, 0, 0, 1], 1).into();
    let instance = "executor".to_owned();
    let driver = Arc::new(SlowDriver);
    let engine = Engine::start_with(&settings, address, instance, figures, data, driver).await;
    (engine.unwrap(), directory)
}

fn task(engine: &Engine, id: &str, stop: bool) -> ExecutorTask {
    ExecutorTask {
        id: id.to_owned(),
        spec: ExecutorTaskSpec {
            executor_id: engine.id().to_owned(),
            run_id: "run".to_owned(),
            stop,
            data: Some(Box::new(ExecutorTaskSpecData {
                steps: vec![Step::Run(RunStep::default())],
                ..ExecutorTaskSpecData::default()
            })),
        },
        ..ExecutorTask::default()
    }
}

/// Waits until the task has come so far.
async fn wait_for(engine: &Engine, id: &str, phase: ExecutorTaskPhase) {
    let task = engine.task(id).unwrap();
    let mut reports = task.reports();
    let reached = reports.wait_for(|reported| reported.status.phase == phase);
    let reached = tokio::time::timeout(Duration::from_secs(10), reached).await;
    assert!(reached.is_ok(), "{id} is {:?}", task.status());
}

/// Field case CI-11: slow preparations of one task held up its stop, and its own log and all other tasks.
#[tokio::test(flavor = "multi_thread")]
async fn slow_preparations_hold_up_neither_their_stop_nor_their_log_nor_other_tasks() {
    let (engine, _directory) = engine(Duration::from_secs(600)).await;
    engine.take(task(&engine, SLOW, false)).unwrap();
    wait_for(&engine, SLOW, ExecutorTaskPhase::Running).await;
    engine.take(task(&engine, QUICK, false)).unwrap();
    wait_for(&engine, QUICK, ExecutorTaskPhase::Success).await;
    service::testing::wait_until("the log of the preparations is there", async || {
        let log = engine.log(SLOW, LogPart::Setup);
        let content = log.ok().and_then(|(path, _)| std::fs::read(path).ok());
        content.is_some_and(|content| content == b"preparing\n")
    })
    .await;
    engine.take(task(&engine, SLOW, true)).unwrap();
    let stopped = wait_for(&engine, SLOW, ExecutorTaskPhase::Stopped);
    // Sooner than what does not end by itself is given up.
    let stopped = tokio::time::timeout(Duration::from_secs(2), stopped).await;
    assert!(stopped.is_ok());
    let status = engine.task(SLOW).unwrap().status();
    assert!(status.end_time.is_some());
    assert_eq!(status.setup_step.phase, Some(ExecutorTaskPhase::Stopped));
}

/// Field case CI-12: preparations that never ended had a task running for ever.
#[tokio::test(flavor = "multi_thread")]
async fn preparations_that_never_end_time_out_and_say_so() {
    let (engine, _directory) = engine(Duration::from_millis(100)).await;
    engine.take(task(&engine, SLOW, false)).unwrap();
    wait_for(&engine, SLOW, ExecutorTaskPhase::Failed).await;
    let status = engine.task(SLOW).unwrap().status();
    assert_eq!(
        status.fail_error,
        "the preparations have timed out after 100ms"
    );
}
