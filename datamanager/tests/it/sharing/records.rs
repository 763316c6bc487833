//! Records that are missing, and lists of many pages.

use super::*;

/// Only where all manifests that are kept hold what had stood there is what a missing record leaves behind no damage.
pub(crate) async fn a_record_that_is_missing_and_may_be_needed_is_damage(place: &Place) {
    place.set(|settings| settings.maintain = false);
    let key = |seq: u64| format!("wal/0000000001/{seq:020}.wal");
    let verify = async || place.builder("v").verify().await.unwrap();
    let store = place.open("a").await;
    for number in 0..10 {
        increment(&store, &number.to_string()).await.unwrap();
    }
    store.close().await.unwrap();
    let removed = place.content(&key(5)).await;
    place.remove(&key(5)).await;
    let error = place.builder("a").open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
    assert!(error.chain().contains("lacks record 5"), "{error:?}");
    let report = verify().await;
    assert_eq!(report.strays, [""; 0]);
    let [damage] = report.damage.as_slice() else {
        panic!("{:?}", report.damage);
    };
    assert!(damage.what.contains("record 6 of epoch 1"), "{damage:?}");

    // The manifest before the newest one does not hold it, and is of use only if the log goes on from there.
    place.put(&key(5), removed).await;
    let store = place.open("a").await;
    store.checkpoint().await.unwrap();
    let between = increment(&store, "between").await.unwrap().seq;
    increment(&store, "behind").await.unwrap();
    store.checkpoint().await.unwrap();
    store.close().await.unwrap();
    place.remove(&key(5)).await;
    place.remove(&key(between)).await;
    let report = verify().await;
    assert_eq!(report.damage.len(), 2, "{:?}", report.damage);

    // What stood before a record that all of them hold is needed for nothing.
    let store = place.open("a").await;
    for number in 0..3 {
        let mark = format!("later {number}");
        increment(&store, &mark).await.unwrap();
        store.checkpoint().await.unwrap();
    }
    store.close().await.unwrap();
    for number in 1..=3 {
        let manifest = format!("manifests/0000000001/{number:020}.json");
        place.remove(&manifest).await;
    }
    let report = verify().await;
    assert!(report.is_sound(), "{:?}", report.damage);
    assert_eq!(report.strays.len() as u64, between - 2);
}

/// Field case OS-06: only the first page of a list was seen, and the rest counted as deleted.
#[test]
fn a_log_longer_than_a_page_of_a_list_is_read_and_collected_whole() {
    const PAGE: usize = 7;
    let server = S3Server::start().unwrap();
    server.set_page_entries_max(PAGE);
    let mut settings = Settings::default();
    settings.maintain = false;
    settings.head_confirm_max = Duration::from_millis(500);
    settings.probe_interval_max = Duration::from_millis(100);
    settings.file_retention = Duration::ZERO;
    settings.wal_retention = Duration::ZERO;
    settings.data_file_bytes_max = 300;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let builder = || Builder::from_ost(server.open("base")).settings(settings.clone());
        let count = async |prefix: &str| {
            let listed = server.open("base");
            let keys: Vec<_> = listed.list(prefix, None).try_collect().await.unwrap();
            keys.len()
        };
        let store = builder().open().await.unwrap();
        let numbers = 0..5 * PAGE;
        for number in numbers.clone() {
            increment(&store, &number.to_string()).await.unwrap();
        }
        store.close().await.unwrap();
        let store = builder().open().await.unwrap();
        assert_eq!(store.stats().records_applied, numbers.len() as u64);
        assert_eq!(counter(&store).await, numbers.len() as u64);
        assert_eq!(store.records(1).count().await, numbers.len());

        for round in 0..2 * PAGE {
            increment(&store, &format!("round {round}")).await.unwrap();
            store.checkpoint().await.unwrap();
        }
        assert!(count("data/").await > 2 * PAGE);
        let expected = read(&store).await.unwrap();
        store.compact().await.unwrap();
        let began = Instant::now();
        while count("wal/").await > PAGE {
            assert!(began.elapsed() < Duration::from_secs(15));
            store.collect_garbage().await.unwrap();
        }
        let report = builder().verify().await.unwrap();
        assert!(
            report.is_sound() && report.unreferenced.is_empty(),
            "{report:?}"
        );
        assert_eq!(read(&store).await.unwrap(), expected);
        store.close().await.unwrap();
    });
}

on_each_place!(a_record_that_is_missing_and_may_be_needed_is_damage);
