//! Changing the indexes of a type, and building them from what is there.

use std::time::Duration;

use datamanager::{
    DataManager, Document, ErrorKind, IndexState, Indexes, Query, ScanOptions, UniqueWhileBuilding,
};
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::site::Site;

/// The same type in several versions of a program.
macro_rules! item_version {
    ($name:ident, $indexes:expr) => {
        #[derive(Debug, Serialize, Deserialize)]
        struct $name {
            id: String,
            name: String,
            size: u32,
        }

        impl $name {
            #[allow(dead_code, reason = "not every version is written by a test")]
            fn new(id: &str, name: &str, size: u32) -> $name {
                let (id, name) = (id.to_owned(), name.to_owned());
                $name { id, name, size }
            }
        }

        impl Document for $name {
            const TYPE: &'static str = "item";

            fn id(&self) -> &str {
                &self.id
            }

            fn indexes() -> Indexes<$name> {
                $indexes
            }
        }
    };
}

item_version!(
    ItemV1,
    Indexes::<ItemV1>::new().unique("name", |item| item.name.clone())
);
item_version!(
    ItemV2,
    Indexes::<ItemV2>::new()
        .generation(2)
        .unique("name", |item| item.name.clone())
        .index("size", |item| item.size)
);
item_version!(
    ItemV3,
    Indexes::<ItemV3>::new()
        .generation(3)
        .index("size", |item| u32::MAX - item.size)
        .revision(2)
);
item_version!(
    SameGeneration,
    Indexes::<SameGeneration>::new().index("size", |item| item.size)
);
item_version!(
    UniqueSize,
    Indexes::<UniqueSize>::new()
        .generation(2)
        .unique("size", |item| item.size)
);

const LONG: Duration = Duration::from_secs(60);

async fn ids<T: Document>(store: &DataManager, query: &Query) -> Vec<String> {
    let found = store.snapshot().query::<T>(query).await.unwrap();
    let found = found.collect().await.unwrap();
    found.iter().map(|item| item.id().to_owned()).collect()
}

async fn load_raw(store: &DataManager, count: u32) {
    let mut transaction = store.begin();
    for number in 0..count {
        let item = ItemV1::new(&format!("{number:06}"), &format!("n{number}"), number / 2);
        let value = serde_json::to_vec(&item).unwrap();
        transaction.put_raw("item", &item.id, value).unwrap();
    }
    transaction.commit().await.unwrap();
}

async fn states(store: &DataManager) -> Vec<(String, IndexState)> {
    let indexes = store.indexes("item").await.unwrap();
    indexes
        .into_iter()
        .map(|index| (index.name, index.state))
        .collect()
}

#[test]
fn documents_that_were_there_before_their_indexes_are_found_when_these_are_built() {
    Host::new(1).run(async |store| {
        load_raw(&store, 2_000).await;
        let items = store.collection::<ItemV2>().unwrap();
        let error = items.find("name", "n7").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.to_string().contains("about to be built"), "{error}");
        items.wait_for_indexes(LONG).await.unwrap();
        let found = items.find("name", "n7").await.unwrap();
        assert_eq!(found.unwrap().id, "000007");
        let pair = ids::<ItemV2>(&store, &Query::by("size").equal(999)).await;
        assert_eq!(pair, ["001998", "001999"]);
        assert_eq!(items.count_by(&Query::by("size")).await.unwrap(), 2_000);
    });
}

#[test]
fn types_with_indexes_are_listed_with_generation_and_state() {
    Host::new(12).run(async |store| {
        assert_eq!(store.indexed_types().await.unwrap(), []);
        store.put_raw("other", "1", "{}").await.unwrap();
        let items = store.collection::<ItemV2>().unwrap();
        items.put(&ItemV2::new("1", "a", 1)).await.unwrap();
        let types = store.indexed_types().await.unwrap();
        assert_eq!(types.len(), 1);
        assert_eq!(
            (types[0].data_type.as_str(), types[0].generation),
            ("item", 2)
        );
        assert_eq!(types[0].indexes, store.indexes("item").await.unwrap());
        let indexes = types[0].indexes.iter();
        let indexes: Vec<_> = indexes
            .map(|index| (index.name.as_str(), index.unique, index.state.clone()))
            .collect();
        let ready = || IndexState::Ready;
        assert_eq!(indexes, [("name", true, ready()), ("size", false, ready())]);
    });
}

#[test]
fn raw_writes_to_a_type_with_indexes_are_refused_or_make_them_stale() {
    Host::new(2).run(async |store| {
        let items = store.collection::<ItemV2>().unwrap();
        items.put(&ItemV2::new("1", "a", 1)).await.unwrap();
        for refused in [
            store.put_raw("item", "2", "{}").await,
            store.delete_raw("item", "1").await,
        ] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains("has indexes"), "{error}");
        }
        let mut transaction = store.begin();
        transaction.allow_stale_indexes();
        let raw = r#"{"id":"2","name":"b","size":2}"#;
        transaction.put_raw("item", "2", raw).unwrap();
        transaction.delete_raw("item", "1").unwrap();
        let committed = transaction.commit().await.unwrap();
        let stale = store.snapshot();
        assert_eq!(stale.position(), committed.position);
        let error = stale.find::<ItemV2>("name", "a").await.unwrap_err();
        assert!(error.to_string().contains("out of date"), "{error}");
        // This process knows the type, and so builds the indexes anew.
        items.wait_for_indexes(LONG).await.unwrap();
        assert!(items.find("name", "a").await.unwrap().is_none());
        assert_eq!(items.find("name", "b").await.unwrap().unwrap().id, "2");
        assert_eq!(items.count_by(&Query::by("size")).await.unwrap(), 1);
    });
}

#[test]
fn raw_and_typed_writes_of_one_type_do_not_go_into_one_transaction() {
    Host::new(3).run(async |store| {
        let mut transaction = store.begin();
        transaction.put(&ItemV1::new("1", "a", 1)).unwrap();
        transaction.put_raw("item", "2", "{}").unwrap();
        let error = transaction.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(store.count("item").await.unwrap(), 0);
    });
}

#[test]
fn a_higher_generation_changes_the_indexes_and_a_lower_one_may_only_read() {
    Host::new(4).run(async |store| {
        let old = store.collection::<ItemV1>().unwrap();
        for number in 0..1_200 {
            let item = ItemV1::new(&format!("{number:04}"), &format!("n{number}"), number);
            old.put(&item).await.unwrap();
        }
        let new = store.collection::<ItemV2>().unwrap();
        new.wait_for_indexes(LONG).await.unwrap();
        assert_eq!(
            ids::<ItemV2>(&store, &Query::by("size").equal(7)).await,
            ["0007"]
        );
        // The old program reads, also by the index that has stayed as it was; it does not write.
        assert_eq!(old.get("0007").await.unwrap().unwrap().name, "n7");
        assert_eq!(old.find("name", "n7").await.unwrap().unwrap().id, "0007");
        let error = old.put(&ItemV1::new("x", "x", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("knows generation 1"), "{error}");
        let newest = store.collection::<ItemV3>().unwrap();
        newest.wait_for_indexes(LONG).await.unwrap();
        let order = ids::<ItemV3>(&store, &Query::by("size").limit(2)).await;
        assert_eq!(order, ["1199", "1198"]);
        let error = new.find("name", "n7").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert_eq!(
            states(&store).await,
            [("size".to_owned(), IndexState::Ready)]
        );
    });
}

#[test]
fn other_indexes_under_the_same_generation_are_refused() {
    Host::new(5).run(async |store| {
        let items = store.collection::<ItemV1>().unwrap();
        items.put(&ItemV1::new("1", "a", 1)).await.unwrap();
        let other = store.collection::<SameGeneration>().unwrap();
        let error = other
            .put(&SameGeneration::new("2", "b", 1))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(
            error.to_string().contains("higher generation than 1"),
            "{error}"
        );
        let error = other.query(&Query::by("size")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(other.get("1").await.unwrap().unwrap().name, "a");
        assert_eq!(store.count("item").await.unwrap(), 1);
    });
}

#[test]
fn a_transaction_that_asked_an_index_clashes_with_its_change() {
    Host::new(6).run(async |store| {
        let items = store.collection::<ItemV1>().unwrap();
        items.put(&ItemV1::new("1", "a", 1)).await.unwrap();
        let mut transaction = store.begin();
        assert!(
            transaction
                .find::<ItemV1>("name", "b")
                .await
                .unwrap()
                .is_none()
        );
        transaction.put_raw("other", "1", "x").unwrap();
        store.mark_indexes_stale("item").await.unwrap();
        let error = transaction.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    });
}

#[test]
fn two_documents_with_one_key_leave_a_unique_index_failed_until_they_differ() {
    for unique_while_building in [UniqueWhileBuilding::Scan, UniqueWhileBuilding::Refuse] {
        let mut host = Host::new(7);
        host.settings.unique_while_building = unique_while_building;
        host.run(async |store| {
            load_raw(&store, 2).await;
            let items = store.collection::<UniqueSize>().unwrap();
            let error = items.wait_for_indexes(LONG).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            for part in ["000000", "000001", "\"size\"", "have 0"] {
                assert!(error.to_string().contains(part), "{error}");
            }
            // What is written meanwhile is checked without the index, or refused.
            let error = items.put(&UniqueSize::new("x", "x", 0)).await.unwrap_err();
            match unique_while_building {
                UniqueWhileBuilding::Scan => {
                    assert_eq!(error.kind(), ErrorKind::NotUnique);
                    items.put(&UniqueSize::new("x", "x", 8)).await.unwrap();
                    items
                        .put(&UniqueSize::new("000001", "n1", 9))
                        .await
                        .unwrap();
                }
                _ => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable);
                    items.delete("000001").await.unwrap();
                }
            }
            store.mark_indexes_stale("item").await.unwrap();
            items.wait_for_indexes(LONG).await.unwrap();
            assert_eq!(items.find("size", 0).await.unwrap().unwrap().id, "000000");
        });
    }
}

/// Writers go on while 4,000 documents are indexed; then every document is found by all that it holds.
#[test]
fn indexes_are_built_while_documents_are_written() {
    Host::new(8).run(async |store| {
        load_raw(&store, 4_000).await;
        let items = store.collection::<ItemV2>().unwrap();
        let write = async {
            let mut number = 0;
            while items.wait_for_indexes(Duration::ZERO).await.is_err() {
                let id = format!("{:06}", (number * 997) % 5_000);
                let renamed = ItemV2::new(&id, &format!("r{number}"), 7_000 + number);
                match items.put(&renamed).await {
                    // It looks at all documents, since the index of names is not complete, and one may be written meanwhile.
                    Err(error) if error.kind() == ErrorKind::Conflict => {}
                    put => drop(put.unwrap()),
                }
                items.delete(&format!("{:06}", number * 13)).await.unwrap();
                number += 1;
            }
            number
        };
        let written = write.await;
        assert!(written > 3, "{written} documents were written meanwhile");
        check_against_documents(&store).await;
    });
}

/// Two documents have one name when the index begins to be built; the second goes before it is reached. Its deletion must not
/// take the entry of the first, which is there already.
#[test]
fn a_document_deleted_while_its_unique_key_is_anothers_leaves_that_ones_entry() {
    Host::new(11).run(async |store| {
        load_raw(&store, 4_000).await;
        let twin = ItemV1::new("003998", "n0", 1);
        let value = serde_json::to_vec(&twin).unwrap();
        store.put_raw("item", "003998", value).await.unwrap();
        let items = store.collection::<ItemV2>().unwrap();
        let passed = loop {
            let status = store.indexes("item").await.unwrap();
            match status.first().and_then(|index| index.documents) {
                Some(passed) if passed > 0 => break passed,
                _ => tokio::task::yield_now().await,
            }
        };
        assert!(passed < 3_998, "the index was built too quickly");
        items.delete("003998").await.unwrap();
        items.wait_for_indexes(LONG).await.unwrap();
        assert_eq!(
            items.find("name", "n0").await.unwrap().unwrap().id,
            "000000"
        );
        check_against_documents(&store).await;
    });
}

/// Every document is in both indexes of [`ItemV2`], in order, and nothing else is.
async fn check_against_documents(store: &DataManager) {
    let snapshot = store.snapshot();
    let documents = snapshot.documents::<ItemV2>(&ScanOptions::new()).unwrap();
    let documents = documents.collect().await.unwrap();
    let mut by_size: Vec<_> = documents.iter().map(|item| (item.size, &item.id)).collect();
    by_size.sort();
    let found = snapshot.query::<ItemV2>(&Query::by("size")).await.unwrap();
    let found = found.collect().await.unwrap();
    let found: Vec<_> = found.iter().map(|item| (item.size, &item.id)).collect();
    assert_eq!(found, by_size);
    let count = snapshot
        .count_by::<ItemV2>(&Query::by("name"))
        .await
        .unwrap();
    assert_eq!(count, documents.len() as u64);
    for item in &documents {
        let found = snapshot
            .find::<ItemV2>("name", item.name.as_str())
            .await
            .unwrap();
        assert_eq!(found.unwrap().id, item.id);
    }
}

/// More documents than the committer works out by itself at once, some of them written by others meanwhile.
#[test]
fn a_large_transaction_of_documents_does_not_conflict_with_who_writes_them_meanwhile() {
    Host::new(12).run(async |store| {
        let items = store.collection::<ItemV2>().unwrap();
        let large = async {
            for round in 0..5 {
                let mut transaction = store.begin();
                for number in 0..1_500 {
                    let name = format!("{round}-{number}");
                    let item = ItemV2::new(&format!("{number:06}"), &name, round);
                    transaction.put(&item).unwrap();
                }
                transaction.commit().await.unwrap();
            }
        };
        let small = async {
            for round in 0..100 {
                let item = ItemV2::new("000700", &format!("small-{round}"), 1_000 + round);
                items.put(&item).await.unwrap();
            }
        };
        futures::join!(large, small);
        let damage = items.verify_indexes().await.unwrap().damage;
        assert!(damage.is_empty(), "{damage:?}");
        assert_eq!(store.count("item").await.unwrap(), 1_500);
    });
}

/// The power fails again and again while 6,000 documents are indexed; the work goes on where it was.
#[test]
fn a_rebuild_goes_on_where_it_was_after_a_power_cut() {
    let host = Host::new(9);
    host.run(async |store| load_raw(&store, 6_000).await);
    let mut seen = Vec::new();
    for steps in 10.. {
        let process = host.process();
        let builder = host.builder(&process);
        let life = async move {
            let store = builder.open().await.unwrap();
            let items = store.collection::<ItemV2>().unwrap();
            items.wait_for_indexes(LONG).await.unwrap();
            check_against_documents(&store).await;
            store.close().await.unwrap();
        };
        process.kill_after(steps);
        let lived = host.simulation.run_until(process.run("life", life));
        if lived.unwrap().is_some() {
            break;
        }
        process.cut_power();
        host.run(async |store| {
            let indexes = store.indexes("item").await.unwrap();
            seen.extend(indexes.first().and_then(|index| index.documents));
        });
    }
    assert!(seen.is_sorted(), "documents were indexed again: {seen:?}");
    seen.dedup();
    assert!(seen.len() > 3, "the power failed too seldom: {seen:?}");
}

/// Two processes that know the type share the work of indexing, and both use the result.
#[test]
fn two_processes_build_indexes_at_once() {
    let site = Site::new(10);
    site.run(async || {
        let (a, b) = (site.process("a"), site.process("b"));
        let first = site.open(&a).await;
        load_raw(&first, 3_000).await;
        let second = site.open(&b).await;
        let items = [
            first.collection::<ItemV2>().unwrap(),
            second.collection::<ItemV2>().unwrap(),
        ];
        for items in &items {
            items.wait_for_indexes(LONG).await.unwrap();
        }
        items[1].put(&ItemV2::new("new", "new", 1)).await.unwrap();
        check_against_documents(&second).await;
        first.latest_snapshot().await.unwrap();
        check_against_documents(&first).await;
        first.close().await.unwrap();
        second.close().await.unwrap();
    });
}

/// A transaction was worked out on top of another one of the same record; that record lost its place to another process, and
/// the other transaction then clashed. The document that it would have written must not count.
#[test]
fn what_was_worked_out_on_a_transaction_that_did_not_come_about_is_worked_out_again() {
    let mut seen = 0;
    for seed in 0..30 {
        let site = Site::new(seed);
        seen += site.run(async || {
            let (a, b) = (site.process("a"), site.process("b"));
            let (first, second) = (site.open(&a).await, site.open(&b).await);
            let items = first.collection::<ItemV2>().unwrap();
            items.put(&ItemV2::new("1", "stored", 1)).await.unwrap();
            first.put_raw("gate", "1", "open").await.unwrap();
            second.latest_snapshot().await.unwrap();
            // The record that is under way while the next two gather.
            let under_way = first.put_raw("other", "1", "x");
            let gated = async {
                let mut transaction = first.begin();
                transaction.get_raw("gate", "1").await?;
                transaction.put(&ItemV2::new("1", "never", 2))?;
                transaction.commit().await
            };
            let last = ItemV2::new("1", "last", 3);
            let blind = items.put(&last);
            let shut = second.put_raw("gate", "1", "shut");
            let (under_way, gated, blind, shut) = futures::join!(under_way, gated, blind, shut);
            let (_, _, _) = (under_way.unwrap(), blind.unwrap(), shut.unwrap());
            let count = items.count_by(&Query::by("name")).await.unwrap();
            assert_eq!(count, 1, "seed {seed}");
            let damage = items.verify_indexes().await.unwrap().damage;
            assert!(damage.is_empty(), "seed {seed}: {damage:?}");
            first.close().await.unwrap();
            second.close().await.unwrap();
            u32::from(gated.is_err())
        });
    }
    assert!(
        seen > 3,
        "the gated transaction clashed in {seen} runs only"
    );
}
