//! What a service has stored, read and written behind its back while it is stopped.

use std::collections::BTreeMap;

use configstore::Settings;
use datamanager::{DataManager, ScanOptions};
use serde_json::{Value, json};

async fn open(settings: &Settings) -> DataManager {
    let directory = settings.server.data_dir.join("configdata");
    DataManager::open(&format!("file://{}", directory.display()))
        .await
        .unwrap()
}

/// All documents, by type and id.
pub(crate) async fn documents(settings: &Settings) -> BTreeMap<String, BTreeMap<String, Value>> {
    let store = open(settings).await;
    let snapshot = store.snapshot();
    let mut all = BTreeMap::new();
    for data_type in snapshot.types().await.unwrap() {
        let mut scan = snapshot.scan_raw(&data_type, &ScanOptions::new()).unwrap();
        let mut documents = BTreeMap::new();
        while let Some(entry) = scan.next().await.unwrap() {
            documents.insert(entry.id, serde_json::from_slice(&entry.value).unwrap());
        }
        if !documents.is_empty() {
            all.insert(data_type, documents);
        }
    }
    store.close().await.unwrap();
    all
}

pub(crate) async fn count(settings: &Settings, data_type: &str) -> u64 {
    let store = open(settings).await;
    let count = store.count(data_type).await.unwrap();
    store.close().await.unwrap();
    count
}

/// Adds projects to the root group of a user, faster than requests would.
pub(crate) async fn add_projects(settings: &Settings, owner: &str, count: usize) {
    let name = owner.strip_prefix("user/").unwrap();
    let all = documents(settings).await;
    let user = all["user"]
        .values()
        .find(|user| user["name"] == name)
        .unwrap();
    let group = all["projectgroup"]
        .values()
        .find(|group| group["parent"]["id"] == user["id"]);
    let group = group.unwrap()["id"].clone();
    let store = open(settings).await;
    let mut transaction = store.begin();
    transaction.allow_stale_indexes();
    for number in 0..count {
        let id = format!("project-{number:05}");
        let project = json!({"id": id, "name": format!("p{number:05}"), "parent": {"type": "projectgroup", "id": group},
            "visibility": "public", "secret": "", "webhook_secret": "", "ssh_private_key": "",
            "repository": {"config_type": "manual", "remote_source_id": "", "linked_account_id": "", "id": "", "path": ""},
            "skip_ssh_host_key_check": false, "pass_variables_to_forks": false});
        transaction
            .put_raw("project", &id, project.to_string())
            .unwrap();
    }
    transaction.commit().await.unwrap();
    store.close().await.unwrap();
}

/// What the first transaction of a deletion leaves that took nothing but the object itself.
pub(crate) async fn remove_root_only(settings: &Settings, user_name: &str) {
    let all = documents(settings).await;
    let user = all["user"]
        .values()
        .find(|user| user["name"] == user_name)
        .unwrap();
    let id = user["id"].as_str().unwrap();
    let store = open(settings).await;
    let mut transaction = store.begin();
    transaction.allow_stale_indexes();
    transaction.delete_raw("user", id).unwrap();
    let deletion = json!({"id": id, "type": "user"});
    transaction
        .put_raw("deletion", id, deletion.to_string())
        .unwrap();
    transaction.commit().await.unwrap();
    store.close().await.unwrap();
}

/// Gives the last secret a value that no key opens.
pub(crate) async fn damage_last_secret(settings: &Settings) {
    let all = documents(settings).await;
    let (id, secret) = all["secret"].last_key_value().unwrap();
    let mut secret = secret.clone();
    let data = secret["data"].as_str().unwrap();
    let (start, _) = data.split_at(data.len() - 8);
    secret["data"] = json!(format!("{start}AAAAAAAA"));
    let store = open(settings).await;
    let mut transaction = store.begin();
    transaction.allow_stale_indexes();
    transaction
        .put_raw("secret", id, secret.to_string())
        .unwrap();
    transaction.commit().await.unwrap();
    store.close().await.unwrap();
}
