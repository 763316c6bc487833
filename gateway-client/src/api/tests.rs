//! Types and their JSON.

use serde_json::json;

use super::*;

#[test]
fn names_that_are_not_known_are_kept() {
    let run: RunSummaryResponse = serde_json::from_value(json!({
        "number": 3, "phase": "paused", "result": null, "annotations": null, "start_time": "2026-01-02T03:04:05.5Z",
        "end_time": null, "new_key": 1,
    }))
    .unwrap();
    assert_eq!(run.phase, RunPhase::Other("paused".to_owned()));
    assert_eq!(run.result, RunResult::default());
    assert_eq!(
        run.start_time.unwrap().to_string(),
        "2026-01-02T03:04:05.5Z"
    );
    assert_eq!(run.end_time, None);
    let phase = serde_json::to_value(RunPhase::SetupError).unwrap();
    assert_eq!(
        (phase, RunPhase::SetupError.to_string()),
        (json!("setuperror"), "setuperror".to_owned())
    );
}

#[test]
fn keys_are_those_of_agola() {
    let request = CreateRemoteSourceRequest {
        name: "rs01".to_owned(),
        oauth_2_client_secret: "hidden".to_owned(),
        ..Default::default()
    };
    let keys = serde_json::to_value(&request).unwrap();
    let keys: Vec<String> = keys.as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        keys,
        [
            "apiurl",
            "auth_type",
            "name",
            "oauth_2_client_id",
            "oauth_2_client_secret",
            "skip_ssh_host_key_check",
            "skip_verify",
            "ssh_host_key",
            "type",
        ]
    );
    assert!(!format!("{request:?}").contains("hidden"));
    let org: UserOrgResponse =
        serde_json::from_value(json!({"Organization": {"id": "1", "name": "org01", "visibility": "public"}, "Role": "owner"})).unwrap();
    assert_eq!(
        (org.organization.name.as_str(), org.role),
        ("org01", Some(MemberRole::Owner))
    );
    let info: RemoteUserInfo =
        serde_json::from_value(json!({"ID": "7", "LoginName": "ann", "Email": "a@b.c"})).unwrap();
    assert_eq!((info.id.as_str(), info.login_name.as_str()), ("7", "ann"));
    let update = serde_json::to_value(UpdateProjectRequest::default()).unwrap();
    assert_eq!(update, json!({}));
}

#[test]
fn secrets_are_not_shown() {
    let secret = SecretRequest {
        data: [("key".to_owned(), "hidden".to_owned())].into(),
        ..Default::default()
    };
    let token = CreateUserTokenResponse {
        token: "hidden".to_owned(),
    };
    let run = UserCreateRunRequest {
        variables: [("key".to_owned(), "hidden".to_owned())].into(),
        ..Default::default()
    };
    let shown = format!("{secret:?} {token:?} {run:?}");
    assert!(!shown.contains("hidden"), "{shown}");
}
