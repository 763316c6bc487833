//! An etcd that is slow, silent, full or elsewhere, and an object storage that is away.

use std::time::{Duration, Instant};

use datamanager::testing::{
    EtcdOptions as Cluster, LostReplies, ProxyFaults, Reply, TcpProxy, cpu_time,
};
use datamanager::{DataManager, ErrorKind, EtcdOptions};
use ost::{Fault, Operation};

use super::place::{
    Place, compact_history, count_objects, ids, put_surely, revision, run, wait_until,
};

/// A store whose process reaches etcd through `proxy`.
async fn open_through(place: &Place, proxy: &TcpProxy, name: &str) -> DataManager {
    let options = EtcdOptions::new(&proxy.endpoint(), &place.prefix).unwrap();
    place.builder(name).etcd(options).open().await.unwrap()
}

#[test]
fn lost_replies_leave_no_gap_and_no_double() {
    let Some(place) = Place::new() else {
        return;
    };
    let proxy = TcpProxy::start(place.etcd.address(0), 7).unwrap();
    run(async {
        let (first, second) = (
            open_through(&place, &proxy, "first").await,
            place.open("second").await,
        );
        let faults = ProxyFaults {
            lose: LostReplies::Every(10),
            reply: Reply::Http2Data,
            ..ProxyFaults::default()
        };
        proxy.set_faults(faults).unwrap();
        for number in 0..25 {
            put_surely(&first, &format!("a{number:02}")).await;
            second
                .put_raw("t", &format!("b{number:02}"), "x")
                .await
                .unwrap();
        }
        proxy.set_faults(ProxyFaults::default()).unwrap();
        assert!(proxy.counts().replies_lost > 0, "{:?}", proxy.counts());
        assert_eq!(ids(&second).await.len(), 50);
        let mut cursor = second.follow(second.cursor_before(1).await.unwrap());
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let next = cursor.next().await.unwrap();
            assert!(
                seen.insert(next.writes[0].id.clone()),
                "{next:?} came twice"
            );
        }
        first.close().await.unwrap();
        second.close().await.unwrap();
    });
}

#[test]
fn a_frozen_etcd_fails_commits_fast_costs_no_cpu_and_needs_no_restart() {
    let Some(place) = Place::new() else {
        return;
    };
    run(async {
        let store = place.open("a").await;
        store.put_raw("t", "before", "x").await.unwrap();
        place.etcd.freeze(0).unwrap();
        wait_until("commits are refused", async || {
            let error = store.put_raw("t", "frozen", "x").await.unwrap_err();
            error.kind() == ErrorKind::Unavailable
        })
        .await;
        let cpu = cpu_time(std::process::id()).unwrap();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(2) {
            let asked = Instant::now();
            let error = store.put_raw("t", "frozen", "x").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            assert!(asked.elapsed() < Duration::from_millis(500), "fails fast");
            assert_eq!(store.count("t").await.unwrap(), 1, "reads go on");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let cpu = cpu_time(std::process::id()).unwrap() - cpu;
        assert!(cpu < Duration::from_millis(1500), "{cpu:?} of 2 s");
        place.etcd.thaw(0).unwrap();
        wait_until("commits work again", async || {
            store.put_raw("t", "after", "x").await.is_ok()
        })
        .await;
        let found = ids(&store).await;
        assert!(found.contains(&"after".to_owned()) && found.contains(&"before".to_owned()));
        assert_eq!(store.stats().epoch, 1, "a time-out is no loss");
        store.close().await.unwrap();
    });
}

#[test]
fn commits_go_on_while_the_leader_of_three_nodes_is_killed() {
    let Some(place) = Place::with(Cluster::new().nodes(3)) else {
        return;
    };
    run(async {
        let (first, second) = (place.open("first").await, place.open("second").await);
        for number in 0..40 {
            put_surely(&first, &format!("a{number:02}")).await;
            put_surely(&second, &format!("b{number:02}")).await;
            if number == 10 {
                let leader = place.etcd.wait_for_leader().unwrap();
                place.etcd.kill(leader).unwrap();
            }
        }
        assert_eq!(ids(&first).await.len(), 80);
        assert_eq!(first.stats().epoch, 1);
        first.close().await.unwrap();
        second.close().await.unwrap();
    });
}

/// Field case OP-08: one dead endpoint of three stopped the service.
#[test]
fn a_dead_endpoint_is_passed_over_and_a_dead_etcd_is_named() {
    let Some(place) = Place::new() else {
        return;
    };
    run(async {
        let nobody = "http://127.0.0.1:1";
        let both = format!("{nobody},{}", place.etcd.endpoints()[0]);
        let mixed = EtcdOptions::new(&format!("{both},https://b"), &place.prefix).unwrap_err();
        assert!(mixed.to_string().contains("mix of http"), "{mixed}");
        let options = EtcdOptions::new(&both, &place.prefix).unwrap();
        let store = place.builder("a").etcd(options).open().await.unwrap();
        store.put_raw("t", "1", "x").await.unwrap();
        store.close().await.unwrap();
        let options = EtcdOptions::new(nobody, &place.prefix).unwrap();
        let error = place.builder("a").etcd(options).open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("etcd cannot"), "{error}");
    });
}

/// Field case OP-04: all calls failed after some minutes, as the token had run out.
#[test]
fn an_expired_token_is_renewed_and_a_wrong_password_is_named() {
    let password = "secret";
    let Some(place) = Place::with(Cluster::new().authentication(password, Duration::from_secs(1)))
    else {
        return;
    };
    run(async {
        let options = || place.options().user("root", password);
        let store = place.builder("a").etcd(options()).open().await.unwrap();
        let reader = place.builder("b").etcd(options()).open().await.unwrap();
        store.put_raw("t", "1", "x").await.unwrap();
        // Longer than the token lives, and shorter than until a renewal of the registration.
        tokio::time::sleep(Duration::from_secs(3)).await;
        store.put_raw("t", "2", "x").await.unwrap();
        assert_eq!(ids(&store).await.len(), 2);
        wait_until("the watch goes on", async || {
            reader.count("t").await.unwrap() == 2
        })
        .await;
        // So does the lease: the registration has been renewed by now, and is compared by each append.
        tokio::time::sleep(Duration::from_secs(4)).await;
        store.put_raw("t", "3", "x").await.unwrap();
        assert_eq!(store.instances().await.unwrap().len(), 2);
        reader.close().await.unwrap();
        store.close().await.unwrap();
        let wrong = place.options().user("root", "other");
        let error = place.builder("a").etcd(wrong).open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert!(!error.chain().contains("other"), "{}", error.chain());
        let error = place.builder("a").open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
    });
}

#[test]
fn a_full_etcd_refuses_commits_by_name_and_works_again_without_restart() {
    let Some(place) = Place::with(Cluster::new().quota_bytes(16 * 1024 * 1024)) else {
        return;
    };
    run(async {
        let store = place.open("a").await;
        store.put_raw("t", "before", "x").await.unwrap();
        let large = "x".repeat(100_000);
        let mut filled = 0;
        while place
            .etcd
            .etcdctl(&["put", &format!("other/{filled}"), &large])
            .is_ok()
        {
            filled += 1;
            assert!(filled < 400, "the quota is 16 MiB");
        }
        let error = store.put_raw("t", "full", "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.to_string().contains("space"), "{error}");
        assert_eq!(ids(&store).await, ["before"], "reads go on");

        place.etcd.etcdctl(&["del", "--prefix", "other/"]).unwrap();
        compact_history(&place.etcd);
        place.etcd.etcdctl(&["defrag"]).unwrap();
        place.etcd.etcdctl(&["alarm", "disarm"]).unwrap();
        wait_until("commits work again", async || {
            store.put_raw("t", "after", "x").await.is_ok()
        })
        .await;
        assert_eq!(ids(&store).await, ["after", "before"]);
        assert_eq!(store.stats().epoch, 1);
        store.close().await.unwrap();
    });
}

#[test]
fn a_follower_that_was_cut_off_past_a_compaction_catches_up() {
    let Some(place) = Place::new() else {
        return;
    };
    let proxy = TcpProxy::start(place.etcd.address(0), 7).unwrap();
    run(async {
        let (far, near) = (
            open_through(&place, &proxy, "far").await,
            place.open("near").await,
        );
        near.put_raw("t", "00", "x").await.unwrap();
        proxy.set_faults(ProxyFaults::black_hole()).unwrap();
        for number in 1..20 {
            let id = format!("{number:02}");
            near.put_raw("t", &id, "x").await.unwrap();
        }
        near.checkpoint().await.unwrap();
        compact_history(&place.etcd);
        proxy.set_faults(ProxyFaults::default()).unwrap();
        wait_until("it catches up", async || {
            far.count("t").await.unwrap() == 20
        })
        .await;
        put_surely(&far, "20").await;
        assert_eq!(ids(&near).await.len(), 21);
        far.close().await.unwrap();
        near.close().await.unwrap();
    });
}

#[test]
fn commits_go_on_while_the_object_storage_is_away_and_are_flushed_afterwards() {
    let Some(mut place) = Place::new() else {
        return;
    };
    place.settings.flush_interval = Duration::from_millis(100);
    run(async {
        let store = place.open("a").await;
        store.put_raw("t", "0", "x").await.unwrap();
        wait_until("the flusher works", async || {
            count_objects(&place.ost, "wal/").await == 1
        })
        .await;
        place.faults.inject(Fault::on_any());
        for number in 1..20 {
            let id = number.to_string();
            store.put_raw("t", &id, "x").await.unwrap();
        }
        assert_eq!(ids(&store).await.len(), 20);
        wait_until("the flusher has tried", async || {
            place.faults.injected() > 0
        })
        .await;
        place.faults.clear();
        wait_until("all is flushed", async || {
            place.value("flushed").contains("\"seq\":20,")
        })
        .await;
        store.close().await.unwrap();
    });
}

#[test]
fn a_flusher_whose_answer_was_lost_goes_on_behind_its_own_object() {
    let Some(mut place) = Place::new() else {
        return;
    };
    place.settings.flush_interval = Duration::from_millis(100);
    run(async {
        let store = place.open("a").await;
        place.faults.inject(
            Fault::on(Operation::Create)
                .paths("*/wal/*")
                .nth(1)
                .after_effect(),
        );
        for number in 0..10 {
            let id = number.to_string();
            store.put_raw("t", &id, "x").await.unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        wait_until("all is flushed", async || {
            place.value("flushed").contains("\"seq\":10,")
        })
        .await;
        store.close().await.unwrap();
        let verification = place.builder("v").verify().await.unwrap();
        assert!(verification.is_sound(), "{:?}", verification.damage);
        assert_eq!(verification.records, 10);
    });
}

#[test]
fn at_the_memory_bound_commits_wait_for_the_object_storage_and_then_fail_clearly() {
    let Some(mut place) = Place::new() else {
        return;
    };
    place.settings.log_bytes_max = 100_000;
    place.settings.commit_timeout = Duration::from_secs(1);
    run(async {
        let store = place.open("a").await;
        store.put_raw("t", "0", "x").await.unwrap();
        place.faults.inject(Fault::on_any());
        let mut committed = 0;
        let refused = loop {
            let id = format!("a{committed:03}");
            match store.put_raw("t", &id, vec![1; 10_000]).await {
                Ok(_) => committed += 1,
                Err(error) => break error,
            }
        };
        assert!((8..=10).contains(&committed), "{committed} of 10 kB fit");
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        assert!(refused.to_string().contains("100000"), "{refused}");
        place.faults.clear();
        wait_until("commits work again", async || {
            store.put_raw("t", "z", "x").await.is_ok()
        })
        .await;
        assert_eq!(ids(&store).await.len(), committed + 2);
        store.close().await.unwrap();
    });
}

#[test]
fn one_process_compacts_the_history_of_etcd() {
    let Some(mut place) = Place::new() else {
        return;
    };
    place.settings.etcd_compaction_interval = Duration::from_secs(2);
    run(async {
        let (first, second) = (place.open("a").await, place.open("b").await);
        first.put_raw("t", "1", "x").await.unwrap();
        let old = revision(&place.etcd);
        first.put_raw("t", "2", "x").await.unwrap();
        let rev = format!("--rev={old}");
        let read = || place.etcd.etcdctl(&["get", "x", &rev]);
        read().unwrap();
        wait_until("the history is compacted", async || {
            read().is_err_and(|error| error.to_string().contains("compacted"))
        })
        .await;
        second.put_raw("t", "3", "x").await.unwrap();
        assert_eq!(ids(&first).await.len(), 3);
        first.close().await.unwrap();
        second.close().await.unwrap();
    });
}
