//! Typed documents and their indexes.

mod importing;
mod indexing;
mod live;
mod model;
mod verification;

use datamanager::{
    Conflict, DataManager, Document, Error, ErrorKind, IndexCursor, IndexKey, Indexes, Query,
    ScanOptions, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::host::Host;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) mail: Option<String>,
    pub(crate) team: String,
    pub(crate) age: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
}

impl User {
    pub(crate) fn new(id: &str, name: &str, team: &str, age: u32) -> User {
        User {
            id: id.to_owned(),
            name: name.to_owned(),
            mail: None,
            team: team.to_owned(),
            age,
            until: None,
        }
    }
}

impl Document for User {
    const TYPE: &'static str = "user";

    fn id(&self) -> &str {
        &self.id
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.until
    }

    fn indexes() -> Indexes<User> {
        Indexes::<User>::new()
            .unique("name", |user| user.name.clone())
            .unique("mail", |user| user.mail.clone())
            .index("team_age", |user| (user.team.clone(), user.age))
    }
}

pub(crate) async fn put(store: &DataManager, user: &User) -> Result<(), Error> {
    store.collection::<User>()?.put(user).await.map(drop)
}

async fn ids(store: &DataManager, query: &Query) -> Vec<String> {
    let found = store.snapshot().query::<User>(query).await.unwrap();
    let found = found.collect().await.unwrap();
    found.into_iter().map(|user| user.id).collect()
}

async fn find_id(store: &DataManager, index: &str, key: impl IndexKey) -> Option<String> {
    let found = store.snapshot().find::<User>(index, key).await.unwrap();
    found.map(|user| user.id)
}

async fn sample(store: &DataManager) {
    for (id, name, team, age) in [
        ("1", "ann", "red", 30),
        ("2", "bob", "blue", 41),
        ("3", "bo", "red", 30),
        ("4", "cy", "red", 7),
        ("5", "dan", "redder", 30),
    ] {
        put(store, &User::new(id, name, team, age)).await.unwrap();
    }
}

#[test]
fn documents_are_found_by_all_that_they_hold() {
    Host::new(1).run(async |store| {
        sample(&store).await;
        let users = store.collection::<User>().unwrap();
        assert_eq!(users.get("2").await.unwrap().unwrap().name, "bob");
        assert_eq!(find_id(&store, "name", "bob").await.as_deref(), Some("2"));
        assert_eq!(find_id(&store, "name", "b").await, None);
        let by = || Query::by("team_age");
        assert_eq!(ids(&store, &by()).await, ["2", "4", "1", "3", "5"]);
        assert_eq!(
            ids(&store, &by().descending()).await,
            ["5", "3", "1", "4", "2"]
        );
        assert_eq!(ids(&store, &by().equal("red")).await, ["4", "1", "3"]);
        assert_eq!(ids(&store, &by().equal(("red", 30))).await, ["1", "3"]);
        assert_eq!(
            ids(&store, &by().range(("red", 8)..)).await,
            ["1", "3", "5"]
        );
        assert_eq!(ids(&store, &by().range(..=("red", 7))).await, ["2", "4"]);
        assert_eq!(ids(&store, &by().range("blue".."red")).await, ["2"]);
        assert_eq!(
            ids(&store, &by().starts_with("red")).await,
            ["4", "1", "3", "5"]
        );
        assert_eq!(
            ids(&store, &Query::by("name").starts_with("bo")).await,
            ["3", "2"]
        );
        let first = by().equal("red").descending().limit(2);
        assert_eq!(ids(&store, &first).await, ["3", "1"]);
        assert_eq!(users.count_by(&by().equal("red")).await.unwrap(), 3);
        assert!(users.exists(&by().equal(("red", 7))).await.unwrap());
        assert!(!users.exists(&by().equal(("red", 8))).await.unwrap());
        let all = users
            .documents(&ScanOptions::new())
            .unwrap()
            .collect()
            .await;
        assert_eq!(all.unwrap().len(), 5);
    });
}

#[test]
fn a_query_is_resumed_behind_what_it_gave() {
    Host::new(2).run(async |store| {
        sample(&store).await;
        for query in [Query::by("team_age"), Query::by("team_age").descending()] {
            let expected = ids(&store, &query).await;
            let mut given = Vec::new();
            let mut cursor: Option<String> = None;
            loop {
                let mut page = query.clone().limit(2);
                if let Some(cursor) = &cursor {
                    page = page.after(cursor.parse::<IndexCursor>().unwrap());
                }
                let mut scan = store.snapshot().query::<User>(&page).await.unwrap();
                while let Some(user) = scan.next().await.unwrap() {
                    given.push(user.id);
                }
                match scan.cursor() {
                    Some(next) => cursor = Some(next.to_string()),
                    None => break,
                }
            }
            assert_eq!(given, expected);
        }
    });
}

#[test]
fn a_replaced_or_deleted_document_is_no_longer_found_by_what_it_held() {
    Host::new(3).run(async |store| {
        sample(&store).await;
        put(&store, &User::new("1", "eve", "blue", 30))
            .await
            .unwrap();
        store
            .collection::<User>()
            .unwrap()
            .delete("3")
            .await
            .unwrap();
        assert_eq!(find_id(&store, "name", "ann").await, None);
        assert_eq!(find_id(&store, "name", "eve").await.as_deref(), Some("1"));
        assert_eq!(find_id(&store, "name", "bo").await, None);
        assert_eq!(
            ids(&store, &Query::by("team_age").equal("red")).await,
            ["4"]
        );
        // The names are free again.
        put(&store, &User::new("6", "ann", "red", 1)).await.unwrap();
        assert_eq!(find_id(&store, "name", "ann").await.as_deref(), Some("6"));
    });
}

#[test]
fn a_key_that_is_taken_is_refused_and_named() {
    Host::new(4).run(async |store| {
        sample(&store).await;
        let error = put(&store, &User::new("9", "bob", "red", 1))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotUnique);
        let violation = error.violation().unwrap();
        assert_eq!(
            (violation.data_type.as_str(), violation.index.as_str()),
            ("user", "name")
        );
        assert_eq!(
            (violation.key.as_str(), violation.owner.as_str()),
            ("\"bob\"", "2")
        );
        assert_eq!(
            store.collection::<User>().unwrap().get("9").await.unwrap(),
            None
        );
        // Two documents of one transaction, too.
        let mut transaction = store.begin();
        transaction.put(&User::new("10", "new", "red", 1)).unwrap();
        transaction.put(&User::new("11", "new", "red", 1)).unwrap();
        let error = transaction.commit().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotUnique);
    });
}

#[test]
fn documents_without_a_value_are_exempt_from_uniqueness_and_can_be_found() {
    Host::new(5).run(async |store| {
        sample(&store).await;
        assert_eq!(
            ids(&store, &Query::by("mail").equal(None::<&str>))
                .await
                .len(),
            5
        );
        let error = store
            .snapshot()
            .find::<User>("mail", None::<&str>)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let mut user = User::new("1", "ann", "red", 30);
        user.mail = Some("a@b".to_owned());
        put(&store, &user).await.unwrap();
        assert_eq!(
            find_id(&store, "mail", Some("a@b")).await.as_deref(),
            Some("1")
        );
        assert_eq!(find_id(&store, "mail", "a@b").await.as_deref(), Some("1"));
        user.id = "7".to_owned();
        user.name = "other".to_owned();
        let error = put(&store, &user).await.unwrap_err();
        assert_eq!(error.violation().unwrap().index, "mail");
    });
}

#[test]
fn two_documents_can_swap_their_unique_keys_in_one_transaction() {
    Host::new(6).run(async |store| {
        sample(&store).await;
        let mut transaction = store.begin();
        transaction.put(&User::new("1", "bob", "red", 30)).unwrap();
        transaction.put(&User::new("2", "ann", "blue", 41)).unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(find_id(&store, "name", "bob").await.as_deref(), Some("1"));
        assert_eq!(find_id(&store, "name", "ann").await.as_deref(), Some("2"));
        // And one takes the key of another that goes.
        let mut transaction = store.begin();
        transaction.delete::<User>("3").unwrap();
        transaction.put(&User::new("9", "bo", "red", 30)).unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(find_id(&store, "name", "bo").await.as_deref(), Some("9"));
    });
}

#[test]
fn a_transaction_finds_what_it_has_written_itself_and_not_what_it_has_replaced() {
    Host::new(7).run(async |store| {
        sample(&store).await;
        let mut transaction = store.begin();
        transaction.put(&User::new("1", "eve", "blue", 1)).unwrap();
        transaction.put(&User::new("8", "fay", "red", 7)).unwrap();
        transaction.put(&User::new("9", "gus", "red", 7)).unwrap();
        transaction.put(&User::new("9", "gus", "red", 99)).unwrap();
        transaction.delete::<User>("4").unwrap();
        assert!(
            transaction
                .find::<User>("name", "ann")
                .await
                .unwrap()
                .is_none()
        );
        assert!(
            transaction
                .find::<User>("name", "cy")
                .await
                .unwrap()
                .is_none()
        );
        let eve = transaction.find::<User>("name", "eve").await.unwrap();
        assert_eq!(eve.unwrap().id, "1");
        let red = Query::by("team_age").equal("red");
        for (query, expected) in [
            (red.clone(), ["8", "3", "9"]),
            (red.clone().descending(), ["9", "3", "8"]),
        ] {
            let found = transaction.query::<User>(&query).await.unwrap();
            let found = found.collect().await.unwrap();
            let found: Vec<_> = found.iter().map(|user| user.id.as_str()).collect();
            assert_eq!(found, expected);
        }
        assert_eq!(transaction.count_by::<User>(&red).await.unwrap(), 3);
        transaction.commit().await.unwrap();
        assert_eq!(ids(&store, &red).await, ["8", "3", "9"]);
    });
}

/// Two transactions that each find no document with a value, and insert one.
#[test]
fn a_phantom_in_an_index_is_a_conflict() {
    for prepare in [false, true] {
        Host::new(8).run(async |store| {
            if prepare {
                sample(&store).await;
            }
            let (mut first, mut second) = (store.begin(), store.begin());
            for (transaction, id) in [(&mut first, "x"), (&mut second, "y")] {
                let query = Query::by("team_age").equal("green");
                assert!(!transaction.exists::<User>(&query).await.unwrap());
                transaction.put(&User::new(id, id, "green", 1)).unwrap();
            }
            first.commit().await.unwrap();
            let error = second.commit().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
        });
    }
}

/// A query that is left off counts as read up to the document that it gave last.
#[test]
fn a_query_counts_only_as_far_as_it_was_read() {
    for (team, clashes) in [("blue", true), ("redder", false)] {
        Host::new(18).run(async |store| {
            sample(&store).await;
            let mut transaction = store.begin();
            let query = Query::by("team_age").equal("red").limit(1);
            let found = transaction
                .query::<User>(&Query::by("team_age").limit(3))
                .await;
            assert_eq!(found.unwrap().collect().await.unwrap().len(), 3);
            assert!(transaction.exists::<User>(&query).await.unwrap());
            transaction.put_raw("other", "1", "x").unwrap();
            put(&store, &User::new("9", "new", team, 99)).await.unwrap();
            assert_eq!(transaction.commit().await.is_err(), clashes, "{team}");
        });
    }
}

#[test]
fn a_document_looked_for_by_a_unique_key_and_made_since_is_a_conflict() {
    Host::new(9).run(async |store| {
        sample(&store).await;
        let mut transaction = store.begin();
        assert!(
            transaction
                .find::<User>("name", "zoe")
                .await
                .unwrap()
                .is_none()
        );
        transaction.put(&User::new("8", "yan", "red", 1)).unwrap();
        put(&store, &User::new("9", "zoe", "red", 1)).await.unwrap();
        let error = transaction.commit().await.unwrap_err();
        assert!(
            matches!(error.conflict(), Some(Conflict::Entry { .. })),
            "{error:?}"
        );
    });
}

#[test]
fn documents_written_blindly_never_conflict_and_their_indexes_follow_the_last() {
    Host::new(10).run(async |store| {
        sample(&store).await;
        let users = store.collection::<User>().unwrap();
        let versions: Vec<User> = (0..20)
            .map(|number| User::new("1", &format!("n{number}"), "red", number))
            .collect();
        // All are worked out on the same state and go into few records.
        let writes = versions.iter().map(|user| users.put(user));
        for written in futures::future::join_all(writes).await {
            written.unwrap();
        }
        let last = users.get("1").await.unwrap().unwrap();
        for user in &versions {
            let found = find_id(&store, "name", user.name.as_str()).await;
            assert_eq!(found.is_some(), user.name == last.name, "{}", user.name);
        }
        assert_eq!(
            users
                .count_by(&Query::by("team_age").equal("red"))
                .await
                .unwrap(),
            3
        );
    });
}

#[test]
fn of_many_that_create_the_same_unique_key_at_once_one_wins() {
    Host::new(11).run(async |store| {
        let users = store.collection::<User>().unwrap();
        let same: Vec<User> = (0..20)
            .map(|number| User::new(&number.to_string(), "same", "red", 1))
            .collect();
        let writes = same.iter().map(|user| users.put(user));
        let results = futures::future::join_all(writes).await;
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 19));
        for error in lost.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), ErrorKind::NotUnique, "{error:?}");
        }
        assert_eq!(users.count_by(&Query::by("name")).await.unwrap(), 1);
    });
}

#[test]
fn an_expired_document_is_in_no_index_and_leaves_its_key_to_others() {
    let host = Host::new(12);
    host.run(async |store| {
        let users = store.collection::<User>().unwrap();
        let now = store.snapshot().time();
        let mut user = User::new("1", "ann", "red", 1);
        user.until = Some(now.saturating_add(std::time::Duration::from_secs(10)));
        users.put(&user).await.unwrap();
        assert_eq!(find_id(&store, "name", "ann").await.as_deref(), Some("1"));
        let error = put(&store, &User::new("2", "ann", "red", 1))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotUnique);
        let environment = host.process();
        datamanager::environment::Environment::sleep(
            environment.as_ref(),
            std::time::Duration::from_secs(11),
        )
        .await;
        assert_eq!(find_id(&store, "name", "ann").await, None);
        assert!(ids(&store, &Query::by("team_age")).await.is_empty());
        put(&store, &User::new("2", "ann", "red", 1)).await.unwrap();
        // The one that has expired does not take the key with it.
        users.delete("1").await.unwrap();
        put(&store, &User::new("1", "new", "red", 1)).await.unwrap();
        assert_eq!(find_id(&store, "name", "ann").await.as_deref(), Some("2"));
        assert_eq!(users.count_by(&Query::by("name")).await.unwrap(), 2);
    });
}

#[test]
fn expired_documents_and_their_index_entries_leave_the_data_files() {
    let host = Host::new(19);
    host.run(async |store| {
        let users = store.collection::<User>().unwrap();
        let soon = store
            .snapshot()
            .time()
            .saturating_add(std::time::Duration::from_secs(5));
        for number in 0..10 {
            let mut user = User::new(&number.to_string(), &format!("n{number}"), "red", number);
            user.until = (number > 0).then_some(soon);
            users.put(&user).await.unwrap();
        }
        let process = host.process();
        let clock: &dyn datamanager::environment::Environment = process.as_ref();
        clock.sleep(std::time::Duration::from_secs(6)).await;
        // What has expired is gone at the time of a record.
        store.put_raw("other", "1", "x").await.unwrap();
        store.checkpoint().await.unwrap();
        store.compact().await.unwrap();
        let entries: u64 = store.stats().runs.iter().map(|run| run.entries).sum();
        // One document with its three entries, the catalog, and the other entry.
        assert_eq!(entries, 6);
        assert_eq!(users.count_by(&Query::by("name")).await.unwrap(), 1);
        assert!(users.verify_indexes().await.unwrap().damage.is_empty());
    });
}

/// Of two transactions in one record the second was told at once that the first had its key, though the record was not there
/// yet, and then never was.
#[test]
fn a_key_is_not_said_to_be_taken_by_a_transaction_that_fails() {
    let mut failed_together = 0;
    for seed in 0..20 {
        let host = Host::new(seed);
        let process = host.process();
        let run = async {
            let store = host.open(&process).await.unwrap();
            put(&store, &User::new("0", "bob", "red", 1)).await.unwrap();
            process.memory_files().fail_write(1);
            let ann = ["1", "2"].map(|id| User::new(id, "ann", "red", 1));
            let (left, right) = futures::join!(put(&store, &ann[0]), put(&store, &ann[1]));
            let failed: Vec<Error> = [left, right].into_iter().filter_map(Result::err).collect();
            for error in &failed {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "seed {seed}");
            }
            store.close().await.unwrap();
            failed.len()
        };
        failed_together += usize::from(host.simulation.run_until(run).unwrap() == 2);
    }
    assert!(failed_together > 0);
}

#[test]
fn two_processes_that_create_the_same_unique_key_at_once_do_not_both_succeed() {
    for seed in 0..10 {
        let site = crate::site::Site::new(seed);
        site.run(async || {
            let (a, b) = (site.process("a"), site.process("b"));
            let (first, second) = (site.open(&a).await, site.open(&b).await);
            let ann = [
                User::new("1", "ann", "red", 1),
                User::new("2", "ann", "red", 1),
            ];
            let (left, right) = futures::join!(put(&first, &ann[0]), put(&second, &ann[1]));
            let failed: Vec<Error> = [left, right].into_iter().filter_map(Result::err).collect();
            assert_eq!(failed.len(), 1, "seed {seed}");
            assert_eq!(failed[0].kind(), ErrorKind::NotUnique, "{:?}", failed[0]);
            for store in [&first, &second] {
                store.latest_snapshot().await.unwrap();
                assert_eq!(ids(store, &Query::by("name")).await.len(), 1);
                store.close().await.unwrap();
            }
        });
    }
}

#[test]
fn a_document_that_cannot_be_decoded_is_named_and_a_scan_goes_on_behind_it() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Note {
        id: String,
        text: String,
    }
    impl Document for Note {
        const TYPE: &'static str = "note";
        fn id(&self) -> &str {
            &self.id
        }
    }
    Host::new(13).run(async |store| {
        for (id, value) in [
            ("1", r#"{"id":"1","text":"a"}"#),
            ("2", r#"{"id":"2","txt":"b"}"#),
            ("3", r#"{"id":"3","text":"c"}"#),
        ] {
            store.put_raw("note", id, value).await.unwrap();
        }
        let notes = store.collection::<Note>().unwrap();
        let error = notes.get("2").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(
            error.to_string().contains("\"2\" of type \"note\""),
            "{error}"
        );
        let mut scan = notes.documents(&ScanOptions::new()).unwrap();
        assert_eq!(scan.next().await.unwrap().unwrap().text, "a");
        assert!(scan.next().await.is_err());
        assert_eq!(scan.next().await.unwrap().unwrap().text, "c");
        assert!(scan.next().await.unwrap().is_none());
    });
}

#[test]
fn fields_that_an_older_program_does_not_know_survive_where_it_keeps_them() {
    #[derive(Serialize, Deserialize)]
    struct Old {
        id: String,
        count: u32,
        #[serde(flatten)]
        unknown: serde_json::Map<String, serde_json::Value>,
    }
    impl Document for Old {
        const TYPE: &'static str = "thing";
        fn id(&self) -> &str {
            &self.id
        }
    }
    Host::new(14).run(async |store| {
        let newer = r#"{"id":"1","count":1,"colour":{"name":"red"}}"#;
        store.put_raw("thing", "1", newer).await.unwrap();
        let things = store.collection::<Old>().unwrap();
        let mut thing = things.get("1").await.unwrap().unwrap();
        thing.count += 1;
        things.put(&thing).await.unwrap();
        let stored = store.get_raw("thing", "1").await.unwrap().unwrap();
        let stored: serde_json::Value = serde_json::from_slice(&stored).unwrap();
        assert_eq!(stored["colour"]["name"], "red");
        assert_eq!(stored["count"], 2);
    });
}

#[test]
fn what_does_not_fit_an_index_is_refused_with_its_name() {
    Host::new(15).run(async |store| {
        sample(&store).await;
        let snapshot = store.snapshot();
        for (result, part) in [
            (snapshot.find::<User>("nme", "x").await, "no index \"nme\""),
            (
                snapshot.find::<User>("name", 7).await,
                "asked for one of (integer)",
            ),
            (
                snapshot.find::<User>("team_age", ("red", 1)).await,
                "not unique",
            ),
        ] {
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(part), "{error}");
        }
        let long = "x".repeat(3000);
        let error = put(&store, &User::new("9", &long, "red", 1))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("in index \"name\" has 300"),
            "{error}"
        );
        let integer = Query::by("name").starts_with(1);
        assert!(snapshot.query::<User>(&integer).await.is_err());
    });
}

#[test]
fn an_update_is_tried_again_until_it_does_not_clash() {
    Host::new(16).run(async |store| {
        put(&store, &User::new("1", "ann", "red", 0)).await.unwrap();
        let increments = (0..50).map(|_| {
            store.update(|mut transaction| async move {
                let mut user = transaction.get::<User>("1").await?.unwrap();
                user.age += 1;
                transaction.put(&user)?;
                Ok::<u32, Error>(user.age)
            })
        });
        let mut ages = futures::future::try_join_all(increments).await.unwrap();
        ages.sort_unstable();
        assert_eq!(ages, (1..=50).collect::<Vec<_>>());
        let ann = store.collection::<User>().unwrap().get("1").await.unwrap();
        assert_eq!(ann.unwrap().age, 50);
    });
}

#[test]
fn an_update_whose_function_fails_or_commits_itself_changes_nothing() {
    Host::new(17).run(async |store| {
        let failed: Result<(), Error> = store
            .update(|mut transaction| async move {
                transaction.put(&User::new("1", "ann", "red", 0))?;
                transaction.get_raw("no such type", "1").await?;
                Ok(())
            })
            .await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Invalid);
        let failed: Result<(), Error> = store
            .update(|mut transaction| async move {
                transaction.put(&User::new("1", "ann", "red", 0))?;
                transaction.commit().await.map(drop)
            })
            .await;
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(store.count("user").await.unwrap(), 0);
    });
}
