//! Runs from definitions: what they are made of, and what is refused.
//!
//! The vectors are those of the reference that need no git provider; their tasks are looked at in the run service.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gateway_client::api::{
    DefinitionFormat, ProjectCreateRunRequest, RunPhase, UserCreateRunRequest, Visibility, When,
    WhenCondition, WhenConditionType, WhenConditions,
};
use gateway_client::{ErrorKind, RunsOf, ValuesOf};
use runservice::api::RunConfig;
use runservice::client::Client;

use crate::host::{
    Fill, User, World, assert_kind, definition, one_run, run_request, secret_request,
    variable_request,
};

/// What a run of a user or project consists of, as the run service has it.
async fn config(world: &World, group: &str, number: u64) -> RunConfig {
    let client = Client::builder(world.runservice.url()).build().unwrap();
    let run = client.group_run(group, number, &[]).await.unwrap();
    run.run_config.unwrap()
}

fn environment(config: &RunConfig) -> &BTreeMap<String, String> {
    &config.tasks.values().next().unwrap().environment
}

/// A definition in jsonnet and in starlark that puts its context into the environment of a task.
const CONTEXTS: [(DefinitionFormat, &str); 2] = [
    (
        DefinitionFormat::Jsonnet,
        "function(ctx) {runs: [{name: 'run01', tasks: [{name: 'task01', runtime: {containers: [{image: 'busybox'}]}, \
         environment: {[name]: ctx[name] for name in std.objectFields(ctx)}}]}]}",
    ),
    (
        DefinitionFormat::Starlark,
        "def main(ctx):\n  task = {'name': 'task01', 'runtime': {'containers': [{'image': 'busybox'}]}, 'environment': ctx}\n  \
         return {'runs': [{'name': 'run01', 'tasks': [task]}]}",
    ),
];

/// Vectors I8 to I11 and I23 to I25.
#[tokio::test(flavor = "multi_thread")]
async fn programs_get_what_runs_are_made_for() {
    let world = World::new().await;
    let User { client, user, .. } = world.user("user01").await;
    let group = format!("/user/{}", user.id);
    let mut number = 0;
    for (format, content) in CONTEXTS {
        for (branch, tag, reference, expected, part) in [
            (
                "master",
                "",
                "",
                ["branch", "refs/heads/master", "master", "", ""],
                "branch/master",
            ),
            (
                "",
                "v0.1.0",
                "",
                ["tag", "refs/tags/v0.1.0", "", "v0.1.0", ""],
                "tag/v0.1.0",
            ),
            (
                "",
                "",
                "refs/pull/1/head",
                ["pull_request", "refs/pull/1/head", "", "", "1"],
                "pr/1",
            ),
            (
                "",
                "",
                "refs/heads/feature/a",
                ["branch", "refs/heads/feature/a", "feature/a", "", ""],
                "branch/feature%2Fa",
            ),
        ] {
            let request = UserCreateRunRequest {
                branch: branch.to_owned(),
                tag: tag.to_owned(),
                reference: reference.to_owned(),
                commit_sha: "c0ffee".to_owned(),
                message: "message".to_owned(),
                pull_request_ref_regexes: vec![r"refs/pull/(\d+)/head".to_owned()],
                config: Some(definition(format.clone(), content)),
                ..Default::default()
            };
            let created = client.user_create_run(&request).await.unwrap();
            number += 1;
            assert_eq!(
                (created.runs[0].number, &created.runs[0].setup_errors),
                (number, &Vec::new())
            );
            let config = config(&world, &group, number).await;
            assert_eq!(config.group, format!("{group}/{part}"));
            let names = ["ref_type", "ref", "branch", "tag", "pull_request_id"];
            for (name, expected) in names.iter().zip(expected) {
                assert_eq!(environment(&config)[*name], expected, "{format} {name}");
                let annotation = config.annotations.get(*name).map(String::as_str);
                assert_eq!(annotation.unwrap_or_default(), expected, "{format} {name}");
            }
            assert_eq!(environment(&config)["commit_sha"], "c0ffee");
            let run = client.run(RunsOf::User("user01"), number).await.unwrap();
            assert_eq!(
                (
                    run.annotations["commit_sha"].as_str(),
                    run.annotations["run_type"].as_str()
                ),
                ("c0ffee", "user")
            );
        }
    }
}

/// Vectors I12 to I15.
#[tokio::test(flavor = "multi_thread")]
async fn direct_runs_have_the_variables_that_are_sent_with_them() {
    let world = World::new().await;
    let User { client, user, .. } = world.user("user01").await;
    let content = "runs: [{name: run01, tasks: [{name: task01, runtime: {containers: [{image: busybox}]}, \
                   environment: {ENV01: {from_variable: variable01}, ENV02: {from_variable: variable02}}}]}]";
    for (number, (variables, expected)) in [
        (vec![], ["", ""]),
        (
            vec![("variable01", "V1"), ("variable02", "V2")],
            ["V1", "V2"],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let variables = variables
            .into_iter()
            .map(|(name, value): (&str, &str)| (name.to_owned(), value.to_owned()));
        let request = UserCreateRunRequest {
            branch: "master".to_owned(),
            variables: variables.collect(),
            config: Some(definition(DefinitionFormat::Yaml, content)),
            ..Default::default()
        };
        client.user_create_run(&request).await.unwrap();
        let config = config(&world, &format!("/user/{}", user.id), number as u64 + 1).await;
        assert_eq!(
            [
                &environment(&config)["ENV01"],
                &environment(&config)["ENV02"]
            ],
            expected
        );
    }
}

/// Part of vectors I20 to I22, and section 7.5 of the reference: of variables with one name the nearest counts, of its values
/// the first that applies, and its secret is looked for from where the variable lies upwards.
#[tokio::test(flavor = "multi_thread")]
async fn runs_of_projects_have_the_variables_that_apply() {
    let world = World::new().await;
    let User { client, .. } = world.user("user01").await;
    client
        .add_group("user/user01", "group01", Visibility::Public)
        .await;
    client
        .add_project("user/user01/group01", "project01", Visibility::Public)
        .await;
    let group = ValuesOf::ProjectGroup("user/user01/group01");
    let path = "user/user01/group01/project01";
    let project = ValuesOf::Project(path);
    for (of, secret, value) in [
        (
            ValuesOf::ProjectGroup("user/user01"),
            "shared",
            "of the user",
        ),
        (group, "near", "of the group"),
        (project, "near", "of the project"),
    ] {
        client
            .create_secret(of, &secret_request(secret, "key", value))
            .await
            .unwrap();
    }
    let only_on = |branch: &str| {
        Some(When {
            branch: Some(WhenConditions {
                include: vec![WhenCondition {
                    kind: Some(WhenConditionType::Simple),
                    pattern: branch.to_owned(),
                }],
                exclude: Vec::new(),
            }),
            ..Default::default()
        })
    };
    // A secret below the variable is not seen by it.
    client
        .create_variable(group, &variable_request("v1", "near", "key"))
        .await
        .unwrap();
    client
        .create_variable(project, &variable_request("v2", "shared", "key"))
        .await
        .unwrap();
    client
        .create_variable(group, &variable_request("v3", "shared", "key"))
        .await
        .unwrap();
    let mut overriding = variable_request("v3", "near", "key");
    overriding.values[0].when = only_on("release");
    client.create_variable(project, &overriding).await.unwrap();
    client
        .create_variable(project, &variable_request("v4", "nothing", "key"))
        .await
        .unwrap();
    let names = ["v1", "v2", "v3", "v4", "v5"];
    let values: String = names
        .iter()
        .map(|name| format!("{name}: {{from_variable: {name}}}, "))
        .collect();
    let content = format!(
        "runs: [{{name: run01, tasks: [{{name: task01, runtime: {{containers: [{{image: busybox}}]}}, environment: {{{values}}}}}]}}]"
    );
    let id = client.project(path).await.unwrap().id;
    for (number, (branch, expected)) in [
        ("main", ["of the group", "of the user", "", "", "sent"]),
        (
            "release",
            ["of the group", "of the user", "of the project", "", "sent"],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let request = ProjectCreateRunRequest {
            branch: branch.to_owned(),
            config: Some(definition(DefinitionFormat::Yaml, &content)),
            variables: [("v5".to_owned(), "sent".to_owned())].into(),
            ..Default::default()
        };
        client.project_create_run(path, &request).await.unwrap();
        let config = config(&world, &format!("/project/{id}"), number as u64 + 1).await;
        let found = names.map(|name| environment(&config)[name].as_str());
        assert_eq!(found, expected, "{branch}");
        assert_eq!(config.static_environment["AGOLA_GIT_BRANCH"], branch);
        assert_eq!(config.static_environment["CI"], "true");
    }
}

/// Vectors I5 to I7, and definitions that are stored.
#[tokio::test(flavor = "multi_thread")]
async fn conditions_and_messages_decide_which_runs_there_are() {
    let world = World::new().await;
    let User { client, .. } = world.user("user01").await;
    let mut request = crate::host::project_request("", "project01", Visibility::Private);
    let content = "runs: [{name: always}, {name: never, when: {branch: notmaster}}, {name: tags, when: {tag: /.*/}}]";
    request.run_config = Some(definition(DefinitionFormat::Yaml, content));
    client.create_project(&request).await.unwrap();
    let path = "user/user01/project01";
    for (branch, tag, message, expected) in [
        ("master", "", "commit", vec!["always"]),
        ("notmaster", "", "commit", vec!["always", "never"]),
        ("", "v1", "commit", vec!["always", "tags"]),
        ("master", "", "[ci skip] commit", vec![]),
        ("master", "", "commit\n\n[ci skip] body", vec![]),
        ("master", "", "[CI SKIP]", vec!["always"]),
    ] {
        let request = ProjectCreateRunRequest {
            branch: branch.to_owned(),
            tag: tag.to_owned(),
            message: message.to_owned(),
            ..Default::default()
        };
        let created = client.project_create_run(path, &request).await.unwrap();
        let names: Vec<&str> = created.runs.iter().map(|run| run.name.as_str()).collect();
        assert_eq!(names, expected, "{message}");
    }
    // A definition with faults makes one run that tells of them, whatever the message says.
    let request = ProjectCreateRunRequest {
        message: "[ci skip]".to_owned(),
        ..run_request(
            DefinitionFormat::Yaml,
            "runs:\n- name: a\n  tasks: [{name: t}]\n- tasks: 1\n",
        )
    };
    let created = client.project_create_run(path, &request).await.unwrap();
    assert_eq!(
        (created.runs.len(), created.runs[0].name.as_str()),
        (1, "Setup Error")
    );
    assert_eq!(
        created.runs[0].setup_errors,
        [
            "line 3, runs[0].tasks[0]: the task has no runtime",
            "line 4, runs[1]: the run has no name",
            "line 4, runs[1].tasks: a list is expected, and there is a number",
        ]
    );
    let run = client
        .run(RunsOf::Project(path), created.runs[0].number)
        .await
        .unwrap();
    assert_eq!(
        (run.phase, run.setup_errors.len()),
        (RunPhase::SetupError, 3)
    );
    for (branch, tag, reference) in [
        ("", "", ""),
        ("a", "b", ""),
        ("a", "", "refs/heads/a"),
        ("", "", "refs/other/x"),
    ] {
        let request = ProjectCreateRunRequest {
            branch: branch.to_owned(),
            tag: tag.to_owned(),
            reference: reference.to_owned(),
            ..Default::default()
        };
        assert_kind(
            client.project_create_run(path, &request).await,
            ErrorKind::Invalid,
        );
    }
}

/// Field case CI-25: huge or hostile files exhausted the service.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_definitions_become_setup_errors_and_keep_nobody_waiting() {
    let world = World::with(|settings| {
        settings.limits.json_bytes_max = 4 * 1024 * 1024;
        settings.run_definitions.time_max = Duration::from_secs(3);
    })
    .await;
    let User { client, .. } = world.user("user01").await;
    client
        .add_project("", "project01", Visibility::Private)
        .await;
    let path = "user/user01/project01";
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..12 {
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            format!("*a{},", level - 1).repeat(9)
        ));
    }
    for (format, content) in [
        (DefinitionFormat::Yaml, "#".repeat(1024 * 1024 + 1)),
        (DefinitionFormat::Yaml, "[".repeat(500_000)),
        (DefinitionFormat::Yaml, bomb),
        (DefinitionFormat::Jsonnet, "local f(n) = f(n + 1) + 1; f(0)".to_owned()),
        (DefinitionFormat::Jsonnet, "{runs: std.makeArray(1000000000, function(x) x)}".to_owned()),
        (DefinitionFormat::Starlark, "def main(ctx):\n  for a in range(1 << 30):\n    for b in range(1 << 30):\n      pass\n  return {}".to_owned()),
    ] {
        let began = Instant::now();
        let request = run_request(format, &content);
        let (created, others) = tokio::join!(client.project_create_run(path, &request), client.current_user());
        assert_eq!(created.unwrap().runs[0].name, "Setup Error");
        others.unwrap();
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
    let request = run_request(DefinitionFormat::Yaml, &one_run("good"));
    assert_eq!(
        client
            .project_create_run(path, &request)
            .await
            .unwrap()
            .runs[0]
            .name,
        "good"
    );
}
