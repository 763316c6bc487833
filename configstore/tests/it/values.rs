//! Secrets and variables.

use configstore::api::{
    CreateUpdateSecretRequest, CreateUpdateVariableRequest, SecretType, When, WhenCondition,
    WhenConditionType, WhenConditions,
};
use configstore::client::ValueParent;

use crate::host::{
    Fill, Server, assert_exists, assert_invalid, assert_unknown, secret_request, variable_request,
};

const GROUP: &str = "org/org01/pg01";
const PROJECT: &str = "org/org01/pg01/project01";

async fn filled() -> Server {
    let server = Server::new().await;
    let client = server.client();
    client.add_org("org01").await;
    client.add_group("org/org01", "pg01").await;
    client.add_project(GROUP, "project01").await;
    server
}

/// Consumers rely on the order from the project up to the root.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_variables_of_the_tree_are_listed_from_the_leaf_to_the_root() {
    let server = filled().await;
    let client = server.client();
    let levels = [
        (ValueParent::ProjectGroup("org/org01"), "org/org01"),
        (ValueParent::ProjectGroup(GROUP), GROUP),
        (ValueParent::Project(PROJECT), PROJECT),
    ];
    for (parent, path) in levels {
        // The same name on another level is no clash.
        let request = secret_request("secret01", "key", path);
        let secret = client.create_secret(parent, &request).await.unwrap();
        assert_eq!(secret.data["key"], path);
        assert_exists(client.create_secret(parent, &request).await);
        let request = variable_request("variable01", "secret01", path);
        client.create_variable(parent, &request).await.unwrap();
        assert_exists(client.create_variable(parent, &request).await);
    }
    client
        .create_secret(
            ValueParent::Project(PROJECT),
            &secret_request("another", "key", "value"),
        )
        .await
        .unwrap();
    let secrets = client
        .secrets(ValueParent::Project(PROJECT), true)
        .await
        .unwrap();
    let found: Vec<_> = secrets
        .iter()
        .map(|secret| (&secret.secret.name[..], &secret.parent_path[..]))
        .collect();
    let expected = [
        ("another", PROJECT),
        ("secret01", PROJECT),
        ("secret01", GROUP),
        ("secret01", "org/org01"),
    ];
    assert_eq!(found, expected);
    assert_eq!(
        client
            .secrets(ValueParent::Project(PROJECT), false)
            .await
            .unwrap(),
        secrets[..2]
    );
    let variables = client
        .variables(ValueParent::ProjectGroup(GROUP), true)
        .await
        .unwrap();
    let paths: Vec<_> = variables
        .iter()
        .map(|variable| &variable.parent_path[..])
        .collect();
    assert_eq!(paths, [GROUP, "org/org01"]);
    let variables = client
        .variables(ValueParent::ProjectGroup("org/org01"), false)
        .await
        .unwrap();
    assert_eq!(variables[0].variable.values[0].secret_var, "org/org01");
    for parent in [
        ValueParent::Project("org/org01/none"),
        ValueParent::ProjectGroup("none"),
    ] {
        assert_unknown(client.secrets(parent, true).await);
        assert_unknown(client.variables(parent, false).await);
    }
}

/// Field case AP-17.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_changed_within_the_rules() {
    let server = filled().await;
    let client = server.client();
    let parent = ValueParent::Project(PROJECT);
    let made = client
        .create_secret(parent, &secret_request("secret01", "a", "1"))
        .await
        .unwrap();
    client
        .create_secret(parent, &secret_request("secret02", "a", "1"))
        .await
        .unwrap();
    let same = client
        .update_secret(parent, "secret01", &secret_request("secret01", "b", "2"))
        .await
        .unwrap();
    assert_eq!(same.id, made.id);
    assert_eq!(
        same.data.into_iter().collect::<Vec<_>>(),
        [("b".to_owned(), "2".to_owned())]
    );
    assert_exists(
        client
            .update_secret(parent, "secret01", &secret_request("secret02", "a", "1"))
            .await,
    );
    client
        .update_secret(parent, "secret01", &secret_request("secret03", "a", "1"))
        .await
        .unwrap();
    assert_unknown(
        client
            .update_secret(parent, "secret01", &secret_request("secret01", "a", "1"))
            .await,
    );
    for request in [
        CreateUpdateSecretRequest {
            kind: Some(SecretType::External),
            ..secret_request("secret04", "a", "1")
        },
        CreateUpdateSecretRequest {
            kind: None,
            ..secret_request("secret04", "a", "1")
        },
        CreateUpdateSecretRequest {
            data: Default::default(),
            ..secret_request("secret04", "a", "1")
        },
        secret_request("no name", "a", "1"),
    ] {
        assert_invalid(client.create_secret(parent, &request).await);
        assert_invalid(client.update_secret(parent, "secret02", &request).await);
    }
    client.delete_secret(parent, "secret03").await.unwrap();
    assert_unknown(client.delete_secret(parent, "secret03").await);
    assert_unknown(
        client
            .delete_secret(ValueParent::ProjectGroup(GROUP), "secret02")
            .await,
    );
}

/// Field case AP-17.
#[tokio::test(flavor = "multi_thread")]
async fn variables_are_changed_within_the_rules() {
    let server = filled().await;
    let client = server.client();
    let parent = ValueParent::ProjectGroup(GROUP);
    let condition = |kind, pattern: &str| WhenCondition {
        kind: Some(kind),
        pattern: pattern.to_owned(),
    };
    let mut request = variable_request("variable01", "not-there", "a");
    request.values[0].when = Some(When {
        branch: Some(WhenConditions {
            include: vec![condition(WhenConditionType::Simple, "master")],
            exclude: vec![condition(WhenConditionType::Regexp, "^x<&>")],
        }),
        tag: None,
        reference: Some(WhenConditions::default()),
    });
    let made = client.create_variable(parent, &request).await.unwrap();
    assert_eq!(made.values, request.values);
    assert_eq!(
        client.variables(parent, false).await.unwrap()[0].variable,
        made
    );
    client
        .create_variable(parent, &variable_request("variable02", "s", "a"))
        .await
        .unwrap();
    let same = client
        .update_variable(
            parent,
            "variable01",
            &variable_request("variable01", "s", "b"),
        )
        .await
        .unwrap();
    assert_eq!((same.id, same.values.len()), (made.id, 1));
    assert_exists(
        client
            .update_variable(
                parent,
                "variable01",
                &variable_request("variable02", "s", "a"),
            )
            .await,
    );
    client
        .update_variable(
            parent,
            "variable01",
            &variable_request("variable03", "s", "a"),
        )
        .await
        .unwrap();
    assert_unknown(
        client
            .update_variable(
                parent,
                "variable01",
                &variable_request("variable01", "s", "a"),
            )
            .await,
    );
    let empty = CreateUpdateVariableRequest {
        name: "variable04".to_owned(),
        values: Vec::new(),
    };
    assert_invalid(client.create_variable(parent, &empty).await);
    assert_invalid(client.update_variable(parent, "variable02", &empty).await);
    client.delete_variable(parent, "variable03").await.unwrap();
    assert_unknown(client.delete_variable(parent, "variable03").await);
    assert_unknown(
        client
            .delete_variable(ValueParent::Project(PROJECT), "variable02")
            .await,
    );
}
