use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use tokio::runtime::Builder;

use super::*;
use crate::environment::MemoryFiles;

/// Far more than anything here takes; reached only by a thread that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn runtime() -> tokio::runtime::Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap()
}

fn environment_of(runtime: &tokio::runtime::Runtime) -> TokioEnvironment {
    let _context = runtime.enter();
    TokioEnvironment::current().unwrap()
}

/// Sends when it is dropped.
struct DropSignal(mpsc::Sender<()>);

impl Drop for DropSignal {
    fn drop(&mut self) {
        let _: Result<(), _> = self.0.send(());
    }
}

#[test]
fn environment_needs_a_runtime() {
    assert!(TokioEnvironment::current().is_err());
}

#[test]
fn clocks_go_forward_and_random_bytes_differ() {
    let environment = environment_of(&runtime());
    let before = environment.steady_time();
    assert!(environment.steady_time() >= before);
    assert!(environment.wall_time() > Timestamp::from_millis(1_700_000_000_000));
    let (mut one, mut other) = ([0; 16], [0; 16]);
    environment.fill_random(&mut one);
    environment.fill_random(&mut other);
    assert_ne!(one, other);
}

#[test]
fn files_can_be_replaced() {
    let environment = environment_of(&runtime()).with_files(Arc::new(MemoryFiles::new()));
    assert!(environment.files().list(Path::new("/")).unwrap().is_empty());
}

#[test]
fn thread_has_its_name_and_ends_with_its_task() {
    let runtime = runtime();
    let environment = Arc::new(environment_of(&runtime));
    let (sender, receiver) = mpsc::channel();
    let inner = environment.clone();
    let task = async move {
        inner.sleep(Duration::from_millis(1)).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        sender
            .send(std::thread::current().name().map(str::to_owned))
            .unwrap();
    };
    environment
        .spawn_thread("committer", Box::pin(task))
        .unwrap();
    assert_eq!(
        receiver.recv_timeout(PATIENCE).unwrap().as_deref(),
        Some("committer")
    );
    while !environment.runtime.read().threads.is_empty() {
        std::thread::yield_now();
    }
}

#[test]
fn thread_task_is_woken_once_for_each_message() {
    let runtime = runtime();
    let environment = environment_of(&runtime);
    let (request_sender, mut requests) = tokio::sync::mpsc::channel::<u32>(1);
    let (reply_sender, mut replies) = tokio::sync::mpsc::channel::<u32>(1);
    let task = async move {
        while let Some(request) = requests.recv().await {
            // Uses up the thread's park token, as blocking code may.
            std::thread::park_timeout(Duration::ZERO);
            reply_sender.send(request + 1).await.unwrap();
        }
    };
    environment.spawn_thread("echo", Box::pin(task)).unwrap();
    runtime.block_on(async {
        for number in 0..2000 {
            request_sender.send(number).await.unwrap();
            assert_eq!(replies.recv().await, Some(number + 1));
        }
    });
}

#[test]
fn blocking_work_has_run_when_its_future_completes() {
    let runtime = runtime();
    let environment = environment_of(&runtime);
    let done = Arc::new(AtomicBool::new(false));
    let inner = done.clone();
    runtime
        .block_on(environment.run_blocking(Box::new(move || inner.store(true, Ordering::SeqCst))));
    assert!(done.load(Ordering::SeqCst));
}

#[test]
fn panic_of_blocking_work_reaches_the_caller() {
    let runtime = runtime();
    let environment = environment_of(&runtime);
    let outcome = runtime.block_on(async {
        let work =
            environment.run_blocking(Box::new(|| panic::resume_unwind(Box::new("work failed"))));
        tokio::spawn(work).await
    });
    assert!(outcome.unwrap_err().is_panic());
}

#[test]
fn waiting_thread_ends_when_the_runtime_shuts_down() {
    let runtime = runtime();
    let environment = environment_of(&runtime);
    let (polled_sender, polled) = mpsc::channel();
    let (dropped_sender, dropped) = mpsc::channel();
    let signal = DropSignal(dropped_sender);
    let task = async move {
        let _signal = signal;
        polled_sender.send(()).unwrap();
        futures::future::pending::<()>().await;
    };
    environment.spawn_thread("waits", Box::pin(task)).unwrap();
    polled.recv_timeout(PATIENCE).unwrap();
    drop(runtime);
    dropped.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn nothing_panics_or_runs_after_the_runtime_has_shut_down() {
    for flavor in [Builder::new_multi_thread(), Builder::new_current_thread()] {
        let mut flavor = flavor;
        let runtime = flavor.enable_time().build().unwrap();
        let environment = environment_of(&runtime);
        let mut earlier = environment.sleep(Duration::from_secs(3600));
        runtime.block_on(async { assert!(futures::poll!(&mut earlier).is_pending()) });
        drop(runtime);

        let (dropped_sender, dropped) = mpsc::channel();
        let ran = Arc::new(Mutex::new(false));
        let task = || -> BoxFuture<'static, ()> {
            let (signal, ran) = (DropSignal(dropped_sender.clone()), ran.clone());
            Box::pin(async move {
                let _signal = signal;
                *ran.lock().unwrap() = true;
            })
        };
        environment.spawn("late", task());
        environment.spawn_thread("late", task()).unwrap();
        let work_ran = ran.clone();
        let work = environment.run_blocking(Box::new(move || *work_ran.lock().unwrap() = true));
        let later = environment.sleep(Duration::ZERO);
        futures::executor::block_on(async {
            assert!(futures::poll!(earlier).is_pending());
            assert!(futures::poll!(later).is_pending());
            work.await;
        });
        for _ in 0..2 {
            dropped.recv_timeout(PATIENCE).unwrap();
        }
        assert!(!*ran.lock().unwrap());
    }
}

#[test]
fn sleep_lasts_as_long_as_asked() {
    let runtime = runtime();
    let environment = environment_of(&runtime);
    let before = environment.steady_time();
    runtime.block_on(environment.sleep(Duration::from_millis(20)));
    assert!(environment.steady_time() - before >= Duration::from_millis(20));
}
