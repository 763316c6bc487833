use std::collections::BTreeSet;

use futures::future::join_all;
use ost::{Create, ErrorKind, ObjectPath, conformance};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// A simulation with a storage, and the time in it.
struct World {
    simulation: Simulation,
    objects: SimulatedObjects,
    clock: Arc<SimulatedEnvironment>,
}

impl World {
    fn new(seed: u64) -> World {
        let simulation = Simulation::new(seed);
        World {
            objects: SimulatedObjects::new(&simulation),
            clock: simulation.environment("clock"),
            simulation,
        }
    }

    fn process(&self, name: &str) -> (Arc<SimulatedEnvironment>, Ost) {
        let process = self.simulation.environment(name);
        let ost = self.objects.ost(&process, "base");
        (process, ost)
    }

    fn run<F: Future>(&self, future: F) -> F::Output {
        self.simulation.run_until(future).unwrap()
    }

    fn holds(&self, key: &str) -> bool {
        self.objects.content(key).is_some()
    }
}

fn path(key: &str) -> ObjectPath {
    ObjectPath::parse(key).unwrap()
}

/// Polls `future` once, which sends its request, and drops it.
async fn send_and_give_up(future: impl Future) {
    let mut future = std::pin::pin!(future);
    assert!(futures::poll!(future.as_mut()).is_pending());
}

#[test]
fn the_suite_of_every_backend_passes() {
    let world = World::new(1);
    let (_process, ost) = world.process("a");
    let abilities = conformance::Abilities::default();
    world.run(conformance::run(&ost, &abilities)).unwrap();
    assert_eq!(world.objects.keys(), [""; 0]);
}

#[test]
fn of_parallel_creates_one_wins_and_not_always_the_same() {
    let winners = (0..10).map(|seed| {
        let world = World::new(seed);
        let creates = (0..16).map(|number| {
            let (process, ost) = world.process(&format!("process {number}"));
            let create = async move {
                let content = number.to_string().into();
                ost.create(&path("x"), content).await.unwrap()
            };
            process.run("create", create)
        });
        let created = world.run(join_all(creates));
        let wins = |result: &Option<Create>| *result == Some(Create::Created);
        assert_eq!(created.iter().filter(|result| wins(result)).count(), 1);
        let winner = created.iter().position(wins).unwrap();
        let content = world.objects.content("base/x").unwrap();
        assert_eq!(content, winner.to_string());
        winner
    });
    assert!(winners.collect::<BTreeSet<_>>().len() > 1);
}

#[test]
fn a_request_given_up_on_lands_later() {
    let world = World::new(3);
    let (_process, ost) = world.process("a");
    world.run(async {
        send_and_give_up(ost.create(&path("x"), "1".into())).await;
        assert!(!world.holds("base/x"));
        drop(ost.create(&path("never sent"), "1".into()));
        world.clock.sleep(SECOND).await;
    });
    assert_eq!(world.objects.keys(), ["base/x"]);
}

#[test]
fn what_a_killed_or_paused_process_has_sent_lands_and_no_more() {
    let world = World::new(4);
    for (end, key) in [
        (SimulatedEnvironment::kill as fn(&_), "killed"),
        (SimulatedEnvironment::pause, "paused"),
    ] {
        let (process, ost) = world.process(key);
        let puts = {
            let ost = ost.clone();
            async move {
                ost.put(&path(key), "1".into()).await.unwrap();
                ost.put(&path("later"), "1".into()).await.unwrap();
            }
        };
        drop(process.run("puts", puts));
        world.run(async {
            while world.objects.request_count(key, Operation::Put, "") == 0 {
                world.clock.sleep(Duration::from_micros(1)).await;
            }
            end(&process);
            assert!(!world.holds(&format!("base/{key}")));
            world.clock.sleep(SECOND).await;
            assert!(world.holds(&format!("base/{key}")));
            if process.is_killed() {
                let refused = ost.put(&path("later"), "1".into()).await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Unavailable);
            }
        });
    }
    assert!(!world.holds("base/later"));
}

#[test]
fn a_lost_reply_is_an_error_after_the_effect() {
    let world = World::new(5);
    let (_process, ost) = world.process("a");
    world.objects.set_faults(ObjectFaults {
        error_after: 1.0,
        ..ObjectFaults::default()
    });
    world.run(async {
        let put = ost.put(&path("x"), "1".into()).await.unwrap_err();
        assert_eq!(put.kind(), ErrorKind::Unavailable);
        let created = ost.create(&path("y"), "1".into()).await.unwrap_err();
        assert_eq!(created.kind(), ErrorKind::Unknown);
    });
    assert_eq!(world.objects.keys(), ["base/x", "base/y"]);
}

#[test]
fn a_late_request_whose_reply_is_lost_lands_after_the_error() {
    let world = World::new(6);
    let (_process, ost) = world.process("a");
    world.objects.set_faults(ObjectFaults {
        error_after: 1.0,
        late: 1.0,
        late_max: HOUR,
        ..ObjectFaults::default()
    });
    world.run(async {
        let created = ost.create(&path("x"), "1".into()).await.unwrap_err();
        assert_eq!(created.kind(), ErrorKind::Unknown);
        assert!(!world.holds("base/x"));
        world.clock.sleep(2 * HOUR).await;
    });
    assert!(world.holds("base/x"));
}

#[test]
fn a_late_put_replaces_what_was_put_after_it() {
    let world = World::new(7);
    let (_process, ost) = world.process("a");
    let (_process, other) = world.process("b");
    world.run(async {
        world.objects.set_faults(ObjectFaults {
            late: 1.0,
            late_max: HOUR,
            ..ObjectFaults::default()
        });
        send_and_give_up(ost.put(&path("x"), "stale".into())).await;
        world.objects.set_faults(ObjectFaults::default());
        other.put(&path("x"), "new".into()).await.unwrap();
        assert_eq!(other.get(&path("x")).await.unwrap(), "new");
        world.clock.sleep(2 * HOUR).await;
        assert_eq!(other.get(&path("x")).await.unwrap(), "stale");
    });
}

#[test]
fn a_refused_request_has_no_effect() {
    let world = World::new(8);
    let (_process, ost) = world.process("a");
    let (failing, throttling) = (
        ObjectFaults {
            error_before: 1.0,
            ..ObjectFaults::default()
        },
        ObjectFaults {
            throttled: 1.0,
            ..ObjectFaults::default()
        },
    );
    world.run(async {
        for faults in [failing, throttling] {
            world.objects.set_faults(faults);
            for _ in 0..10 {
                let put = ost.put(&path("x"), "1".into()).await.unwrap_err();
                assert_eq!(put.kind(), ErrorKind::Unavailable);
            }
        }
        world.clock.sleep(SECOND).await;
    });
    assert!(!world.holds("base/x"));
}

#[test]
fn faults_strike_as_often_as_they_are_set_to() {
    let world = World::new(9);
    let (_process, ost) = world.process("a");
    world.objects.set_faults(ObjectFaults {
        error_before: 0.3,
        ..ObjectFaults::default()
    });
    let failed = world.run(async {
        let mut failed = 0;
        for _ in 0..1000 {
            failed += usize::from(ost.put(&path("x"), "1".into()).await.is_err());
        }
        failed
    });
    assert!((250..350).contains(&failed), "{failed} of 1000 failed");
}

#[test]
fn a_process_that_is_cut_off_fails_while_others_go_on() {
    let world = World::new(10);
    let (_process, ost) = world.process("a");
    let (_process, other) = world.process("b");
    world.run(async {
        let x = path("x");
        let (first, ()) = futures::join!(ost.put(&x, "1".into()), async {
            world.objects.set_reachable("a", false);
        });
        assert_eq!(first.unwrap_err().kind(), ErrorKind::Unavailable);
        let second = ost.put(&path("y"), "1".into()).await.unwrap_err();
        assert_eq!(second.kind(), ErrorKind::Unavailable);
        other.put(&path("z"), "1".into()).await.unwrap();
        // What was under way has landed, but for its reply.
        assert_eq!(world.objects.keys(), ["base/x", "base/z"]);

        world.objects.set_reachable_for_all(false);
        other.get(&path("z")).await.unwrap_err();
        world.objects.set_reachable_for_all(true);
        other.get(&path("z")).await.unwrap();
        ost.get(&path("z")).await.unwrap_err();
        world.objects.set_reachable("a", true);
        ost.get(&path("z")).await.unwrap();
    });
}

#[test]
fn a_seed_repeats_the_run() {
    let run = |seed| {
        let world = World::new(seed);
        world.objects.set_faults(ObjectFaults {
            error_before: 0.1,
            throttled: 0.1,
            error_after: 0.1,
            late: 0.1,
            late_max: SECOND,
        });
        let processes = (0..4).map(|number| {
            let (process, ost) = world.process(&format!("process {number}"));
            let work = async move {
                for key in 0..20 {
                    // Which of them fail follows from the seed.
                    let _: Result<Create, ost::Error> =
                        ost.create(&path(&key.to_string()), "1".into()).await;
                }
            };
            process.run("work", work)
        });
        world.run(join_all(processes));
        world.simulation.trace_hash()
    };
    assert_eq!(run(11), run(11));
    assert_ne!(run(11), run(12));
}

#[test]
fn objects_are_dated_by_the_clock_of_the_storage() {
    let world = World::new(13);
    let (process, ost) = world.process("a");
    world.run(async {
        ost.put(&path("x"), "1".into()).await.unwrap();
        let first = ost.head(&path("x")).await.unwrap().last_modified_ms;
        assert!(process.wall_time().as_millis() - first < 100);
        world.clock.sleep(HOUR).await;
        process.shift_wall_clock(-86_400_000);
        ost.put(&path("x"), "2".into()).await.unwrap();
        let second = ost.head(&path("x")).await.unwrap().last_modified_ms;
        assert!((3_600_000..3_600_100).contains(&(second - first)));
        world.objects.environment().shift_wall_clock(-7_200_000);
        ost.put(&path("x"), "3".into()).await.unwrap();
        assert!(ost.head(&path("x")).await.unwrap().last_modified_ms < first);
    });
}

#[test]
fn requests_are_counted_by_process_operation_and_prefix() {
    let world = World::new(14);
    let (_process, ost) = world.process("a");
    let (_process, other) = world.process("b");
    let count = |name, operation, prefix| world.objects.request_count(name, operation, prefix);
    world.run(async {
        for key in ["log/1", "log/2", "logs", "data/1"] {
            ost.put(&path(key), "1".into()).await.unwrap();
        }
        ost.put(&path("log/1"), "1".into()).await.unwrap();
        let created = other.create(&path("log/1"), "1".into()).await;
        assert_eq!(created.unwrap(), Create::Exists);
        ost.list_level("log/").await.unwrap();
        let mut writer = ost.writer(&path("data/2")).await.unwrap();
        writer.write(vec![0; 20 << 20].into()).await.unwrap();
        writer.finish().await.unwrap();
    });
    assert_eq!(count("a", Operation::Put, "base/log/"), 3);
    assert_eq!(count("a", Operation::Put, ""), 5);
    assert_eq!(count("a", Operation::Create, ""), 0);
    assert_eq!(count("b", Operation::Create, "base/log/1"), 1);
    assert_eq!(count("a", Operation::List, ""), 0);
    assert_eq!(count("a", Operation::ListLevel, "base/log/"), 1);
    assert_eq!(count("a", Operation::Part, "base/data/"), 3);
    assert_eq!(count("a", Operation::Complete, "base/data/2"), 1);
    world.objects.reset_requests();
    assert_eq!(count("a", Operation::Put, ""), 0);
}

#[test]
fn objects_can_be_damaged_without_a_request() {
    let world = World::new(15);
    let (_process, ost) = world.process("a");
    world.objects.put_directly("base/x", "damaged");
    world.objects.put_directly("elsewhere", "1");
    world.run(async {
        assert_eq!(ost.get(&path("x")).await.unwrap(), "damaged");
        world.objects.remove_directly("base/x");
        let missing = ost.get(&path("x")).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    });
    assert_eq!(world.objects.keys(), ["elsewhere"]);
}

#[test]
fn an_upload_is_there_after_its_end_and_none_ends_twice() {
    let world = World::new(16);
    let process = world.simulation.environment("a");
    let client = Client::new(world.objects.service.clone(), process);
    world.run(async {
        use object_store::ObjectStoreExt;
        let mut upload = client.put_multipart(&"x".into()).await.unwrap();
        let (first, second) = (upload.put_part("12".into()), upload.put_part("3".into()));
        second.await.unwrap();
        upload.complete().await.unwrap_err();
        first.await.unwrap();
        assert!(!world.holds("x"));
        upload.complete().await.unwrap();
        assert_eq!(world.objects.content("x").unwrap(), "123");
        let again = upload.complete().await.unwrap_err();
        assert!(matches!(again, object_store::Error::NotFound { .. }));
    });
}
