//! An executor whose tasks do nothing, and whose logs are what a test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use runservice::api::{
    ExecutorTask, ExecutorTaskPhase, ExecutorTaskStatus, ExecutorTaskStepStatus,
};
use runservice::client::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::host::World;

const ID: &str = "executor01";
const INTERVAL: Duration = Duration::from_millis(50);

/// It is gone once it is dropped.
pub(crate) struct Executor {
    tasks: Vec<JoinHandle<()>>,
    sending: Arc<Sending>,
}

/// What it sends of logs that do not end.
#[derive(Default)]
struct Sending {
    followers: AtomicUsize,
    bytes: AtomicU64,
}

/// What its logs are.
#[derive(Clone)]
enum Log {
    /// This text; the steps have succeeded.
    Whole(Arc<str>),
    /// Nothing, while the first step runs.
    Silent,
    /// These bytes again and again, while the first step runs.
    Endless(Arc<[u8]>),
}

impl Executor {
    /// One whose tasks have succeeded at once, with this as the log of all their steps.
    pub(crate) async fn start(world: &World, log: &str) -> Executor {
        Executor::with(world, Log::Whole(log.into())).await
    }

    /// One whose tasks run and say nothing.
    pub(crate) async fn silent(world: &World) -> Executor {
        Executor::with(world, Log::Silent).await
    }

    /// One whose tasks run and write as fast as they can.
    pub(crate) async fn endless(world: &World) -> Executor {
        Executor::with(world, Log::Endless(vec![b'x'; 64 * 1024].into())).await
    }

    async fn with(world: &World, log: Log) -> Executor {
        let client = Client::builder(world.runservice.url()).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let executor = runservice::api::Executor {
            id: ID.to_owned(),
            listen_url: format!("http://{}", listener.local_addr().unwrap()),
            archs: vec!["amd64".to_owned()],
            active_tasks_limit: 10,
            executor_group: ID.to_owned(),
            siblings_executors: vec![ID.to_owned()],
            ..Default::default()
        };
        client.report_executor(&executor).await.unwrap();
        let sending = Arc::<Sending>::default();
        let tasks = vec![
            tokio::spawn(serve(listener, log.clone(), sending.clone())),
            tokio::spawn(work(client, executor, log)),
        ];
        Executor { tasks, sending }
    }

    /// Connections on which a log is being sent.
    pub(crate) fn followers(&self) -> usize {
        self.sending.followers.load(Ordering::SeqCst)
    }

    /// Bytes of endless logs that were sent.
    pub(crate) fn bytes_sent(&self) -> u64 {
        self.sending.bytes.load(Ordering::SeqCst)
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Executor {
    /// Goes, and has the service forget it, so that it gives it no more tasks.
    pub(crate) async fn leave(self, world: &World) {
        drop(self);
        let client = Client::builder(world.runservice.url()).build().unwrap();
        client.delete_executor(ID).await.unwrap();
    }
}

/// Asks for tasks and tells how they stand.
async fn work(client: Client, executor: runservice::api::Executor, log: Log) {
    loop {
        // The service may be away.
        let _ = client.report_executor(&executor).await;
        for task in client.executor_tasks(ID).await.unwrap_or_default() {
            let task = ExecutorTask {
                status: status(&task, &log),
                ..task
            };
            let _ = client.report_task(ID, &task).await;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn status(task: &ExecutorTask, log: &Log) -> ExecutorTaskStatus {
    let now = Some("2026-01-02T03:04:05Z".parse().unwrap());
    let (phase, end_time, exit_status) = match log {
        _ if task.spec.stop => (ExecutorTaskPhase::Stopped, now, None),
        Log::Whole(_) => (ExecutorTaskPhase::Success, now, Some(0)),
        _ => (ExecutorTaskPhase::Running, None, None),
    };
    let step = |phase, end_time, exit_status| ExecutorTaskStepStatus {
        phase: Some(phase),
        start_time: now,
        end_time,
        exit_status,
    };
    let steps = task.spec.data.as_ref().map_or(0, |data| data.steps.len());
    ExecutorTaskStatus {
        phase,
        fail_error: String::new(),
        setup_step: step(ExecutorTaskPhase::Success, now, None),
        steps: vec![step(phase, end_time, exit_status); steps],
        start_time: now,
        end_time,
    }
}

async fn serve(listener: TcpListener, log: Log, sending: Arc<Sending>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (log, sending) = (log.clone(), sending.clone());
        connections.spawn(async move {
            // The other side may close it.
            let _ = answer(stream, log, &sending).await;
        });
    }
}

/// Answers one request. A task that is pushed is found by asking, too.
async fn answer(mut stream: TcpStream, log: Log, sending: &Sending) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await? {
            0 => return Ok(()),
            count => head.extend_from_slice(&piece[..count]),
        }
    }
    if !head.starts_with(b"GET /api/v1alpha/executor/logs") {
        let refused = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        return stream.write_all(refused.as_bytes()).await;
    }
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
    if let Log::Whole(text) = log {
        let answer = format!("{head}Content-Length: {}\r\n\r\n{text}", text.len());
        return stream.write_all(answer.as_bytes()).await;
    }
    sending.followers.fetch_add(1, Ordering::SeqCst);
    let sent = send_on(&mut stream, head, &log, &sending.bytes).await;
    sending.followers.fetch_sub(1, Ordering::SeqCst);
    sent
}

/// Sends until the other side has gone.
async fn send_on(
    stream: &mut TcpStream,
    head: &str,
    log: &Log,
    sent: &AtomicU64,
) -> std::io::Result<()> {
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    match log {
        Log::Endless(bytes) => loop {
            stream.write_all(bytes).await?;
            sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        },
        _ => {
            let mut nothing = [0; 1];
            stream.read(&mut nothing).await.map(drop)
        }
    }
}
