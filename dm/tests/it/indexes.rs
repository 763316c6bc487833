//! Types whose documents a program indexes: `dm` does not know how, so it keeps away from them or says what is to be done.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use datamanager::{Collection, DataManager, Document, IndexState, Indexes, Query};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::Place;

const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize, Deserialize)]
struct User {
    id: String,
    name: String,
    age: u32,
}

impl User {
    fn new(id: &str, name: &str, age: u32) -> User {
        let (id, name) = (id.to_owned(), name.to_owned());
        User { id, name, age }
    }
}

impl Document for User {
    const TYPE: &'static str = "user";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<User> {
        Indexes::<User>::new()
            .generation(3)
            .unique("name", |user| user.name.clone())
            .index("age", |user| {
                GATE.pass(&user.id);
                user.age
            })
    }
}

/// Holds up the indexing of one document, so that a test can look at indexes that are being built.
struct Gate {
    held: Mutex<Option<&'static str>>,
    opened: Condvar,
}

static GATE: Gate = Gate {
    held: Mutex::new(None),
    opened: Condvar::new(),
};

impl Gate {
    fn hold(&self, id: &'static str) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    fn open(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.opened.notify_all();
    }

    fn pass(&self, id: &str) {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.opened.wait_while(held, |held| *held == Some(id)));
    }
}

/// Runs a program that knows the type.
fn program<T>(place: &Place, work: impl AsyncFnOnce(&Collection<User>) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = DataManager::open(place.store().to_str().unwrap()).await;
        let store = store.unwrap();
        let result = work(&store.collection().unwrap()).await;
        store.close().await.unwrap();
        result
    })
}

fn store_with_users() -> Place {
    let place = Place::new();
    program(&place, async |users| {
        for user in [User::new("1", "ann", 30), User::new("2", "bob", 41)] {
            users.put(&user).await.unwrap();
        }
    });
    place
}

async fn ids(users: &Collection<User>, query: Query) -> Vec<String> {
    let found = users.query(&query).await.unwrap().collect().await.unwrap();
    found.into_iter().map(|user| user.id).collect()
}

const NEW_USERS: &[u8] = b"{\"id\":\"7\",\"name\":\"cy\",\"age\":7}\n";

/// Commands that write to the type, with what they read from standard input.
const WRITES: [(&[&str], &[u8]); 5] = [
    (&["put", "user", "7"], NEW_USERS),
    (&["delete", "user", "1"], b""),
    (&["load", "user", "-", "--id", "id"], NEW_USERS),
    (&["delete-prefix", "user", "1"], b""),
    (&["drop", "user"], b""),
];

#[test]
fn writes_to_a_type_with_indexes_are_refused() {
    let place = store_with_users();
    let before = place.dm(&["scan", "user"]).done();
    for (write, input) in WRITES {
        place
            .dm_with_input(write, input)
            .fails_with(1, &["type \"user\" has indexes", "without --mark-stale"]);
    }
    assert_eq!(place.dm(&["scan", "user"]).done(), before);
    let status = place.dm(&["status"]).done();
    assert!(!status.contains("stale"), "{status}");
    // A type without indexes is free.
    place.dm_with_input(&["put", "other", "1"], b"1").done();
}

#[test]
fn writes_that_mark_indexes_stale_are_found_once_a_program_has_built_them_anew() {
    for (write, input) in WRITES {
        let place = store_with_users();
        let ran = place.dm_with_input(&[write, &["--mark-stale"]].concat(), input);
        ran.done();
        let stderr = ran.stderr();
        assert!(
            stderr.contains("the indexes of type \"user\" are stale"),
            "{stderr}"
        );
        let status = place.dm(&["status"]).done();
        assert!(
            status.contains("index              name, unique, stale\n"),
            "{status}"
        );
        // What is stale already cannot become worse.
        place
            .dm_with_input(
                &["put", "user", "8"],
                b"{\"id\":\"8\",\"name\":\"eve\",\"age\":90}",
            )
            .done();
        let stored = place.dm(&["scan", "user", "--ids"]).done();
        program(&place, async |users| {
            users.wait_for_indexes(LONG).await.unwrap();
            let mut found = ids(users, Query::by("age")).await;
            assert_eq!(found.pop().as_deref(), Some("8"));
            found.push("8".to_owned());
            found.sort_unstable();
            assert_eq!(found, stored.lines().collect::<Vec<_>>(), "{write:?}");
            let has_cy = stored.contains('7');
            assert_eq!(users.find("name", "cy").await.unwrap().is_some(), has_cy);
        });
    }
}

#[test]
fn reindex_has_the_next_program_build_the_indexes_anew() {
    let place = store_with_users();
    let ran = place.dm(&["reindex", "user"]);
    assert_eq!(ran.done(), "");
    assert!(ran.stderr().contains("are stale"), "{}", ran.stderr());
    let stale = place.dm(&["status"]).done();
    assert_eq!(stale.matches(", stale\n").count(), 2, "{stale}");
    program(&place, async |users| {
        users.wait_for_indexes(LONG).await.unwrap();
        assert_eq!(ids(users, Query::by("age")).await, ["1", "2"]);
    });
    let ready = place.dm(&["status"]).done();
    assert_eq!(ready.matches(", ready\n").count(), 2, "{ready}");
    place.dm_with_input(&["put", "other", "1"], b"1").done();
    for data_type in ["other", "absent"] {
        place
            .dm(&["reindex", data_type])
            .fails_with(3, &[&format!("type {data_type:?} has no indexes")]);
    }
}

#[test]
fn status_tells_how_far_indexes_are() {
    let place = Place::new();
    let mut documents = String::new();
    for number in 0..1_000 {
        documents +=
            &format!("{{\"id\":\"{number:04}\",\"name\":\"n{number}\",\"age\":{number}}}\n");
    }
    place
        .dm_with_input(&["load", "user", "-", "--id", "id"], documents.as_bytes())
        .done();
    let status = place.dm(&["status"]).done();
    assert!(!status.contains("index"), "{status}");

    // One step of indexing takes 500 documents; the second is held up.
    GATE.hold("0700");
    program(&place, async |users| {
        let state = async || users.store().indexes("user").await.unwrap();
        while state().await.first().and_then(|index| index.documents) != Some(500) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let building = "indexed type         user, generation 3\n  \
             index              age, building, 500 documents so far\n  \
             index              name, unique, building, 500 documents so far\n";
        let status = place.dm(&["status"]).done();
        GATE.open();
        assert!(status.contains(building), "{status}");
        users.wait_for_indexes(LONG).await.unwrap();
    });
    let status = place.dm(&["status"]).done();
    assert!(status.contains("name, unique, ready\n"), "{status}");

    let twin = b"{\"id\":\"twin\",\"name\":\"n7\",\"age\":1}";
    let put = ["put", "user", "twin", "--mark-stale"];
    place.dm_with_input(&put, twin).done();
    program(&place, async |users| {
        let error = users.wait_for_indexes(LONG).await.unwrap_err();
        assert!(error.to_string().contains("could not be built"), "{error}");
        let is_ready = |index: &datamanager::IndexStatus| index.state == IndexState::Ready;
        while !users
            .store()
            .indexes("user")
            .await
            .unwrap()
            .iter()
            .any(is_ready)
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let status = place.dm(&["status"]).done();
    let failed = "name, unique, failed: documents \"0007\" and \"twin\" both have \"n7\"\n";
    assert!(status.contains(failed), "{status}");
    let status: serde_json::Value =
        serde_json::from_str(&place.dm(&["status", "--json"]).done()).unwrap();
    assert_eq!(
        status["indexed_types"],
        json!([{ "data_type": "user", "generation": 3, "indexes": [
            { "name": "age", "unique": false, "state": "ready", "documents": null },
            {
                "name": "name",
                "unique": true,
                "state": { "failed": { "key": "\"n7\"", "ids": ["0007", "twin"] } },
                "documents": null,
            },
        ]}])
    );
}

#[test]
fn wal_names_internal_entries_for_people() {
    let place = store_with_users();
    let wal = place.dm(&["wal"]).done();
    assert!(
        wal.lines()
            .nth(1)
            .unwrap()
            .ends_with("1 transaction, 3 writes, 2 of them internal"),
        "{wal}"
    );
    let wal = place.dm(&["wal", "--from", "2", "--json"]).done();
    let record: serde_json::Value = serde_json::from_str(&wal).unwrap();
    let writes = record["transactions"][0].as_array().unwrap();
    let names: Vec<String> = writes
        .iter()
        .map(|write| {
            format!(
                "{} {}",
                write["data_type"].as_str().unwrap(),
                write["id"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            "!index age#2 of user: 41, document \"2\"",
            "!index name#1 of user: \"bob\"",
            "user 2",
        ]
    );
}
