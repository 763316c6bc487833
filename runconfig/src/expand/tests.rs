//! From definitions to tasks.

use std::collections::BTreeMap;

use configstore::evaluation::RefType;
use runservice::api::{DependCondition, RegistryAuth, RunConfigTask, Step};

use crate::context::Context;
use crate::parse::parse;

fn variables(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    let list = list.iter();
    list.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The tasks of the first run, whose ids are `id-` and their names.
fn tasks(content: &str, given: &[(&str, &str)]) -> BTreeMap<String, RunConfigTask> {
    let definition = parse(content).unwrap();
    let context = Context::new(RefType::Branch);
    definition.tasks_with_ids(&definition.runs[0], &context, &variables(given), |name| {
        format!("id-{name}")
    })
}

fn auth(kind: &str, username: &str, password: &str, auth: &str) -> RegistryAuth {
    RegistryAuth {
        kind: kind.to_owned(),
        username: username.to_owned(),
        password: password.to_owned(),
        auth: auth.to_owned(),
    }
}

const ENVIRONMENT: &str = "{ENV01: ENV01, ENVFROMVARIABLE01: {from_variable: variable01}}";
const RUNTIME: &str = "runtime: {containers: [{image: image01}]}";

#[test]
fn a_task_with_everything_is_expanded() {
    let content = format!(
        "runs:\n- name: run01\n  docker_registries_auth: {{index.docker.io: {{username: username, password: {{from_variable: password}}}}}}\n  \
         tasks:\n  - name: task01\n    docker_registries_auth: {{index.docker.io: {{username: {{from_variable: registry_username}}, password: password2}}}}\n    \
         runtime: {{containers: [{{image: image01, environment: {ENVIRONMENT}, volumes: [{{path: /mnt/vol01, tmpfs: {{}}}}, {{path: /mnt/vol01, tmpfs: {{size: 1Gi}}}}]}}]}}\n    \
         environment: {ENVIRONMENT}\n    when: {{branch: master, tag: [v1.x, v2.x], ref: master}}\n    \
         steps: [{{run: command01}}, {{run: {{name: name different than command, command: command02}}}}, {{run: {{command: command03, environment: {ENVIRONMENT}}}}}]\n"
    );
    let mut tasks = tasks(
        &content,
        &[
            ("variable01", "VARVALUE01"),
            ("registry_username", "yourregistryusername"),
        ],
    );
    let task = tasks.remove("id-task01").unwrap();
    let environment = variables(&[("ENV01", "ENV01"), ("ENVFROMVARIABLE01", "VARVALUE01")]);
    assert_eq!(
        task.docker_registries_auth["index.docker.io"],
        auth("basic", "yourregistryusername", "password2", "")
    );
    assert_eq!(task.environment, environment);
    let container = &task.runtime.as_ref().unwrap().containers[0];
    assert_eq!(container.environment, environment);
    let sizes = container
        .volumes
        .iter()
        .map(|volume| volume.tmpfs.as_ref().unwrap().size);
    assert_eq!(sizes.collect::<Vec<_>>(), [0, 1_073_741_824]);
    let steps = task.steps.iter().map(|step| match step {
        Step::Run(step) => (step.name.as_str(), step.environment.len()),
        _ => ("", 0),
    });
    assert_eq!(
        steps.collect::<Vec<_>>(),
        [
            ("command01", 0),
            ("name different than command", 0),
            ("command03", 2)
        ]
    );
    assert_eq!(
        (task.shell.as_str(), task.working_dir.as_str()),
        ("/bin/sh -e", "~/project")
    );
    assert!(task.depends.is_empty() && task.skip && !task.needs_approval);
}

#[test]
fn credentials_of_the_task_go_before_those_of_the_run_and_of_all() {
    let of = |of_all: &str, of_run: &str, of_task: &str, given: &[(&str, &str)]| {
        let content = format!(
            "docker_registries_auth: {{{of_all}}}\nruns: [{{name: a, docker_registries_auth: {{{of_run}}}, \
             tasks: [{{name: task01, {RUNTIME}, docker_registries_auth: {{{of_task}}}}}]}}]"
        );
        tasks(&content, given)["id-task01"]
            .docker_registries_auth
            .clone()
    };
    let hub = |of_all: &str, of_run: &str, of_task: &str, given: &[(&str, &str)]| {
        of(of_all, of_run, of_task, given)["index.docker.io"].clone()
    };
    let given = [("password", "yourregistrypassword")];
    let of_run = "index.docker.io: {username: username, password: {from_variable: password}}";
    assert_eq!(
        hub("", of_run, "", &given),
        auth("basic", "username", "yourregistrypassword", "")
    );

    let several = of(
        "",
        "index.docker.io: {username: username, password: {from_variable: password}}, \
         'https://myregistry.example.com': {username: username, password: {from_variable: password}}",
        "index.docker.io: {username: {from_variable: registry_username}, password: password2}, \
         'https://anotherregistry.example.com': {username: {from_variable: registry_username}, password: password2}",
        &[
            ("registry_username", "yourregistryusername"),
            ("password", "myregistrypassword"),
        ],
    );
    let shown: Vec<_> = several
        .iter()
        .map(|(registry, auth)| {
            (
                registry.as_str(),
                auth.username.as_str(),
                auth.password.as_str(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (
                "https://anotherregistry.example.com",
                "yourregistryusername",
                "password2"
            ),
            (
                "https://myregistry.example.com",
                "username",
                "myregistrypassword"
            ),
            ("index.docker.io", "yourregistryusername", "password2"),
        ]
    );

    let encoded = |value: &str| format!("index.docker.io: {{type: encodedauth, auth: {value}}}");
    let (one, two, three) = (
        encoded("dXNlcm5hbWU6cGFzc3dvcmQ="),
        encoded("b25l"),
        encoded("dHdv"),
    );
    assert_eq!(
        hub(&one, "", "", &[]),
        auth("encodedauth", "", "", "dXNlcm5hbWU6cGFzc3dvcmQ=")
    );
    assert_eq!(hub(&one, &two, "", &[]).auth, "b25l");
    assert_eq!(hub(&one, &two, &three, &[]).auth, "dHdv");
    let variable = encoded("{from_variable: auth}");
    assert_eq!(hub("", &two, &variable, &[("auth", "given")]).auth, "given");
    assert_eq!(hub("", &two, &variable, &[]).auth, "");
}

#[test]
fn dependencies_are_told_by_ids() {
    let content = format!(
        "runs: [{{name: a, tasks: [{{name: task01, {RUNTIME}}}, {{name: task02, {RUNTIME}, depends: [{{task01: [on_skipped]}}]}}, \
         {{name: task03, {RUNTIME}, depends: [task01], approval: yes, ignore_failure: true}}]}}]"
    );
    let tasks = tasks(&content, &[]);
    assert_eq!(
        tasks["id-task02"].depends["id-task01"].conditions,
        [DependCondition::OnSkipped]
    );
    assert_eq!(tasks["id-task02"].depends["id-task01"].task_id, "id-task01");
    assert!(
        tasks["id-task02"].steps.is_empty() && tasks["id-task02"].docker_registries_auth.is_empty()
    );
    assert!(!tasks["id-task02"].skip);
    assert_eq!(
        tasks["id-task03"].depends["id-task01"].conditions,
        [DependCondition::OnSuccess]
    );
    assert!(tasks["id-task03"].needs_approval && tasks["id-task03"].ignore_failure);
    let definition = parse(&content).unwrap();
    let random = definition.tasks(
        &definition.runs[0],
        &Context::new(RefType::Tag),
        &BTreeMap::new(),
    );
    assert!(
        random
            .iter()
            .all(|(id, task)| *id == task.id && uuid::Uuid::parse_str(id).is_ok())
    );
    assert!(runservice::graph::faults(&random).is_empty());
}

#[test]
fn conditions_decide_about_runs_and_tasks() {
    let content = format!(
        "runs: [{{name: a, when: {{branch: /^rel/}}, tasks: [{{name: t, {RUNTIME}, when: {{ref: refs/heads/rel1}}}}]}}, {{name: b}}, {{name: c, when: {{}}}}]"
    );
    let definition = parse(&content).unwrap();
    let on_branch = |branch: &str| Context {
        branch: branch.to_owned(),
        reference: format!("refs/heads/{branch}"),
        ..Context::new(RefType::Branch)
    };
    let runs = |context: &Context| {
        let runs = definition.runs.iter().filter(|run| run.applies(context));
        runs.map(|run| run.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(runs(&on_branch("rel1")), ["a", "b"]);
    assert_eq!(runs(&on_branch("main")), ["b"]);
    assert_eq!(
        runs(&Context {
            branch: "rel1".to_owned(),
            ..Context::new(RefType::Tag)
        }),
        ["b"]
    );
    for (branch, skip) in [("rel1", false), ("rel2", true)] {
        let tasks = definition.tasks(&definition.runs[0], &on_branch(branch), &BTreeMap::new());
        assert!(tasks.values().all(|task| task.skip == skip), "{branch}");
    }
}

/// Field case CI-22: builds of tags and pull requests were matched by rules for branches.
#[test]
fn only_the_rule_for_what_a_run_is_made_for_counts_and_the_one_for_references() {
    let definition = parse(
        "runs: [{name: branch, when: {branch: x}}, {name: tag, when: {tag: x}}, {name: ref, when: {ref: refs/x}}, \
         {name: other, when: {branch: z, tag: z, ref: refs/z}}]",
    )
    .unwrap();
    for (ref_type, expected) in [
        (RefType::Branch, ["branch", "ref"].as_slice()),
        (RefType::Tag, &["tag", "ref"]),
        (RefType::PullRequest, &["ref"]),
    ] {
        let context = Context {
            reference: "refs/x".to_owned(),
            branch: "x".to_owned(),
            tag: "x".to_owned(),
            ..Context::new(ref_type)
        };
        let runs = definition.runs.iter().filter(|run| run.applies(&context));
        let runs: Vec<&str> = runs.map(|run| run.name.as_str()).collect();
        assert_eq!(runs, expected, "{ref_type:?}");
    }
}

#[test]
fn a_clone_is_a_script() {
    let content = format!(
        "runs: [{{name: a, tasks: [{{name: t, {RUNTIME}, steps: [{{clone: {{depth: 2, recurse_submodules: true}}}}, {{clone: }}]}}]}}]"
    );
    let tasks = tasks(&content, &[]);
    let scripts = tasks["id-t"].steps.iter().map(|step| match step {
        Step::Run(step) => step.command.clone(),
        _ => String::new(),
    });
    let scripts: Vec<String> = scripts.collect();
    assert!(
        scripts[0]
            .contains("\ngit clone --depth 2 --recurse-submodules \"$AGOLA_REPOSITORY_URL\" .\n")
    );
    assert!(scripts[1].contains("\ngit clone \"$AGOLA_REPOSITORY_URL\" .\n"));
    // Not in the trace of commands.
    assert!(!scripts[0].contains("$AGOLA_SSHPRIVKEY"));
}
