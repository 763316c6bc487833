//! The store does what a plain ordered map does.

use std::collections::BTreeMap;
use std::time::Duration;

use datamanager::{DataManager, ErrorKind, ScanOptions, Snapshot};
use proptest::prelude::*;

use crate::host::Host;

#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8, Vec<u8>),
    Delete(u8, u8),
    Get(u8, u8),
    Scan {
        data_type: u8,
        prefix: u8,
        start: Option<u8>,
        end: Option<u8>,
        reverse: bool,
        limit: Option<usize>,
    },
    TakeSnapshot,
    ReadSnapshot,
    Transaction {
        writes: Vec<(u8, u8, Option<u8>)>,
        commit: bool,
    },
    Checkpoint,
    Compact,
    CompactAsDue,
    CollectGarbage,
    Pin(bool),
    Reopen,
    CutPower,
}

type Model = BTreeMap<(String, String), Vec<u8>>;

fn data_type(number: u8) -> String {
    ["a", "b", "a-b"][usize::from(number) % 3].to_owned()
}

fn id(number: u8) -> String {
    // Few ids, of different lengths, with shared prefixes and more than ASCII.
    let number = number % 24;
    format!(
        "{}{}",
        ["", "x", "xy", "é"][usize::from(number) % 4],
        number / 4
    )
}

fn step() -> impl Strategy<Value = Step> {
    let value = proptest::collection::vec(any::<u8>(), 0..40);
    let write = (any::<u8>(), any::<u8>(), any::<Option<u8>>());
    prop_oneof![
        6 => (any::<u8>(), any::<u8>(), value).prop_map(|(data_type, id, value)| Step::Put(data_type, id, value)),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(data_type, id)| Step::Delete(data_type, id)),
        4 => (any::<u8>(), any::<u8>()).prop_map(|(data_type, id)| Step::Get(data_type, id)),
        4 => (any::<u8>(), any::<u8>(), any::<Option<u8>>(), any::<Option<u8>>(), any::<bool>(), prop::option::of(0usize..8))
            .prop_map(|(data_type, prefix, start, end, reverse, limit)| {
                Step::Scan { data_type, prefix, start, end, reverse, limit }
            }),
        1 => Just(Step::TakeSnapshot),
        1 => Just(Step::ReadSnapshot),
        3 => (proptest::collection::vec(write, 0..6), any::<bool>())
            .prop_map(|(writes, commit)| Step::Transaction { writes, commit }),
        3 => Just(Step::Checkpoint),
        1 => Just(Step::Compact),
        2 => Just(Step::CompactAsDue),
        2 => Just(Step::CollectGarbage),
        1 => any::<bool>().prop_map(Step::Pin),
        1 => Just(Step::Reopen),
        1 => Just(Step::CutPower),
    ]
}

fn of_type(model: &Model, name: &str) -> Vec<(String, Vec<u8>)> {
    let entries = model.iter().filter(|((data_type, _), _)| data_type == name);
    entries
        .map(|((_, id), value)| (id.clone(), value.clone()))
        .collect()
}

async fn check_all(snapshot: &Snapshot, model: &Model) {
    for number in 0..3 {
        let name = data_type(number);
        let found = snapshot
            .scan_raw(&name, &ScanOptions::new())
            .unwrap()
            .collect()
            .await
            .unwrap();
        let found: Vec<_> = found
            .into_iter()
            .map(|entry| (entry.id, entry.value.to_vec()))
            .collect();
        assert_eq!(found, of_type(model, &name));
        assert_eq!(snapshot.count(&name).await.unwrap(), found.len() as u64);
    }
}

/// A snapshot reads what it did when it was taken, or says that it has expired.
async fn check_kept(snapshot: &Snapshot, model: &Model) {
    for number in 0..3 {
        let name = data_type(number);
        let found = snapshot
            .scan_raw(&name, &ScanOptions::new())
            .unwrap()
            .collect()
            .await;
        match found {
            Ok(found) => {
                let found: Vec<_> = found
                    .into_iter()
                    .map(|entry| (entry.id, entry.value.to_vec()))
                    .collect();
                assert_eq!(found, of_type(model, &name));
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Expired, "{error:?}"),
        }
    }
}

async fn check_scan(store: &DataManager, model: &Model, step: &Step) {
    let Step::Scan {
        data_type: name,
        prefix,
        start,
        end,
        reverse,
        limit,
    } = step
    else {
        return;
    };
    let name = data_type(*name);
    let prefix = ["", "x", "xy", "é"][usize::from(*prefix) % 4];
    let mut options = ScanOptions::new().prefix(prefix);
    let (start, end) = (start.map(id), end.map(id));
    if let Some(start) = &start {
        options = options.start(start);
    }
    if let Some(end) = &end {
        options = options.end(end);
    }
    let mut expected = of_type(model, &name);
    if *reverse {
        options = options.reverse();
        expected.reverse();
        expected.retain(|(id, _)| start.as_ref().is_none_or(|start| id <= start));
        expected.retain(|(id, _)| end.as_ref().is_none_or(|end| id > end));
    } else {
        expected.retain(|(id, _)| start.as_ref().is_none_or(|start| id >= start));
        expected.retain(|(id, _)| end.as_ref().is_none_or(|end| id < end));
    }
    expected.retain(|(id, _)| id.starts_with(prefix));
    if let Some(limit) = limit {
        options = options.limit(*limit);
        expected.truncate(*limit);
    }
    let found = store
        .scan_raw(&name, &options)
        .unwrap()
        .collect()
        .await
        .unwrap();
    let found: Vec<_> = found
        .into_iter()
        .map(|entry| (entry.id, entry.value.to_vec()))
        .collect();
    assert_eq!(found, expected, "{step:?}");
}

fn run(seed: u64, steps: &[Step]) {
    let mut host = Host::new(seed);
    host.settings.segment_records_max = 5;
    host.settings.maintain = false;
    host.settings.data_file_bytes_max = 200;
    host.settings.block_bytes = Some(64);
    host.settings.level0_runs_max = 2;
    host.settings.level1_bytes_max = 500;
    host.settings.file_retention = Duration::ZERO;
    host.settings.wal_retention = Duration::ZERO;
    let mut process = host.process();
    host.simulation
        .run_until(async {
            let mut store = host.open(&process).await.unwrap();
            let mut model = Model::new();
            let mut kept: Option<(Snapshot, Model)> = None;
            for step in steps {
                match step {
                    Step::Put(name, number, value) => {
                        store
                            .put_raw(&data_type(*name), &id(*number), value.clone())
                            .await
                            .unwrap();
                        model.insert((data_type(*name), id(*number)), value.clone());
                    }
                    Step::Delete(name, number) => {
                        store
                            .delete_raw(&data_type(*name), &id(*number))
                            .await
                            .unwrap();
                        model.remove(&(data_type(*name), id(*number)));
                    }
                    Step::Get(name, number) => {
                        let found = store
                            .get_raw(&data_type(*name), &id(*number))
                            .await
                            .unwrap();
                        let expected = model.get(&(data_type(*name), id(*number)));
                        assert_eq!(found.as_deref(), expected.map(Vec::as_slice));
                    }
                    Step::Scan { .. } => check_scan(&store, &model, step).await,
                    Step::TakeSnapshot => kept = Some((store.snapshot(), model.clone())),
                    Step::ReadSnapshot => {
                        if let Some((snapshot, model)) = &kept {
                            check_kept(snapshot, model).await;
                        }
                    }
                    Step::Transaction { writes, commit } => {
                        let mut transaction = store.begin();
                        let mut changed = model.clone();
                        for (name, number, value) in writes {
                            let (name, id) = (data_type(*name), id(*number));
                            match value {
                                Some(value) => {
                                    transaction.put_raw(&name, &id, vec![*value]).unwrap();
                                    changed.insert((name.clone(), id), vec![*value]);
                                }
                                None => {
                                    transaction.delete_raw(&name, &id).unwrap();
                                    changed.remove(&(name.clone(), id));
                                }
                            }
                            let seen = transaction.scan_raw(&name, &ScanOptions::new()).unwrap();
                            let seen = seen.collect().await.unwrap();
                            let seen: Vec<_> = seen
                                .into_iter()
                                .map(|entry| (entry.id, entry.value.to_vec()))
                                .collect();
                            assert_eq!(seen, of_type(&changed, &name), "within the transaction");
                        }
                        if *commit {
                            transaction.commit().await.unwrap();
                            model = changed;
                        }
                    }
                    Step::Checkpoint => drop(store.checkpoint().await.unwrap()),
                    Step::Compact => drop(store.compact().await.unwrap()),
                    Step::CompactAsDue => drop(store.compact_as_due().await.unwrap()),
                    Step::CollectGarbage => drop(store.collect_garbage().await.unwrap()),
                    Step::Pin(true) => drop(store.pin("kept", None).await.unwrap()),
                    Step::Pin(false) => drop(store.unpin("kept").await),
                    Step::Reopen => {
                        store.close().await.unwrap();
                        store = host.open(&process).await.unwrap();
                    }
                    Step::CutPower => {
                        process.cut_power();
                        process = host.process();
                        store = host.open(&process).await.unwrap();
                    }
                }
            }
            check_all(&store.snapshot(), &model).await;
            store.close().await.unwrap();
            let verification = host.builder(&process).verify().await.unwrap();
            assert!(verification.is_sound(), "{verification:?}");
        })
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_agree_with_a_plain_ordered_map(
        seed in any::<u64>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        run(seed, &steps);
    }
}
