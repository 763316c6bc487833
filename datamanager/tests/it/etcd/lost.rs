//! An etcd that has lost the log: wiped, restored, or another one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datamanager::testing::{Etcd, EtcdOptions as Cluster, ProxyFaults, TcpProxy};
use datamanager::{Builder, ErrorKind, EtcdOptions};
use ost::{Fault, FaultInjectingStore, Operation, Ost};

use super::place::{Place, count_objects, ids, put_surely, run, wait_until};

/// Nothing is flushed but on demand.
fn place_without_flushes() -> Option<Place> {
    let mut place = Place::new()?;
    place.settings.flush_interval = Duration::from_secs(60);
    Some(place)
}

#[test]
fn keys_wiped_while_processes_run_lose_no_acknowledged_commit() {
    let Some(place) = place_without_flushes() else {
        return;
    };
    run(async {
        let stores = [
            place.open("a").await,
            place.open("b").await,
            place.open("c").await,
        ];
        for number in 0..30 {
            let id = format!("before{number:02}");
            stores[number % 3].put_raw("t", &id, "x").await.unwrap();
        }
        assert_eq!(count_objects(&place.ost, "wal/").await, 0, "all unflushed");
        place.wipe_keys();
        for number in 0..30 {
            put_surely(&stores[number % 3], &format!("wiped{number:02}")).await;
        }
        for store in &stores {
            assert_eq!(ids(store).await.len(), 60);
            assert_eq!(store.stats().epoch, 2);
        }
        wait_until("all are registered again", async || {
            stores[0].instances().await.unwrap().len() == 3
        })
        .await;
        assert_eq!(count_objects(&place.ost, "recovery/").await, 0);
        for store in stores {
            store.close().await.unwrap();
        }
        let verification = place.builder("v").verify().await.unwrap();
        assert!(verification.is_sound(), "{:?}", verification.damage);
    });
}

#[test]
fn an_etcd_that_starts_empty_under_running_processes_loses_nothing() {
    let Some(place) = place_without_flushes() else {
        return;
    };
    run(async {
        let (first, second) = (place.open("a").await, place.open("b").await);
        for number in 0..20 {
            let store = if number % 2 == 0 { &first } else { &second };
            let id = format!("before{number:02}");
            store.put_raw("t", &id, "x").await.unwrap();
        }
        place.etcd.wipe().unwrap();
        put_surely(&first, "after first").await;
        put_surely(&second, "after second").await;
        for store in [&first, &second] {
            assert_eq!(ids(store).await.len(), 22);
            assert_eq!(store.stats().epoch, 2);
        }
        first.close().await.unwrap();
        second.close().await.unwrap();
    });
}

#[test]
fn an_etcd_wiped_while_no_process_runs_is_recovered_by_those_that_open() {
    let Some(place) = Place::new() else {
        return;
    };
    run(async {
        let store = place.open("a").await;
        for number in 0..20 {
            let id = number.to_string();
            store.put_raw("t", &id, "x").await.unwrap();
        }
        store.close().await.unwrap();
        place.wipe_keys();
        let reader = place.builder("r").read_only().open().await.unwrap_err();
        assert_eq!(reader.kind(), ErrorKind::Unavailable);
        assert!(reader.to_string().contains("has lost the log"), "{reader}");

        // Two at once end up in one epoch.
        let (first, second) = futures::future::join(place.open("b"), place.open("c")).await;
        put_surely(&first, "first").await;
        put_surely(&second, "second").await;
        for store in [&first, &second] {
            assert_eq!(ids(store).await.len(), 22);
            assert_eq!(store.stats().epoch, 2);
        }
        first.close().await.unwrap();
        second.close().await.unwrap();
    });
}

#[test]
fn an_etcd_restored_to_an_older_backup_loses_nothing_that_running_processes_hold() {
    let Some(place) = place_without_flushes() else {
        return;
    };
    run(async {
        let (first, second) = (place.open("a").await, place.open("b").await);
        first.put_raw("t", "old", "x").await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let backup = directory.path().join("backup");
        place.etcd.save_snapshot(&backup).unwrap();
        for number in 0..50 {
            let store = if number % 2 == 0 { &first } else { &second };
            let id = format!("{number:02}");
            store.put_raw("t", &id, "x").await.unwrap();
        }
        place.etcd.restore_snapshot(&backup).unwrap();
        put_surely(&second, "after second").await;
        put_surely(&first, "after first").await;
        for store in [&first, &second] {
            assert_eq!(ids(store).await.len(), 53);
            assert_eq!(store.stats().epoch, 2);
        }
        first.close().await.unwrap();
        second.close().await.unwrap();
    });
}

#[test]
fn an_etcd_restored_to_an_older_backup_is_found_on_opening() {
    let Some(place) = Place::new() else {
        return;
    };
    run(async {
        let store = place.open("a").await;
        store.put_raw("t", "old", "x").await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let backup = directory.path().join("backup");
        place.etcd.save_snapshot(&backup).unwrap();
        for number in 0..10 {
            let id = format!("{number:02}");
            store.put_raw("t", &id, "x").await.unwrap();
        }
        store.close().await.unwrap();
        place.etcd.restore_snapshot(&backup).unwrap();
        let store = place.open("b").await;
        put_surely(&store, "after").await;
        assert_eq!(ids(&store).await.len(), 12);
        assert_eq!(store.stats().epoch, 2);
        store.close().await.unwrap();
    });
}

#[test]
fn a_process_with_another_etcd_is_told_where_the_log_lives() {
    let Some(mut place) = Place::new() else {
        return;
    };
    // The others look every 5 seconds.
    place.settings.etcd_recovery_wait = Duration::from_secs(12);
    run(async {
        let (first, second) = (place.open("a").await, place.open("b").await);
        first.put_raw("t", "1", "x").await.unwrap();
        let other = Etcd::start(Cluster::new().flag("--initial-cluster-token=other")).unwrap();
        let options = EtcdOptions::new(&other.endpoints()[0], &place.prefix).unwrap();
        let began = Instant::now();
        let error = place.builder("c").etcd(options).open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(error.to_string().contains("lives in cluster"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(12));
        first.put_raw("t", "2", "x").await.unwrap();
        second.put_raw("t", "3", "x").await.unwrap();
        assert_eq!(ids(&first).await.len(), 3);
        assert_eq!(first.stats().epoch, 1);
        first.close().await.unwrap();
        second.close().await.unwrap();
    });
}

/// Field case OP-07: a service was pointed at the bucket or the etcd of another installation, and mixed their data.
#[test]
fn a_prefix_of_another_store_is_refused() {
    let Some(place) = Place::new() else {
        return;
    };
    run(async {
        let store = place.open("a").await;
        let elsewhere = || {
            Builder::from_ost(Ost::memory())
                .etcd(place.options())
                .settings(place.settings.clone())
        };
        let refused = elsewhere().open().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        let own = store.stats().store;
        assert!(
            refused
                .to_string()
                .contains(&format!("belongs to store {own}")),
            "{refused}"
        );
        // Nor does the other way round, an etcd of its own and the objects of another store.
        let other = place.builder_at("/other/dm", Ost::memory());
        let other = other.open().await.unwrap();
        other.close().await.unwrap();
        let refused = place.builder_at("/other/dm", place.ost.clone());
        let refused = refused.open().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        let names = refused.to_string();
        assert!(
            names.contains("/test/dm") && names.contains("/other/dm"),
            "{names}"
        );
        // The same for one that was made with another prefix, whose own is taken over meanwhile.
        store.close().await.unwrap();
        let key = format!("{}/store", place.prefix);
        place.etcd.etcdctl(&["put", &key, &"0".repeat(32)]).unwrap();
        let refused = place.builder("b").open().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert!(
            refused.to_string().contains("belongs to store"),
            "{refused}"
        );
    });
}

#[test]
fn a_registration_that_is_gone_is_renewed_before_the_next_append() {
    let Some(place) = Place::new() else {
        return;
    };
    run(async {
        let store = place.open("a").await;
        store.put_raw("t", "1", "x").await.unwrap();
        let prefix = format!("{}/instances/", place.prefix);
        place.etcd.etcdctl(&["del", "--prefix", &prefix]).unwrap();
        store.put_raw("t", "2", "x").await.unwrap();
        let registered = format!("instances/{}", store.instance());
        assert!(place.keys().contains(&registered), "{:?}", place.keys());
        assert_eq!(store.stats().epoch, 1);
        store.close().await.unwrap();
    });
}

#[test]
fn a_record_that_is_nowhere_is_damage_and_named() {
    let Some(place) = place_without_flushes() else {
        return;
    };
    run(async {
        let store = place.open("a").await;
        for number in 0..5 {
            let id = number.to_string();
            store.put_raw("t", &id, "x").await.unwrap();
        }
        let key = format!("{}/wal/0000000001/{:020}", place.prefix, 3);
        place.etcd.etcdctl(&["del", &key]).unwrap();
        let error = place.builder("b").open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        assert!(error.to_string().contains("record 3 of epoch 1"), "{error}");
        // It is with the process that appended it.
        store.close().await.unwrap();
        let store = place.open("b").await;
        assert_eq!(ids(&store).await.len(), 5);
        store.close().await.unwrap();
    });
}

/// Field case IE-12, with a log in etcd: a restore that was described and never tried. A copy of the objects and an empty etcd are
/// all that there is.
#[test]
fn a_copy_of_the_objects_and_an_empty_etcd_restore_the_store() {
    let (Some(place), Some(elsewhere)) = (Place::new(), Place::new()) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| Ost::from_url(&format!("file://{}/{name}", directory.path().display()));
    run(async {
        let store = place.builder_at(&place.prefix, at("objects").unwrap());
        let store = store.open().await.unwrap();
        for number in 0..30 {
            let id = format!("{number:02}");
            store.put_raw("t", &id, "x").await.unwrap();
            if number == 20 {
                store.checkpoint().await.unwrap();
            }
        }
        let expected = ids(&store).await;
        store.close().await.unwrap();
        let copied = std::process::Command::new("cp")
            .args(["-r", "objects", "copy"])
            .current_dir(directory.path())
            .status();
        assert!(copied.unwrap().success());
        let restored = elsewhere.builder_at(&place.prefix, at("copy").unwrap());
        let restored = restored.open().await.unwrap();
        put_surely(&restored, "after").await;
        let mut found = ids(&restored).await;
        assert_eq!(found.pop().unwrap(), "after");
        assert_eq!(found, expected);
        restored.close().await.unwrap();
    });
}

#[test]
fn no_manifest_covers_what_is_in_etcd_alone() {
    let Some(mut place) = place_without_flushes() else {
        return;
    };
    place.settings.commit_timeout = Duration::from_millis(500);
    place.settings.maintain = false;
    run(async {
        let store = place.open("a").await;
        store.put_raw("t", "1", "x").await.unwrap();
        let manifests = count_objects(&place.ost, "manifests/").await;
        let no_records = Fault::on(Operation::Create).paths("*/wal/*");
        place.faults.inject(no_records);
        let error = store.checkpoint().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert_eq!(count_objects(&place.ost, "manifests/").await, manifests);
        place.faults.clear();
        store.checkpoint().await.unwrap();
        assert_eq!(count_objects(&place.ost, "manifests/").await, manifests + 1);
        assert!(count_objects(&place.ost, "wal/").await > 0);
        store.close().await.unwrap();
    });
}

/// It looked for an announcement alone, which is removed once the recovery is over. So it acknowledged commits on its own etcd
/// that nobody else ever saw.
#[test]
fn a_process_that_could_not_hear_of_a_recovery_acknowledges_nothing_on_the_log_before() {
    let Some(mut place) = Place::new() else {
        return;
    };
    place.settings.flush_interval = Duration::from_millis(50);
    run(async {
        // Its way to the object storage is cut, and its etcd is well.
        let way = FaultInjectingStore::new(place.objects.clone(), 2);
        let ost = Ost::from_object_store(Arc::new(way.clone()), "base").unwrap();
        let deaf = Builder::from_ost(ost)
            .name("deaf")
            .settings(place.settings.clone())
            .etcd(place.options());
        let deaf = deaf.open().await.unwrap();
        deaf.put_raw("t", "1", "x").await.unwrap();
        wait_until("it is flushed", async || {
            count_objects(&place.ost, "wal/").await > 0
        })
        .await;
        way.inject(Fault::on_any());

        // For the others etcd is another one, which has lost the log.
        let other = Etcd::start(Cluster::new().flag("--initial-cluster-token=other")).unwrap();
        let options = EtcdOptions::new(&other.endpoints()[0], &place.prefix).unwrap();
        let store = place.builder("b").etcd(options).open().await.unwrap();
        put_surely(&store, "2").await;
        assert_eq!(store.stats().epoch, 2);

        way.clear();
        // What is acknowledged has found its place behind the recovery, for everybody.
        let told = deaf.put_raw("t", "3", "x").await;
        put_surely(&store, "4").await;
        let expected: &[&str] = match &told {
            Ok(committed) => {
                assert!(committed.position.epoch > 1, "{committed:?}");
                &["1", "2", "3", "4"]
            }
            Err(_) => &["1", "2", "4"],
        };
        assert_eq!(ids(&store).await, expected);
        let _ = deaf.close().await;
        store.close().await.unwrap();
    });
}

#[test]
fn who_recovers_waits_for_what_a_slower_process_holds() {
    let Some(mut place) = place_without_flushes() else {
        return;
    };
    place.settings.etcd_recovery_wait = Duration::from_secs(8);
    let proxy = TcpProxy::start(place.etcd.address(0), 3).unwrap();
    run(async {
        let way = FaultInjectingStore::new(place.objects.clone(), 3);
        let ost = Ost::from_object_store(Arc::new(way.clone()), "base").unwrap();
        let slower = Builder::from_ost(ost)
            .name("slower")
            .settings(place.settings.clone())
            .etcd(place.options());
        let slower = slower.open().await.unwrap();
        let options = EtcdOptions::new(&proxy.endpoint(), &place.prefix).unwrap();
        let first = place.builder("first").etcd(options).open().await.unwrap();
        assert_eq!(first.instances().await.unwrap().len(), 2);
        // The slower one alone sees its commit, and cannot save it for now.
        proxy.set_faults(ProxyFaults::black_hole()).unwrap();
        slower.put_raw("t", "held", "x").await.unwrap();
        way.inject(Fault::on_any());
        place.wipe_keys();
        // What the proxy has held back gets lost.
        proxy.cut();
        proxy.set_faults(ProxyFaults::default()).unwrap();
        wait_until("the recovery has begun", async || {
            count_objects(&place.ost, "recovery/").await > 0
                || count_objects(&place.ost, "epochs/").await > 1
        })
        .await;
        way.clear();
        put_surely(&first, "after").await;
        assert_eq!(ids(&first).await, ["after", "held"]);
        slower.close().await.unwrap();
        first.close().await.unwrap();
    });
}
