//! Imports whose entries are made into documents.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use datamanager::{
    DataManager, Document, ErrorKind, Expansion, ImportOptions, ImportReport, TransferredEntry,
};
use serde_json::Value;

use super::User;
use crate::host::Host;

/// Each entry of the input is a list of users.
fn users_of_lists() -> Expansion {
    Arc::new(|entry: TransferredEntry| {
        let users: Vec<Value> = serde_json::from_slice(&entry.value)?;
        let users = users.into_iter().map(|user| TransferredEntry {
            data_type: User::TYPE.to_owned(),
            id: user["id"].as_str().unwrap_or_default().to_owned(),
            value: Bytes::from(user.to_string()),
            expires_at: None,
        });
        Ok(users.collect())
    })
}

fn list(id: &str, users: &[User]) -> String {
    use base64::Engine;
    let data = serde_json::to_string(users).unwrap();
    let data = base64::engine::general_purpose::STANDARD.encode(data);
    format!("{{\"id\":\"{id}\",\"data_type\":\"list\",\"data\":\"{data}\"}}")
}

fn user(number: u32, name: &str) -> User {
    User::new(&format!("{:02}", 99 - number), name, "red", number)
}

async fn import(store: &DataManager, text: String) -> Result<ImportReport, datamanager::Error> {
    let options = ImportOptions::new().expansion_by_format(|_| Some(users_of_lists()));
    store.import(std::io::Cursor::new(text), options).await
}

#[test]
fn documents_that_an_import_makes_can_be_found_at_once_and_are_unique() {
    let mut host = Host::new(1);
    // Every few entries are a run of their own.
    host.settings.import_sort_bytes = 2_000;
    host.run(async |store| {
        let users = store.collection::<User>().unwrap();
        users.put(&user(50, "before")).await.unwrap();
        store.maintenance_on().await.unwrap();
        let lists = [
            list(
                "1",
                &(0..20)
                    .map(|n| user(n, &format!("n{n}")))
                    .collect::<Vec<_>>(),
            ),
            list("2", &[user(20, "n20"), user(21, "n21")]),
        ];
        let clash = list("3", &[user(22, "n7")]);
        let error = import(&store, [lists.concat(), clash].concat())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let message = error.to_string();
        assert!(
            message.contains("n7") && message.contains("entry 1 and as entry 3"),
            "{message}"
        );
        assert!(users.find("name", "before").await.unwrap().is_some());

        import(&store, lists.concat()).await.unwrap();
        // In maintenance nothing can have been built.
        for number in 0..22 {
            let found = users.find("name", format!("n{number}")).await.unwrap();
            assert_eq!(found.unwrap().id, format!("{:02}", 99 - number));
        }
        assert!(users.find("name", "before").await.unwrap().is_none());
        store.maintenance_off(false).await.unwrap();
        users
            .wait_for_indexes(Duration::from_secs(60))
            .await
            .unwrap();
        let verified = users.verify_indexes().await.unwrap();
        assert!(verified.damage.is_empty(), "{verified:?}");
        let error = users.put(&user(60, "n7")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotUnique);
        users.put(&user(60, "n60")).await.unwrap();
    });
}
