//! Following documents, and views of them.

use std::collections::BTreeMap;
use std::time::Duration;

use datamanager::environment::Environment;
use datamanager::{Change, DataManager, Document, Indexes, Previous};
use serde::{Deserialize, Serialize};

use super::User;
use crate::host::Host;

/// Changes in words: `id old>new`, by name.
fn words(changes: &[Change<User>]) -> Vec<String> {
    let name = |old: &Previous<User>| match old {
        Previous::Known(Some(user)) => user.name.clone(),
        Previous::Known(None) => "none".to_owned(),
        _ => "?".to_owned(),
    };
    let word = |change: &Change<User>| match change {
        Change::Put { new, old, .. } => format!("{} {}>{}", new.id, name(old), new.name),
        Change::Delete { id, old } => format!("{id} {}>none", name(old)),
        Change::Unreadable { id, .. } => format!("{id} unreadable"),
    };
    changes.iter().map(word).collect()
}

#[test]
fn changes_come_whole_with_what_was_there_before() {
    Host::new(1).run(async |store| {
        let users = store.collection::<User>().unwrap();
        let (_, mut changes) = users.snapshot_and_changes();
        users.put(&User::new("1", "ann", "red", 1)).await.unwrap();
        let mut transaction = store.begin();
        transaction.put(&User::new("1", "eve", "red", 1)).unwrap();
        transaction.put(&User::new("2", "bob", "red", 1)).unwrap();
        transaction.put_raw("other", "x", "y").unwrap();
        transaction.commit().await.unwrap();
        store.put_raw("other", "x", "z").await.unwrap();
        users.delete("1").await.unwrap();
        for expected in [
            vec!["1 none>ann"],
            vec!["1 ann>eve", "2 none>bob"],
            vec!["1 eve>none"],
        ] {
            let changed = changes.next().await.unwrap();
            assert_eq!(words(&changed.changes), expected);
        }
    });
}

#[test]
fn what_was_before_is_unknown_once_data_files_cover_it_unless_the_type_logs_it() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Logged {
        id: String,
        text: String,
    }
    impl Document for Logged {
        const TYPE: &'static str = "logged";
        const LOG_PREVIOUS: bool = true;
        fn id(&self) -> &str {
            &self.id
        }
        fn indexes() -> Indexes<Logged> {
            Indexes::<Logged>::new().index("text", |logged| logged.text.clone())
        }
    }
    let logged = |text: &str| Logged {
        id: "1".to_owned(),
        text: text.to_owned(),
    };
    Host::new(2).run(async |store| {
        let (users, others) = (
            store.collection::<User>().unwrap(),
            store.collection::<Logged>().unwrap(),
        );
        let (_, mut changes) = users.snapshot_and_changes();
        let (_, mut logged_changes) = others.snapshot_and_changes();
        for name in ["ann", "eve"] {
            users.put(&User::new("1", name, "red", 1)).await.unwrap();
            others.put(&logged(name)).await.unwrap();
        }
        store.checkpoint().await.unwrap();
        assert_eq!(words(&changes.next().await.unwrap().changes), ["1 ?>ann"]);
        assert_eq!(words(&changes.next().await.unwrap().changes), ["1 ?>eve"]);
        logged_changes.next().await.unwrap();
        let changed = logged_changes.next().await.unwrap();
        let [Change::Put { new, old, .. }] = changed.changes.as_slice() else {
            panic!("{changed:?}");
        };
        assert_eq!(*new, logged("eve"));
        assert_eq!(*old, Previous::Known(Some(logged("ann"))));
        // What is logged is no entry that anybody sees, and is gone after a compaction.
        assert_eq!(store.count("logged").await.unwrap(), 1);
    });
}

/// Ages by team.
type Teams = BTreeMap<String, u32>;

fn add(teams: &mut Teams, change: datamanager::ViewChange<'_, User>) {
    if let Some(user) = change.old {
        *teams.get_mut(&user.team).unwrap() -= user.age;
    }
    if let Some(user) = change.new {
        *teams.entry(user.team.clone()).or_default() += user.age;
    }
    teams.retain(|_, age| *age > 0);
}

async fn expected(store: &DataManager) -> Teams {
    let mut teams = Teams::new();
    let all = datamanager::ScanOptions::new();
    let users = store.snapshot().documents::<User>(&all).unwrap();
    for user in users.collect().await.unwrap() {
        *teams.entry(user.team).or_default() += user.age;
    }
    teams.retain(|_, age| *age > 0);
    teams
}

#[test]
fn a_view_follows_what_is_written_and_says_how_far_it_is_behind() {
    Host::new(3).run(async |store| {
        let users = store.collection::<User>().unwrap();
        users.put(&User::new("0", "zoe", "red", 5)).await.unwrap();
        let view = users.view(Teams::new, add).await.unwrap();
        assert_eq!(view.read(Teams::clone), expected(&store).await);
        for number in 0..30 {
            let team = ["red", "blue"][number % 2];
            let id = (number % 7).to_string();
            let name = format!("n{number}");
            let user = User::new(&id, &name, team, u32::try_from(number).unwrap());
            users.put(&user).await.unwrap();
            if number % 5 == 0 {
                users.delete(&((number + 3) % 7).to_string()).await.unwrap();
            }
        }
        view.wait_for(store.position()).await.unwrap();
        assert_eq!(view.behind(), 0);
        assert_eq!(view.read(Teams::clone), expected(&store).await);
        let named = view.with_document("1", |user| user.map(|user| user.name.clone()));
        assert_eq!(named, users.get("1").await.unwrap().map(|user| user.name));
    });
}

#[test]
fn documents_leave_a_view_when_they_expire() {
    let host = Host::new(4);
    host.run(async |store| {
        let users = store.collection::<User>().unwrap();
        let view = users.view(Teams::new, add).await.unwrap();
        let mut user = User::new("1", "ann", "red", 5);
        let now = store.snapshot().time();
        user.until = Some(now.saturating_add(Duration::from_secs(20)));
        let committed = users.put(&user).await.unwrap();
        view.wait_for(committed.position).await.unwrap();
        assert_eq!(view.read(|teams| teams.get("red").copied()), Some(5));
        let clock = host.process();
        clock.sleep(Duration::from_secs(19)).await;
        assert_eq!(view.len(), 1);
        clock.sleep(Duration::from_secs(2)).await;
        assert!(view.is_empty() && view.read(Teams::is_empty));
    });
}

#[test]
fn a_view_is_made_anew_after_an_import() {
    Host::new(5).run(async |store| {
        let users = store.collection::<User>().unwrap();
        users.put(&User::new("1", "ann", "red", 5)).await.unwrap();
        let options = datamanager::ExportOptions::new();
        let mut export = store.export(options).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = export.next().await.unwrap() {
            bytes.extend(piece);
        }
        users.put(&User::new("2", "bob", "blue", 7)).await.unwrap();
        let view = users.view(Teams::new, add).await.unwrap();
        assert_eq!(view.len(), 2);
        store.maintenance_on().await.unwrap();
        let input = std::io::Cursor::new(bytes);
        let imported = store.import(input, Default::default()).await.unwrap();
        view.wait_for(imported.base).await.unwrap();
        assert_eq!(view.behind(), 0);
        assert_eq!(view.read(Teams::clone), expected(&store).await);
        // The indexes have come with it.
        let found = users.find("name", "ann").await.unwrap();
        assert_eq!(found.unwrap().id, "1");
        assert!(users.find("name", "bob").await.unwrap().is_none());
    });
}
