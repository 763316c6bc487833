//! Which requests commits and idle processes make.

use super::*;

async fn a_batch_costs_one_put_and_who_is_idle_lists_nothing(place: &Place) {
    const BATCHES: u64 = 30;
    place.set(|settings| settings.maintain = false);
    let began = Instant::now();
    let store = place.open("busy").await;
    // Behind the first of them it is looked whether others are there.
    for _ in 0..10 {
        store.put_raw("note", "1", "text").await.unwrap();
    }
    let before = place.requests();
    for _ in 0..BATCHES {
        store.put_raw("note", "1", "text").await.unwrap();
    }
    let spent = place.requests().since(before);
    assert!(
        began.elapsed() < REGISTRATION_INTERVAL,
        "the machine is too slow for this test"
    );
    assert_eq!((spent.puts, spent.lists, spent.deletes), (BATCHES, 0, 0));
    store.close().await.unwrap();

    let reader = place.open("idle").await;
    reader.latest_snapshot().await.unwrap();
    let (before, began) = (place.requests(), Instant::now());
    place.sleep(Duration::from_secs(5)).await;
    let spent = place.requests().since(before);
    assert!(
        began.elapsed() < REGISTRATION_INTERVAL,
        "the machine is too slow for this test"
    );
    assert_eq!((spent.puts, spent.lists, spent.deletes), (0, 0, 0));
    // Every 250 ms, and at shorter intervals at first.
    assert!((10..=26).contains(&spent.gets), "{}", spent.gets);
    reader.close().await.unwrap();
}

#[test]
fn a_batch_costs_one_put_in_simulations() {
    Place::simulation(1).run(a_batch_costs_one_put_and_who_is_idle_lists_nothing);
}

#[test]
fn a_batch_costs_one_put_in_a_directory() {
    Place::counted_directory().run(a_batch_costs_one_put_and_who_is_idle_lists_nothing);
}

#[test]
fn a_batch_costs_one_put_on_an_s3_service() {
    Place::s3().run(a_batch_costs_one_put_and_who_is_idle_lists_nothing);
}

#[test]
fn each_acknowledged_batch_costs_one_put_and_an_idle_process_probes_and_registers_only() {
    const BATCHES: usize = 50;
    let site = Site::new(1);
    let (busy, idle) = (site.process("busy"), site.process("idle"));
    site.run(async || {
        let (store, reader) = (site.open(&busy).await, site.open(&idle).await);
        let count = |name: &str, operation| site.objects.request_count(name, operation, "");
        let writes = [Operation::Put, Operation::Delete, Operation::List];
        site.objects.reset_requests();
        for _ in 0..BATCHES {
            store.put_raw("note", "1", "text").await.unwrap();
        }
        assert_eq!(count("busy", Operation::Create), BATCHES);
        assert_eq!(count("busy", Operation::Put), 0);
        reader.wait_for(store.position()).await.unwrap();

        // Longer than what is found by asking is believed, if asking did not prolong it.
        site.objects.reset_requests();
        idle.sleep(Duration::from_secs(50)).await;
        assert_eq!(count("idle", Operation::Create), 0);
        let wrote = writes.map(|operation| count("idle", operation));
        assert_eq!(wrote, [2, 0, 0], "puts, deletes, lists");
        let registered = site
            .objects
            .request_count("idle", Operation::Put, "base/instances/");
        assert_eq!(registered, 2);
        let probes = site
            .objects
            .request_count("idle", Operation::Get, "base/wal/");
        assert_eq!(count("idle", Operation::Get), probes);
        assert!(
            (150..=200).contains(&probes),
            "{probes} in 50 s, every 250 ms"
        );
        store.close().await.unwrap();
        reader.close().await.unwrap();
    });
}
