use std::path::Path;

use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::*;
use crate::environment::{Environment, OpenMode};

const HOUR: Duration = Duration::from_secs(3600);

/// Lets other tasks run, `times` times.
async fn give_way(times: usize) {
    for _ in 0..times {
        let mut first = true;
        futures::future::poll_fn(|context| {
            if std::mem::take(&mut first) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }
}

/// Says so when it is dropped.
struct DropFlag(Arc<AtomicBool>);

impl Drop for DropFlag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Ten workers that sleep, draw and report; gives the order of the reports and the trace.
fn run_workers(seed: u64) -> (Vec<(u64, u8)>, u64) {
    let simulation = Simulation::new(seed);
    let machines = [simulation.environment("a"), simulation.environment("b")];
    let (sender, mut receiver) = mpsc::channel(4);
    for number in 0..10 {
        let environment = machines[number % 2].clone();
        let (inner, sender) = (environment.clone(), sender.clone());
        let work = async move {
            for _ in 0..5 {
                let mut drawn = [0];
                inner.fill_random(&mut drawn);
                inner
                    .sleep(Duration::from_millis(u64::from(drawn[0] % 4)))
                    .await;
                give_way(2).await;
                sender.send((number as u64, drawn[0])).await.unwrap();
            }
        };
        environment.spawn("worker", Box::pin(work));
    }
    drop(sender);
    let reports = simulation.run_until(async {
        let mut reports = Vec::new();
        while let Some(report) = receiver.recv().await {
            reports.push(report);
        }
        reports
    });
    (reports.unwrap(), simulation.trace_hash())
}

#[test]
fn same_seed_gives_the_same_run_and_another_seed_another() {
    let first = run_workers(1);
    assert_eq!(first.0.len(), 50);
    assert_eq!(first, run_workers(1));
    let other = run_workers(2);
    assert_ne!(first.0, other.0);
    assert_ne!(first.1, other.1);
}

/// `tokio::sync::watch` draws the order in which it wakes those that wait from a generator that no seed reaches.
#[test]
fn order_of_wake_ups_has_no_effect() {
    let run = || {
        let simulation = Simulation::new(3);
        let machine = simulation.environment("a");
        let (sender, receiver) = watch::channel(());
        let (reports, mut reported) = mpsc::unbounded_channel();
        for number in 0..10 {
            let (mut receiver, reports) = (receiver.clone(), reports.clone());
            let wait = async move {
                receiver.changed().await.unwrap();
                reports.send(number).unwrap();
            };
            machine.spawn("waiter", Box::pin(wait));
        }
        drop(reports);
        let order = simulation.run_until(async {
            machine.sleep(HOUR).await;
            sender.send(()).unwrap();
            let mut order = Vec::new();
            while let Some(number) = reported.recv().await {
                order.push(number);
            }
            order
        });
        order.unwrap()
    };
    let order: Vec<i32> = run();
    assert_eq!(order.len(), 10);
    assert!((0..20).all(|_| run() == order));
}

#[test]
fn every_order_of_ready_tasks_comes_up() {
    let order = |seed| {
        let simulation = Simulation::new(seed);
        let machine = simulation.environment("a");
        let (sender, receiver) = mpsc::unbounded_channel();
        for number in 0..3 {
            let sender = sender.clone();
            machine.spawn(
                "sender",
                Box::pin(async move { sender.send(number).unwrap() }),
            );
        }
        drop(sender);
        let received = futures::stream::unfold(receiver, async |mut receiver| {
            Some((receiver.recv().await?, receiver))
        });
        simulation
            .run_until(received.collect::<Vec<i32>>())
            .unwrap()
    };
    let orders: std::collections::BTreeSet<Vec<i32>> = (0..100).map(order).collect();
    assert_eq!(orders.len(), 6);
}

#[test]
fn time_jumps_to_the_next_timer_and_no_further() {
    let simulation = Simulation::new(1);
    let machine = simulation.environment("a");
    let (steady, wall) = (machine.steady_time(), machine.wall_time());
    let sleeps: FuturesUnordered<_> = [3_u32, 1, 2]
        .map(|hours| {
            let machine = machine.clone();
            async move {
                machine.sleep(HOUR * hours).await;
                (hours, machine.steady_time() - steady)
            }
        })
        .into_iter()
        .collect();
    let woken = simulation.run_until(sleeps.collect::<Vec<_>>()).unwrap();
    assert_eq!(woken, [(1, HOUR), (2, HOUR * 2), (3, HOUR * 3)]);
    assert_eq!(machine.wall_time().saturating_since(wall), HOUR * 3);
}

#[test]
fn dropped_sleep_does_not_hold_up_the_clock() {
    let simulation = Simulation::new(1);
    let machine = simulation.environment("a");
    let before = machine.steady_time();
    let raced = futures::future::select(machine.sleep(HOUR), machine.sleep(HOUR * 2));
    simulation.run_until(raced).map(drop).unwrap();
    let error = simulation
        .run_until(futures::future::pending::<()>())
        .unwrap_err();
    assert!(matches!(error.cause, Cause::Stuck));
    assert_eq!(machine.steady_time() - before, HOUR);
}

#[test]
fn deadlock_is_an_error_that_names_the_seed_and_the_tasks() {
    let simulation = Simulation::new(77);
    simulation
        .environment("a")
        .spawn("committer", Box::pin(futures::future::pending()));
    let error = simulation
        .run_until(futures::future::pending::<()>())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "simulation of seed 77 stopped at step 2 and time 0ns: nothing is ready and no timer is set; \
         2 tasks wait: main, a/committer"
    );
}

#[test]
fn endless_runs_are_errors() {
    let simulation = Simulation::new(5).with_steps_max(1000);
    let error = simulation.run_until(give_way(usize::MAX)).unwrap_err();
    assert!(error.to_string().contains("within 1000 steps"), "{error}");

    let simulation = Simulation::new(5).with_time_max(HOUR);
    let machine = simulation.environment("a");
    let error = simulation.run_until(async {
        loop {
            machine.sleep(Duration::from_secs(1)).await;
        }
    });
    let error: SimulationError = error.map(|never: ()| never).unwrap_err();
    assert!(error.to_string().contains("within 3600s"), "{error}");
}

#[test]
fn run_within_a_run_is_refused() {
    let simulation = Simulation::new(5);
    let inner = simulation
        .run_until(async { simulation.run_until(async {}) })
        .unwrap();
    assert!(inner.unwrap_err().to_string().ends_with("it runs already"));
    simulation.run_until(async {}).unwrap();
}

#[test]
fn tasks_go_on_in_the_next_run() {
    let simulation = Simulation::new(5);
    let machine = simulation.environment("a");
    let slept = machine.run("sleeper", machine.sleep(HOUR));
    simulation.run_until(machine.sleep(HOUR / 2)).unwrap();
    assert_eq!(simulation.run_until(slept).unwrap(), Some(()));
}

#[test]
fn kill_drops_the_tasks_of_that_process_alone() {
    let simulation = Simulation::new(5);
    let (killed, other) = (simulation.environment("a"), simulation.environment("a"));
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = DropFlag(dropped.clone());
    let sleep = killed.sleep(HOUR);
    let victim = killed.run("victim", async move {
        let _flag = flag;
        sleep.await;
    });
    let survivor = other.run("survivor", other.sleep(HOUR));
    simulation
        .run_until(async {
            other.sleep(HOUR / 2).await;
            assert!(!dropped.load(Ordering::SeqCst));
            killed.kill();
            assert!(dropped.load(Ordering::SeqCst) && killed.is_killed() && !other.is_killed());
            assert_eq!(killed.run("late", async {}).await, None);
            killed
                .run_blocking(Box::new(|| unreachable!("a dead process ran")))
                .await;
            assert_eq!(victim.await, None);
            assert_eq!(survivor.await, Some(()));
        })
        .unwrap();
}

#[test]
fn task_may_kill_its_own_process() {
    let simulation = Simulation::new(5);
    let machine = simulation.environment("a");
    let inner = machine.clone();
    let suicide = machine.run("suicide", async move {
        inner.kill();
        give_way(1).await;
        unreachable!("it went on after the kill");
    });
    assert_eq!(simulation.run_until(suicide).unwrap(), None::<()>);
}

#[test]
fn kill_after_each_number_of_steps_reaches_each_await() {
    let reached = |steps| {
        let simulation = Simulation::new(9);
        let machine = simulation.environment("a");
        let (sender, receiver) = watch::channel(0);
        let task = machine.run("steps", async move {
            for number in 1..=5 {
                sender.send(number).unwrap();
                give_way(1).await;
            }
        });
        machine.kill_after(steps);
        simulation.run_until(task).unwrap();
        *receiver.borrow()
    };
    let all: std::collections::BTreeSet<i32> = (0..20).map(reached).collect();
    assert_eq!(all, (0..=5).collect());
}

#[test]
fn paused_process_stands_still_while_time_goes_on() {
    let simulation = Simulation::new(5);
    let (paused, other) = (simulation.environment("a"), simulation.environment("b"));
    let notify = Arc::new(Notify::new());
    let (inner, waits) = (paused.clone(), notify.clone());
    let mut woken_at = paused.run("waiter", async move {
        waits.notified().await;
        inner.steady_time()
    });
    simulation
        .run_until(async {
            other.sleep(HOUR).await;
            paused.pause();
            notify.notify_one();
            other.sleep(HOUR).await;
            assert!(futures::poll!(&mut woken_at).is_pending());
            let resumed_at = paused.steady_time();
            paused.resume();
            assert_eq!(woken_at.await, Some(resumed_at));
        })
        .unwrap();
}

#[test]
fn shifted_wall_clock_moves_one_machine_and_no_steady_clock() {
    let simulation = Simulation::new(5);
    let (one, neighbour, other) = (
        simulation.environment("a"),
        simulation.environment("a"),
        simulation.environment("b"),
    );
    let (wall, steady) = (one.wall_time(), one.steady_time());
    assert_eq!(wall, other.wall_time());
    one.shift_wall_clock(-5000);
    assert_eq!(
        wall.saturating_since(one.wall_time()),
        Duration::from_secs(5)
    );
    assert_eq!(neighbour.wall_time(), one.wall_time());
    assert_eq!((other.wall_time(), one.steady_time()), (wall, steady));
}

#[test]
fn blocking_work_runs_at_a_later_step() {
    let simulation = Simulation::new(5);
    let machine = simulation.environment("a");
    let (sender, mut receiver) = oneshot::channel();
    let work = machine.run_blocking(Box::new(move || sender.send(7).unwrap()));
    assert!(receiver.try_recv().is_err());
    simulation.run_until(work).unwrap();
    assert_eq!(receiver.try_recv(), Ok(7));
}

#[test]
fn restarted_process_finds_synced_files_and_a_free_lock_after_a_power_cut() {
    for seed in 0..20 {
        let simulation = Simulation::new(seed);
        let machine = simulation.environment("a");
        let path = Path::new("/file");
        let lock = machine.files().try_lock(Path::new("/lock")).unwrap();
        let file = machine.files().open(path, OpenMode::CreateNew).unwrap();
        file.write_all_at(0, b"synced").unwrap();
        file.sync_data().unwrap();
        machine.files().sync_dir(Path::new("/")).unwrap();
        machine.cut_power();
        assert!(file.size().is_err() && machine.files().list(Path::new("/")).is_err());

        let restarted = simulation.environment("a");
        let file = restarted.files().open(path, OpenMode::Read).unwrap();
        let mut bytes = [0; 7];
        assert_eq!(file.read_at(0, &mut bytes).unwrap(), 6);
        assert!(
            restarted
                .files()
                .try_lock(Path::new("/lock"))
                .unwrap()
                .is_some()
        );
        assert!(
            simulation
                .environment("b")
                .files()
                .list(Path::new("/"))
                .unwrap()
                .is_empty()
        );
        drop(lock);
    }
}

#[test]
fn tasks_are_dropped_with_the_simulation() {
    let dropped = Arc::new(AtomicBool::new(false));
    let simulation = Simulation::new(5);
    let machine = simulation.environment("a");
    let (flag, inner) = (DropFlag(dropped.clone()), machine.clone());
    let _task = machine.run("forever", async move {
        let _flag = flag;
        inner.sleep(HOUR).await;
    });
    simulation.run_until(async {}).unwrap();
    drop(simulation);
    assert!(dropped.load(Ordering::SeqCst));
    let _late = machine.run("late", async {});
}

#[test]
fn locks_and_channels_of_tokio_work_without_a_runtime() {
    let simulation = Simulation::new(5);
    let machine = simulation.environment("a");
    let counter = Arc::new(tokio::sync::Mutex::new(0));
    let adders = (0..10).map(|_| {
        let (counter, inner) = (counter.clone(), machine.clone());
        machine.run("adder", async move {
            let mut counter = counter.lock().await;
            let before = *counter;
            inner.sleep(HOUR).await;
            *counter = before + 1;
        })
    });
    let ended = simulation.run_until(join_all(adders)).unwrap();
    assert_eq!(ended.len(), 10);
    assert_eq!(*counter.try_lock().unwrap(), 10);
}
