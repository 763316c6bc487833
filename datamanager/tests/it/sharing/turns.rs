//! Several busy writers.

use super::*;

/// On a service whose answers to reads were slow, one writer came to 1,000 batches and the other to one.
async fn two_busy_writers_take_turns(place: &Place) {
    const BATCHES: usize = 400;
    let stores = [place.open("a").await, place.open("b").await];
    let begun = AtomicUsize::new(0);
    let writers = stores.iter().map(async |store| {
        let mut batches = 0;
        while begun.fetch_add(1, Ordering::SeqCst) < BATCHES {
            store
                .put_raw("note", store.instance(), "text")
                .await
                .unwrap();
            batches += 1;
        }
        batches
    });
    let batches = join_all(writers).await;
    let (least, most) = (batches[0].min(batches[1]), batches[0].max(batches[1]));
    assert!(most <= 2 * least, "{batches:?}");
    for store in &stores {
        store.close().await.unwrap();
    }
}

#[test]
fn two_busy_writers_share_the_log_within_a_factor_of_two() {
    const CLIENTS: usize = 4;
    for seed in 1..=3 {
        let site = Site::new(seed);
        let (a, b) = (site.process("a"), site.process("b"));
        let batches = site.run(async || {
            let stores = [site.open(&a).await, site.open(&b).await];
            let end = a.steady_time() + Duration::from_secs(20);
            let environment = &a;
            let writers = stores.iter().map(|store| {
                let clients = (0..CLIENTS).map(move |client| {
                    let id = client.to_string();
                    async move {
                        let mut positions = BTreeSet::new();
                        while environment.steady_time() < end {
                            let committed = store.put_raw("note", &id, "text").await.unwrap();
                            positions.insert(committed.position.seq);
                        }
                        positions
                    }
                });
                async move {
                    let positions = join_all(clients).await.into_iter().flatten();
                    positions.collect::<BTreeSet<u64>>().len()
                }
            });
            let batches = join_all(writers).await;
            for store in &stores {
                store.close().await.unwrap();
            }
            batches
        });
        let (least, most) = (batches[0].min(batches[1]), batches[0].max(batches[1]));
        assert!(least > 500 && most <= 2 * least, "seed {seed}: {batches:?}");
    }
}

on_each_place!(two_busy_writers_take_turns);
