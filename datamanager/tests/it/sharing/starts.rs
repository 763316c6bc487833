//! First starts.

use super::*;

pub(crate) async fn four_first_starts_at_once_make_one_store(place: &Place) {
    let names = ["a", "b", "c", "d"];
    let stores = join_all(names.map(|name| place.open(name))).await;
    let ids: BTreeSet<String> = stores.iter().map(|store| store.stats().store).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    for (store, name) in stores.iter().zip(names) {
        increment_until_done(store, name).await;
    }
    for store in &stores {
        assert_eq!(counter(store).await, names.len() as u64);
        store.close().await.unwrap();
    }
    assert_eq!(place.keys("epochs/").await.len(), 1);
    place.content("store.json").await;
}

/// A process that was stopped during the first start, while others made the store and worked with it, took their files for
/// those of something else, or said that the store was not found.
#[test]
fn a_first_start_that_stands_still_at_any_request_finds_the_store_that_others_have_made() {
    const REQUESTS: [Operation; 6] = [
        Operation::Get,
        Operation::Head,
        Operation::List,
        Operation::ListLevel,
        Operation::Put,
        Operation::Create,
    ];
    let mut stopped_at = 0;
    for stop_at in 1.. {
        let mut site = Site::new(100 + stop_at);
        site.keep_nothing();
        site.settings.maintain = false;
        let (a, b) = (site.process("a"), site.process("b"));
        let stopped = site.run(async || {
            let builder = site.builder(&b);
            let mut opening = b.run("open", async move { builder.open().await });
            let asked = || -> usize {
                let of = |operation| site.objects.request_count("b", operation, "");
                REQUESTS.into_iter().map(of).sum()
            };
            let reached = async {
                while (asked() as u64) < stop_at {
                    a.sleep(Duration::from_micros(50)).await;
                }
            };
            let first = futures::future::select(&mut opening, Box::pin(reached)).await;
            let stopped = matches!(first, futures::future::Either::Right(_));
            drop(first);
            if stopped {
                b.pause();
            }
            let store = site.open(&a).await;
            for number in 0..5 {
                increment_until_done(&store, &format!("a-{number}")).await;
                store.checkpoint().await.unwrap();
            }
            store.collect_garbage().await.unwrap();
            b.resume();
            if stopped {
                let other = opening.await.unwrap().unwrap();
                assert_eq!(other.stats().store, store.stats().store);
                assert_eq!(counter(&other).await, 5, "stopped at request {stop_at}");
                other.close().await.unwrap();
            }
            store.close().await.unwrap();
            stopped
        });
        if !stopped {
            break;
        }
        stopped_at = stop_at;
    }
    assert!(stopped_at > 20, "the first start has {stopped_at} requests");
}

on_each_place!(four_first_starts_at_once_make_one_store);
