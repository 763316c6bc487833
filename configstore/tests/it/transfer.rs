//! Exports and imports.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use configstore::api::{
    AddOrgMemberRequest, CreateUserTokenRequest, MemberRole, UpdateUserRequest,
};
use configstore::client::{Client, ListOptions, ValueParent};
use configstore::{Error, ErrorKind};
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::host::{
    Fill, Server, linked_account_request, secret_request, settings, variable_request, wait_until,
};
use crate::stored::documents;

pub(crate) async fn export(client: &Client, format: &str) -> Vec<u8> {
    let pieces = client.export(format).await.unwrap();
    let pieces: Vec<Bytes> = pieces.try_collect().await.unwrap();
    pieces.concat()
}

pub(crate) async fn import(client: &Client, export: Vec<u8>) -> Result<(), Error> {
    // In small pieces, so that objects do not come whole.
    let pieces: Vec<_> = export
        .chunks(1_000)
        .map(|piece| Ok::<_, Error>(Bytes::copy_from_slice(piece)))
        .collect();
    client.import(futures::stream::iter(pieces)).await
}

/// An export in the format of agola, made by hand.
pub(crate) fn agola_export(objects: &[(&str, Value)]) -> Vec<u8> {
    let mut export = Vec::new();
    for (data_type, object) in objects {
        let data = STANDARD.encode(object.to_string());
        let entry = json!({"id": object["id"], "data_type": data_type, "data": data});
        export.extend(entry.to_string().into_bytes());
    }
    export
}

/// Reads an export of agola as its import does: types in one piece each, ids rising.
fn read_agola_export(export: &[u8]) -> Vec<(String, Value)> {
    let mut objects = Vec::new();
    let mut last: Option<(String, String)> = None;
    let mut types = Vec::new();
    for entry in
        serde_json::Deserializer::from_slice(export).into_iter::<BTreeMap<String, String>>()
    {
        let entry = entry.unwrap();
        assert_eq!(
            entry.keys().collect::<Vec<_>>(),
            ["data", "data_type", "id"]
        );
        let (data_type, id) = (entry["data_type"].clone(), entry["id"].clone());
        let is_same_type = last.as_ref().is_some_and(|(last, _)| *last == data_type);
        if is_same_type {
            assert!(last.unwrap().1 < id);
        } else {
            assert!(!types.contains(&data_type));
            types.push(data_type.clone());
        }
        let data: Value =
            serde_json::from_slice(&STANDARD.decode(&entry["data"]).unwrap()).unwrap();
        assert_eq!(data["id"], json!(id));
        last = Some((data_type.clone(), id));
        objects.push((data_type, data));
    }
    let order = [
        "user",
        "org",
        "orgmember",
        "projectgroup",
        "project",
        "remotesource",
        "secret",
        "variable",
    ];
    let expected: Vec<_> = order
        .into_iter()
        .filter(|one| types.iter().any(|found| found == one))
        .collect();
    assert_eq!(types, expected);
    objects
}

/// One object of each kind, with every field that agola v0.7 can store.
pub(crate) fn sample() -> Vec<(&'static str, Value)> {
    let user = json!({"id": "11111111-0000-4000-8000-000000000001", "name": "user01", "secret": "c0ffee",
        "linked_accounts": {"22222222-0000-4000-8000-000000000001": {"id": "22222222-0000-4000-8000-000000000001",
            "remote_user_id": "42", "remote_username": "remote01", "remote_user_avatar_url": "https://example.com/a.png",
            "remote_source_id": "77777777-0000-4000-8000-000000000001", "user_access_token": "useraccess",
            "oauth2_access_token": "oauth2access", "oauth2_refresh_token": "oauth2refresh",
            "oauth_2_access_token_expires_at": "2021-02-03T04:05:06.789+01:00"}},
        "password": "pass<word>", "tokens": {"token 1": "0123456789abcdef0123456789abcdef01234567"}, "admin": true});
    let org = json!({"id": "33333333-0000-4000-8000-000000000001", "name": "org01", "visibility": "private",
        "creator_user_id": user["id"], "created_at": "2020-01-02T03:04:05.123456789Z"});
    let member = json!({"id": "44444444-0000-4000-8000-000000000001", "organization_id": org["id"],
        "user_id": user["id"], "member_role": "owner"});
    let user_group = json!({"id": "55555555-0000-4000-8000-000000000001", "parent": {"type": "user", "id": user["id"]},
        "visibility": "public"});
    let org_group = json!({"id": "55555555-0000-4000-8000-000000000002", "parent": {"type": "org", "id": org["id"]},
        "visibility": "private"});
    let group = json!({"id": "55555555-0000-4000-8000-000000000003", "name": "projectgroup01",
        "parent": {"type": "projectgroup", "id": org_group["id"]}, "visibility": "public"});
    let project = json!({"id": "66666666-0000-4000-8000-000000000001", "name": "project01", "secret": "deadbeef",
        "parent": {"type": "projectgroup", "id": group["id"]}, "visibility": "public",
        "remote_repository_config_type": "remotesource", "remote_source_id": "77777777-0000-4000-8000-000000000001",
        "linked_account_id": "22222222-0000-4000-8000-000000000001", "repository_id": "1", "repository_path": "a/b",
        "ssh_private_key": "-----BEGIN-----\n<>&", "skip_ssh_host_key_check": true, "webhook_secret": "feedface",
        "pass_vars_to_forked_pr": true, "run_config": {"format": "yaml", "content": "runs: []"}});
    let source = json!({"id": "77777777-0000-4000-8000-000000000001", "name": "rs01", "apiurl": "https://example.com",
        "skip_verify": true, "type": "gitea", "auth_type": "oauth2", "client_id": "clientid",
        "client_secret": "clientsecret", "ssh_host_key": "hostkey", "skip_ssh_host_key_check": true,
        "registration_enabled": false, "login_enabled": true});
    let secret = json!({"id": "88888888-0000-4000-8000-000000000001", "name": "secret01",
        "parent": {"type": "project", "id": project["id"]}, "type": "internal",
        "data": {"key1": "secretvalue1", "key2": "ü"}, "secret_provider_id": "none", "path": "none"});
    let variable = json!({"id": "99999999-0000-4000-8000-000000000001", "name": "variable01",
        "parent": {"type": "projectgroup", "id": group["id"]}, "values": [{"secret_name": "secret01", "secret_var": "key1",
            "when": {"branch": {"include": [{"type": "simple", "match": "master"}],
                "exclude": [{"type": "regexp", "match": "x.*"}]}, "tag": {"include": [{"type": "simple", "match": "v1"}]},
                "ref": {"include": [{"type": "regexp", "match": "refs"}]}}}, {"secret_name": "secret02"}]});
    vec![
        ("user", user),
        ("org", org),
        ("orgmember", member),
        ("projectgroup", user_group),
        ("projectgroup", org_group),
        ("projectgroup", group),
        ("project", project),
        ("remotesource", source),
        ("secret", secret),
        ("variable", variable),
    ]
}

async fn in_maintenance(client: &Client) {
    client.enable_maintenance().await.unwrap();
    wait_until("all are in maintenance", async || {
        client.maintenance().await.unwrap().waiting_for.is_empty()
    })
    .await;
}

/// Field cases IE-07 and IE-08: kinds of data were left out of exports, and what was imported began anew.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_agola_comes_in_and_goes_out_again() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let server = Server::start(&settings).await;
    let client = server.client();
    client.add_user("before").await;
    in_maintenance(&client).await;
    import(&client, agola_export(&sample())).await.unwrap();

    // Everything is exported but the tokens, which nobody knows any more.
    let exported = export(&client, "agola").await;
    let mut expected = sample();
    expected[0].1.as_object_mut().unwrap().remove("tokens");
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(kind, object)| (kind.to_owned(), object))
        .collect();
    assert_eq!(read_agola_export(&exported), expected);

    client.disable_maintenance().await.unwrap();
    assert_eq!(client.user_names().await, ["user01"]);
    let user = client
        .user_by_token("0123456789abcdef0123456789abcdef01234567")
        .await
        .unwrap();
    assert!(user.admin && user.tokens["token 1"].is_empty());
    assert_eq!(
        client
            .user_by_remote_user("42", "77777777-0000-4000-8000-000000000001")
            .await
            .unwrap(),
        user
    );
    let project = client
        .project("org/org01/projectgroup01/project01")
        .await
        .unwrap();
    assert_eq!(project.project.ssh_private_key, "-----BEGIN-----\n<>&");
    let secrets = client
        .secrets(ValueParent::Project(&project.project.id), true)
        .await
        .unwrap();
    assert_eq!(secrets[0].secret.data["key2"], "ü");
    assert_eq!(client.org_members("org01").await.unwrap()[0].user, user);
    client
        .update_user(
            "user01",
            &UpdateUserRequest {
                user_name: "user02".to_owned(),
            },
        )
        .await
        .unwrap();
    server.stop().await.unwrap();

    // Nothing of it lies there in clear.
    let stored = format!("{:?}", documents(&settings).await);
    let exported = read_agola_export(&exported);
    for clear in [
        "useraccess",
        "oauth2access",
        "secretvalue1",
        "key1\\\":",
        "BEGIN",
        "clientsecret",
        "deadbeef",
        "0123456789abcdef0123",
    ] {
        assert!(!stored.contains(clear), "{clear}");
    }
    assert!(format!("{exported:?}").contains("secretvalue1"));
    for entry in walk(&settings.server.data_dir) {
        let bytes = std::fs::read(&entry).unwrap();
        for clear in ["secretvalue1", "0123456789abcdef0123456789abcdef01234567"] {
            assert!(
                !bytes
                    .windows(clear.len())
                    .any(|window| window == clear.as_bytes()),
                "{entry:?}"
            );
        }
    }
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(walk(&path)),
            false => files.push(path),
        }
    }
    files
}

/// Field cases IE-01 to IE-05 and IE-10: what was no whole export destroyed what was there.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_export_changes_nothing() {
    let server = Server::new().await;
    let client = server.client();
    client.add_user("user01").await;
    let before = export(&client, "native").await;
    let good = agola_export(&sample());
    let error = import(&client, good.clone()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::BadRequest, "not_in_maintenance")
    );
    in_maintenance(&client).await;

    let with = |data_type: &'static str, change: &dyn Fn(&mut Value)| {
        let mut objects = sample();
        for (kind, object) in &mut objects {
            if *kind == data_type {
                change(object);
            }
        }
        agola_export(&objects)
    };
    let also = |data_type: &'static str, object: Value| {
        let mut objects = sample();
        objects.push((data_type, object));
        agola_export(&objects)
    };
    let user = sample()[0].1.clone();
    let mut cut_native = before.clone();
    cut_native.truncate(before.len() - 5);
    for (export, reason) in [
        (Vec::new(), "empty"),
        (b"\x00\xff random".to_vec(), "JSON object is expected"),
        (b"<html></html>".to_vec(), "HTML"),
        (b"[{}]".to_vec(), "array"),
        (good[..good.len() - 10].to_vec(), "cut off"),
        (cut_native, "cut off"),
        (
            also("run", json!({"id": "1"})),
            "data type \"run\" is not known",
        ),
        (also("user", user.clone()), "stands twice"),
        (also("user", json!({"id": "1", "name": "user01"})), "user01"),
        (
            also(
                "user",
                json!({"id": "2", "name": "user02", "tokens": {"t": ""}}),
            ),
            "tokens",
        ),
        (with("org", &|org| org["color"] = json!("red")), "color"),
        (
            with("org", &|org| org["visibility"] = json!("secret")),
            "another type",
        ),
        (
            with("org", &|org| org["visibility"] = json!("")),
            "visibility",
        ),
        (
            with("project", &|project| {
                project["parent"]["type"] = json!("user")
            }),
            "parent",
        ),
        (
            with("project", &|project| {
                project["name"] = json!("a".repeat(600))
            }),
            "600 bytes",
        ),
        (
            with("secret", &|secret| secret["data"] = json!({"k": 1})),
            "another type",
        ),
        (
            with("projectgroup", &|group| group["name"] = json!("x")),
            "root project group",
        ),
    ] {
        let error = import(&client, export).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::BadRequest, "invalid_import"),
            "{reason}: {error}"
        );
        let message = error.to_string();
        assert!(message.contains(reason), "{reason}: {message}");
        assert!(!message.contains("secretvalue"), "{message}");
    }
    // One whose connection breaks off.
    let half = good.len() / 2;
    let pieces = vec![
        Ok(Bytes::copy_from_slice(&good[..half])),
        Err(std::io::Error::other("cut")),
    ];
    client
        .import(futures::stream::iter(pieces))
        .await
        .unwrap_err();

    let after = export(&client, "native").await;
    let documents = |export: &[u8]| {
        let text = String::from_utf8_lossy(export).into_owned();
        let lines = text.lines().filter(|line| line.contains("\"type\""));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(documents(&after), documents(&before));
    client.disable_maintenance().await.unwrap();
    assert_eq!(client.user_names().await, ["user01"]);
    client.add_user("user02").await;
}

/// Field case IE-05: an export that broke off looked like a whole one.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_cannot_go_on_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let server = Server::start(&settings).await;
    let client = server.client();
    client.add_org("org01").await;
    let parent = ValueParent::ProjectGroup("org/org01");
    for number in 0..100 {
        let request = secret_request(&format!("s{number:03}"), "a", &"x".repeat(500));
        client.create_secret(parent, &request).await.unwrap();
    }
    assert!(!export(&client, "agola").await.is_empty());
    server.stop().await.unwrap();
    crate::stored::damage_last_secret(&settings).await;

    let server = Server::start(&settings).await;
    let client = server.client();
    let mut pieces = client.export("agola").await.unwrap();
    let mut bytes = 0;
    let error = loop {
        match pieces.try_next().await {
            Ok(Some(piece)) => bytes += piece.len(),
            Ok(None) => panic!("the export ended well after {bytes} bytes"),
            Err(error) => break error,
        }
    };
    assert!(bytes > 0, "{error}");
    // The failure is the one secret's; everything else goes on.
    client.org("org01").await.unwrap();
    let error = client.secrets(parent, false).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Internal, "internal")
    );
    // Why is in the log alone.
    assert!(!error.to_string().contains("decrypt"), "{error}");
    let lines = crate::captured_log::lines();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("an export was broken off")
                && line.contains("cannot be decrypted"))
    );
}

/// Field case IE-08: old tokens work after a restore, ids stay, and new ones are others.
#[tokio::test(flavor = "multi_thread")]
async fn a_native_export_restores_everything_tokens_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut first_settings = settings(directory.path());
    let server = Server::start(&first_settings).await;
    let client = server.client();
    client.add_remote_source("rs01").await;
    let user = client.add_user("user01").await;
    client
        .create_linked_account("user01", &linked_account_request("rs01", "1"))
        .await
        .unwrap();
    let request = CreateUserTokenRequest {
        token_name: "t".to_owned(),
    };
    let token = client.create_token("user01", &request).await.unwrap().token;
    client.add_org("org01").await;
    let role = AddOrgMemberRequest {
        role: Some(MemberRole::Member),
    };
    client
        .put_org_member("org01", "user01", &role)
        .await
        .unwrap();
    client.add_project("org/org01", "project01").await;
    let parent = ValueParent::Project("org/org01/project01");
    client
        .create_secret(parent, &secret_request("s01", "a", "hush"))
        .await
        .unwrap();
    client
        .create_variable(parent, &variable_request("v01", "s01", "a"))
        .await
        .unwrap();
    let agola = read_agola_export(&export(&client, "agola").await);
    let native = export(&client, "native").await;
    server.stop().await.unwrap();

    // Another installation with the same key.
    let other = directory.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::copy(
        first_settings.server.data_dir.join("secret-key"),
        other.join("secret-key"),
    )
    .unwrap();
    first_settings.server.data_dir = other;
    let server = Server::start(&first_settings).await;
    let client = server.client();
    in_maintenance(&client).await;
    import(&client, native.clone()).await.unwrap();
    assert_eq!(read_agola_export(&export(&client, "agola").await), agola);
    client.disable_maintenance().await.unwrap();
    assert_eq!(client.user_by_token(&token).await.unwrap().id, user.id);
    assert_eq!(
        client.secrets(parent, false).await.unwrap()[0].secret.data["a"],
        "hush"
    );
    assert_ne!(client.add_user("user02").await.id, user.id);
    assert_eq!(client.users(&ListOptions::all()).await.unwrap().len(), 2);
    server.stop().await.unwrap();

    // And one with another key, which could not read it.
    let server = Server::new().await;
    let client = server.client();
    in_maintenance(&client).await;
    let error = import(&client, native).await.unwrap_err();
    assert!(error.to_string().contains("encrypted with key"), "{error}");
}
