//! Several instances on one store.

use std::collections::BTreeMap;

use configstore::api::{AddOrgMemberRequest, MemberRole};
use configstore::client::{Client, ListOptions};
use configstore::{Error, ErrorKind, Settings};

use crate::captured_log;
use crate::cluster::{Cluster, on_each_shared_log};
use crate::host::{
    Fill, Server, assert_exists, group_request, project_request, user_request, wait_until,
};
use crate::transfer::{export, import};

on_each_shared_log!(
    instances_that_were_away_or_are_new_have_what_the_others_have,
    a_name_is_given_once_however_many_instances_are_asked,
    every_client_sees_its_own_writes_on_every_instance,
    maintenance_and_imports_reach_all_instances,
);

/// How often something is done that may go wrong: more with the variable.
fn count(variable: &str, default: usize) -> usize {
    let given = std::env::var(variable).ok();
    given.map_or(default, |given| given.parse().unwrap())
}

/// The ids of all users.
async fn ids(client: &Client) -> BTreeMap<String, String> {
    let users = client.users(&ListOptions::all()).await.unwrap();
    users.into_iter().map(|user| (user.name, user.id)).collect()
}

/// Starts an instance, and sees that it tells nothing incomplete from its first answer on (field case OP-12).
async fn start_complete(settings: &Settings, count: usize) -> Server {
    let server = Server::begin(settings);
    let client = server.client();
    wait_until("the users are there", async || {
        match client.users(&ListOptions::all()).await {
            Ok(users) => {
                assert_eq!(users.len(), count);
                true
            }
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown),
                    "{error}"
                );
                false
            }
        }
    })
    .await;
    server
}

async fn in_maintenance(client: &Client) {
    client.enable_maintenance().await.unwrap();
    wait_until("all are in maintenance", async || {
        client.maintenance().await.unwrap().waiting_for.is_empty()
    })
    .await;
}

/// Test vectors 1 to 5.
async fn instances_that_were_away_or_are_new_have_what_the_others_have(cluster: Cluster) {
    let first = Server::start(&cluster.settings("first")).await;
    let client = first.client();
    let second = Server::start(&cluster.settings("second")).await;
    let add = async |numbers: std::ops::Range<usize>| {
        for number in numbers {
            client.add_user(&format!("user{number}")).await;
        }
    };
    add(0..10).await;
    second.stop().await.unwrap();
    add(10..20).await;
    #[cfg(feature = "etcd")]
    if let Some(etcd) = &cluster.etcd {
        etcd.etcdctl(&["compaction", &revision(etcd)]).unwrap();
    }
    let all = ids(&client).await;
    assert_eq!(all.len(), 20);
    let second = start_complete(&cluster.settings("second"), 20).await;
    assert_eq!(ids(&second.client()).await, all);
    let third = start_complete(&cluster.settings("third"), 20).await;
    assert_eq!(ids(&third.client()).await, all);

    second.stop().await.unwrap();
    third.stop().await.unwrap();
    let exported = export(&client, "agola").await;
    in_maintenance(&client).await;
    import(&client, exported).await.unwrap();
    client.disable_maintenance().await.unwrap();
    assert_eq!(ids(&client).await, all);
    let second = start_complete(&cluster.settings("second"), 20).await;
    assert_eq!(ids(&second.client()).await, all);
    add(20..30).await;
    let all = ids(&client).await;
    assert_eq!(all.len(), 30);
    // With nothing of its own left.
    std::fs::remove_dir_all(cluster.path("third")).unwrap();
    let third = start_complete(&cluster.settings("third"), 30).await;
    assert_eq!(ids(&third.client()).await, all);
}

#[cfg(feature = "etcd")]
fn revision(etcd: &datamanager::testing::Etcd) -> String {
    let status = etcd.etcdctl(&["endpoint", "status", "-w", "json"]).unwrap();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    status[0]["Status"]["header"]["revision"].to_string()
}

/// Each attempt has to be made or refused well.
fn made(results: Vec<Result<configstore::api::User, Error>>) -> usize {
    let (made, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    for result in refused {
        assert_exists(result);
    }
    made.len()
}

/// Test vector 8, with 16 clients and many names.
async fn a_name_is_given_once_however_many_instances_are_asked(cluster: Cluster) {
    const CLIENTS: usize = 16;
    let names = count("DM_SOAK_NAMES", 6);
    let mut servers = Vec::new();
    for name in ["first", "second", "third"] {
        servers.push(Server::start(&cluster.settings(name)).await);
    }
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let client = servers[number % servers.len()].client();
        clients.spawn(async move {
            let mut results = Vec::new();
            for number in 0..names {
                results.push(
                    client
                        .create_user(&user_request(&format!("user{number}")))
                        .await,
                );
            }
            results
        });
    }
    let results = clients.join_all().await;
    assert_eq!(made(results.into_iter().flatten().collect()), names);
    for server in &servers {
        let client = server.client();
        wait_until("all see all names", async || {
            ids(&client).await.len() == names
        })
        .await;
    }
}

/// What a client has done on one instance it finds on all others, at once.
async fn every_client_sees_its_own_writes_on_every_instance(cluster: Cluster) {
    let mut servers = Vec::new();
    for name in ["first", "second", "third"] {
        servers.push(Server::start(&cluster.settings(name)).await);
    }
    let clients: Vec<Client> = servers.iter().map(Server::client).collect();
    for round in 0..6 {
        let user = clients[round % 3].add_user(&format!("user{round}")).await;
        let position = clients[round % 3].position().unwrap();
        for client in &clients {
            client.remember(position);
            assert_eq!(client.user(&user.name).await.unwrap().id, user.id);
        }
    }
    let fresh = servers[2].client();
    let url = format!(
        "{}/api/v1alpha/users/user5?consistency=latest",
        servers[2].url()
    );
    assert!(reqwest::get(url).await.unwrap().status().is_success());
    fresh.ready().await.unwrap();
}

/// Field cases IE-03 and IE-04: another instance wrote on while an import ran.
async fn maintenance_and_imports_reach_all_instances(cluster: Cluster) {
    let mut servers = Vec::new();
    for name in ["first", "second", "third"] {
        servers.push(Server::start(&cluster.settings(name)).await);
    }
    let clients: Vec<Client> = servers.iter().map(Server::client).collect();
    clients[0].add_user("user01").await;
    clients[0].add_org("org01").await;
    let exported = export(&clients[0], "agola").await;
    clients[0].add_user("later").await;

    // Others write until they are refused.
    let mut writers = tokio::task::JoinSet::new();
    for (number, client) in clients.iter().enumerate().skip(1) {
        let client = client.clone();
        writers.spawn(async move {
            for attempt in 0.. {
                match client
                    .create_user(&user_request(&format!("w{number}x{attempt}")))
                    .await
                {
                    Ok(_) => {}
                    Err(error) => return error,
                }
            }
            unreachable!("it ends with an error");
        });
    }
    clients[0].enable_maintenance().await.unwrap();
    for error in writers.join_all().await {
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Unavailable, "maintenance"),
            "{error}"
        );
    }
    // What was asked for and what is are told apart; an import in between is refused.
    loop {
        let status = clients[0].maintenance().await.unwrap();
        if status.waiting_for.is_empty() {
            break;
        }
        assert_ne!(status.requested_mode, status.current_mode);
        // All may have followed in between; then it is right that it is done.
        if let Err(error) = import(&clients[0], exported.clone()).await {
            assert_eq!(error.code(), "instances_not_in_maintenance");
        }
    }
    for client in &clients {
        let error = client.ready().await.unwrap_err();
        assert_eq!(error.code(), "maintenance");
        let error = client.users(&ListOptions::all()).await.unwrap_err();
        assert_eq!(error.code(), "maintenance");
        let instances = client.instances().await.unwrap();
        assert_eq!(instances.len(), 3);
    }
    let before = users_of(&export(&clients[0], "agola").await);
    for bad in [
        Vec::new(),
        exported[..exported.len() - 20].to_vec(),
        b"{}".to_vec(),
    ] {
        import(&clients[1], bad).await.unwrap_err();
    }
    assert_eq!(users_of(&export(&clients[0], "agola").await), before);
    import(&clients[1], exported.clone()).await.unwrap();
    clients[2].disable_maintenance().await.unwrap();
    for server in &servers {
        server.wait_until_ready().await;
        let client = server.client();
        wait_until("all serve what was imported", async || {
            client
                .users(&ListOptions::all())
                .await
                .is_ok_and(|users| users.len() == 1)
        })
        .await;
        assert_eq!(client.user_names().await, ["user01"]);
        client.org("org01").await.unwrap();
    }
    clients[1].add_user("after").await;
    let error = clients[1].disable_maintenance().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::BadRequest, "already_disabled")
    );
}

/// How many users an export of agola has.
fn users_of(export: &[u8]) -> usize {
    let text = String::from_utf8_lossy(export).into_owned();
    text.matches("\"data_type\":\"user\"").count()
}

/// Changes of one thing are made one after the other, and none is lost.
#[tokio::test(flavor = "multi_thread")]
async fn parallel_changes_of_one_thing_all_happen() {
    const CHANGES: usize = 50;
    let server = Server::new().await;
    let client = server.client();
    client.add_org("org01").await;
    let project = client
        .add_project("org/org01", "project00")
        .await
        .project
        .id;
    for number in 0..CHANGES {
        client.add_user(&format!("user{number:02}")).await;
    }
    let mut changes = tokio::task::JoinSet::new();
    for number in 0..CHANGES {
        let (client, project) = (server.client(), project.clone());
        changes.spawn(async move {
            let name = format!("project{number:02}");
            let request = project_request("org/org01", &name);
            let updated = client.update_project(&project, &request).await.unwrap();
            assert_eq!(updated.project.name, name);
            let role = AddOrgMemberRequest {
                role: Some(MemberRole::Member),
            };
            client
                .put_org_member("org01", &format!("user{number:02}"), &role)
                .await
                .unwrap();
        });
    }
    changes.join_all().await;
    assert_eq!(
        client
            .project_group_projects("org/org01")
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(client.org_members("org01").await.unwrap().len(), CHANGES);
}

/// Two groups that are moved into each other at the same time would be out of reach for ever.
#[tokio::test(flavor = "multi_thread")]
async fn groups_that_are_moved_into_each_other_at_once_make_no_ring() {
    let server = Server::new().await;
    let client = server.client();
    client.add_user("user01").await;
    for round in 0..5 {
        let (one, other) = (format!("one{round}"), format!("other{round}"));
        let first = client.add_group("user/user01", &one).await.project_group.id;
        let second = client
            .add_group("user/user01", &other)
            .await
            .project_group
            .id;
        let (into_second, into_first) =
            (group_request(&second, &one), group_request(&first, &other));
        let (a, b) = tokio::join!(
            client.update_project_group(&first, &into_second),
            client.update_project_group(&second, &into_first),
        );
        assert_eq!(
            usize::from(a.is_ok()) + usize::from(b.is_ok()),
            1,
            "{a:?} {b:?}"
        );
        client.project_group(&first).await.unwrap();
        client.project_group(&second).await.unwrap();
    }
}

/// Field case DM-08: readers got failures while changes came in.
#[tokio::test(flavor = "multi_thread")]
async fn readers_are_not_disturbed_by_writers() {
    let writes = count("DM_SOAK_WRITES", 100);
    let server = Server::new().await;
    let client = server.client();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (client, done) = (server.client(), done.clone());
        readers.spawn(async move {
            let mut last = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let users = client.users(&ListOptions::all()).await.unwrap();
                assert!(users.len() >= last);
                last = users.len();
            }
        });
    }
    for number in 0..writes {
        client.add_user(&format!("user{number}")).await;
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    readers.join_all().await;
}

/// The lines of several instances in one process can be told apart, and hold no secrets (field case AP-10).
#[tokio::test(flavor = "multi_thread")]
async fn every_log_line_names_its_instance_and_none_has_a_secret() {
    let cluster = Cluster::with_object_log();
    let mut servers = Vec::new();
    for name in ["first", "second", "third"] {
        servers.push(Server::start(&cluster.settings(name)).await);
    }
    let client = servers[0].client();
    client.add_user("user01").await;
    let request = configstore::api::CreateUserTokenRequest {
        token_name: "t".to_owned(),
    };
    let token = client.create_token("user01", &request).await.unwrap().token;
    client.user_by_token(&token).await.unwrap();
    for server in &servers {
        let url = format!(
            "{}/api/v1alpha/users?access_token=open-sesame",
            server.url()
        );
        reqwest::get(url).await.unwrap();
        let path = format!("{}/api/v1alpha/none/open-sesame", server.url());
        reqwest::get(path).await.unwrap();
    }
    in_maintenance(&client).await;
    client.disable_maintenance().await.unwrap();
    for server in servers {
        server.stop().await.unwrap();
    }
    let lines = captured_log::lines();
    assert!(lines.len() > 20);
    // Of all tests so far.
    for line in &lines {
        assert!(line.contains(" instance="), "{line}");
        assert!(!line.contains("sesame") && !line.contains(&token), "{line}");
    }
    assert!(
        lines
            .iter()
            .any(|line| line.contains("audit") && line.contains("create user"))
    );
    let instances: std::collections::BTreeSet<_> = lines
        .iter()
        .filter_map(|line| line.split(" instance=").nth(1)?.split(' ').next())
        .collect();
    assert!(instances.len() >= 3, "{instances:?}");
    assert!(cluster.directory().exists());
}
