//! The epoch that begins when etcd has lost the log: what goes on in it, and what is given up.

use std::sync::Arc;
use std::time::Duration;

use datamanager::testing::{ProxyFaults, TcpProxy};
use datamanager::{Builder, Conflict, DataManager, EtcdOptions};
use ost::{Fault, FaultInjectingStore, Ost};

use super::place::{Place, count_objects, ids, put_surely, run, wait_until};

/// Nothing is flushed but on demand.
fn place_without_flushes() -> Option<Place> {
    let mut place = Place::new()?;
    place.settings.flush_interval = Duration::from_secs(60);
    place.settings.maintain = false;
    Some(place)
}

async fn wait_for_epoch(store: &DataManager, epoch: u32) {
    wait_until("the next epoch begins", async || {
        store.stats().epoch == epoch
    })
    .await;
}

#[test]
fn transactions_go_on_over_a_recovery_that_loses_nothing_and_tokens_do_not() {
    let Some(place) = place_without_flushes() else {
        return;
    };
    run(async {
        let (first, second) = (place.open("a").await, place.open("b").await);
        first.put_raw("t", "read", "x").await.unwrap();
        first.put_raw("t", "changed", "x").await.unwrap();
        let mut kept = first.begin();
        kept.get_raw("t", "read").await.unwrap().unwrap();
        let mut early = first.begin();
        early.get_raw("t", "changed").await.unwrap().unwrap();
        let mut late = first.begin();
        late.get_raw("t", "missing").await.unwrap();
        let token = first.token(["group"]).unwrap();

        // One thing changes before the log is lost, the other in the next epoch.
        second.put_raw("t", "changed", "y").await.unwrap();
        place.wipe_keys();
        put_surely(&second, "missing").await;
        for store in [&first, &second] {
            wait_for_epoch(store, 2).await;
        }

        kept.put_raw("t", "kept", "x").unwrap();
        kept.commit().await.unwrap();
        for (mut transaction, id) in [(early, "changed"), (late, "missing")] {
            transaction.put_raw("t", "no", "x").unwrap();
            let error = transaction.commit().await.unwrap_err();
            let found = error.conflict();
            let is_it = matches!(found, Some(Conflict::Entry { id: found, .. }) if found == id);
            assert!(is_it, "{id}: {error:?}");
        }
        // It may have come from a process whose part of the log was given up.
        let mut transaction = first.begin();
        transaction.check_token(token).unwrap();
        let error = transaction.commit().await.unwrap_err();
        assert_eq!(error.conflict(), Some(&Conflict::Epoch), "{error:?}");

        assert_eq!(ids(&first).await, ["changed", "kept", "missing", "read"]);
        first.close().await.unwrap();
        second.close().await.unwrap();
    });
}

/// A process was silent while etcd went back to a backup from before its last commits, which nobody else had seen, and others
/// went on from there. It took the log for damaged and gave the store up. Now it keeps aside what it holds, and begins anew.
#[test]
fn what_only_a_silent_process_had_seen_of_a_restored_log_is_kept_aside_and_reported() {
    // What it lacks is in etcd, or in data files.
    for has_checkpoint in [false, true] {
        come_back_to_a_restored_log(has_checkpoint);
    }
}

fn come_back_to_a_restored_log(has_checkpoint: bool) {
    let Some(place) = place_without_flushes() else {
        return;
    };
    let proxies = [7, 8].map(|seed| TcpProxy::start(place.etcd.address(0), seed).unwrap());
    run(async {
        // Each has a way of its own to etcd and to the object storage.
        let faults = FaultInjectingStore::new(place.objects.clone(), 2);
        let own = Ost::from_object_store(Arc::new(faults.clone()), "base").unwrap();
        let through = |ost: &Ost, place: &Place, number: usize, name: &str| {
            let options = EtcdOptions::new(&proxies[number].endpoint(), &place.prefix).unwrap();
            let builder = Builder::from_ost(ost.clone()).name(name).etcd(options);
            builder.settings(place.settings.clone())
        };
        let silent = through(&own, &place, 0, "silent").open().await.unwrap();
        let other = through(&place.ost, &place, 1, "other")
            .open()
            .await
            .unwrap();
        silent.put_raw("t", "old", "x").await.unwrap();
        wait_until("both have it", async || {
            other.count("t").await.unwrap() == 1
        })
        .await;
        let backup = place.etcd.directory().join("backup");
        place.etcd.save_snapshot(&backup).unwrap();

        proxies[1].set_faults(ProxyFaults::black_hole()).unwrap();
        for id in ["lost 1", "lost 2"] {
            silent.put_raw("t", id, "x").await.unwrap();
        }
        let mut held = silent.begin();
        held.get_raw("t", "lost 1").await.unwrap().unwrap();
        proxies[0].set_faults(ProxyFaults::black_hole()).unwrap();
        faults.inject(Fault::on_any());
        place.etcd.restore_snapshot(&backup).unwrap();
        // What was on its way does not arrive any more.
        proxies[1].cut();
        proxies[1].set_faults(ProxyFaults::default()).unwrap();
        for number in 0..5 {
            put_surely(&other, &format!("new {number}")).await;
        }
        if has_checkpoint {
            other.checkpoint().await.unwrap();
        }
        assert_eq!(other.stats().epoch, 1, "nobody has told it of a loss");

        faults.clear();
        proxies[0].cut();
        proxies[0].set_faults(ProxyFaults::default()).unwrap();
        wait_until("it has what the others have", async || {
            silent.count("t").await.unwrap() == 6
        })
        .await;
        let kept = count_objects(&place.ost, "recovery/fork-0000000001-").await;
        assert_eq!(kept, 1);
        held.put_raw("t", "no", "x").unwrap();
        let error = held.commit().await.unwrap_err();
        assert_eq!(error.conflict(), Some(&Conflict::TooOld), "{error:?}");
        put_surely(&silent, "after").await;
        let expected = ["after", "new 0", "new 1", "new 2", "new 3", "new 4", "old"];
        for store in [&silent, &other] {
            assert_eq!(ids(store).await, expected);
            assert_eq!(store.stats().epoch, 1);
        }
        silent.close().await.unwrap();
        other.close().await.unwrap();
        let verification = place.builder("v").verify().await.unwrap();
        assert!(verification.is_sound(), "{:?}", verification.damage);
    });
}

/// An old backup may hold a head that is about to begin an epoch which began elsewhere since.
#[test]
fn a_sealed_head_whose_number_is_taken_by_another_base_is_sealed_again_with_the_next() {
    let Some(place) = place_without_flushes() else {
        return;
    };
    run(async {
        let store = place.open("a").await;
        store.put_raw("t", "0", "x").await.unwrap();
        place.wipe_keys();
        put_surely(&store, "1").await;
        wait_for_epoch(&store, 2).await;
        let seal_elsewhere = |epoch: u32| {
            let head = format!(
                r#"{{"format":1,"epoch":{},"seq":1,"record":"{}","sealed_for":{epoch}}}"#,
                epoch - 1,
                "ab".repeat(16)
            );
            let key = format!("{}/head", place.prefix);
            place.etcd.etcdctl(&["put", &key, &head]).unwrap();
        };
        // Under a running process, and while there is none.
        seal_elsewhere(2);
        wait_for_epoch(&store, 3).await;
        put_surely(&store, "2").await;
        store.close().await.unwrap();
        seal_elsewhere(3);
        let store = place.open("b").await;
        wait_for_epoch(&store, 4).await;
        put_surely(&store, "3").await;
        assert_eq!(ids(&store).await, ["0", "1", "2", "3"]);
        store.close().await.unwrap();
        let verification = place.builder("v").verify().await.unwrap();
        assert!(verification.is_sound(), "{:?}", verification.damage);
    });
}
