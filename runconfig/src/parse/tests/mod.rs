//! Definitions that are right and wrong.

mod forms;
mod whole;

use super::*;
use crate::definition::Task;

/// The beginning of a task that is right.
const RUNTIME: &str = "runtime: {type: pod, containers: [{image: busybox}]}";

fn faults(content: &str) -> Vec<String> {
    let error = parse(content).expect_err(content);
    assert!(!error.to_string().is_empty());
    error.faults().iter().map(ToString::to_string).collect()
}

/// A definition with one run of these tasks, one a line from line 2 on.
fn of_tasks(tasks: &[&str]) -> String {
    let mut text = "runs: [{name: run01, tasks: [\n".to_owned();
    for task in tasks {
        text.push_str(&format!("  {{{RUNTIME}, {task}}},\n"));
    }
    text + "]}]"
}

fn task(fields: &str) -> Task {
    let mut definition = parse(&of_tasks(&[&format!("name: t, {fields}")])).expect(fields);
    definition.runs.remove(0).tasks.remove(0)
}

/// What is wrong with a task that has these fields, each on a line of its own.
fn task_faults(fields: &str) -> Vec<String> {
    faults(&of_tasks(&[&format!("name: t, {fields}")]))
}

#[test]
fn what_is_no_definition_is_told_with_line_and_key() {
    for (content, expected) in [
        ("", "there are no runs"),
        ("# nothing", "there are no runs"),
        ("~", "line 1: there are no runs"),
        ("{}", "line 1: there are no runs"),
        ("runs:", "line 1, runs: there are no runs"),
        ("runs: []", "line 1, runs: there are no runs"),
        ("[1]", "line 1: a mapping is expected, and there is a list"),
        ("runs", "line 1: a mapping is expected, and there is a text"),
        (
            "runs: {a: 1}",
            "line 1, runs: a list is expected, and there is a mapping",
        ),
        ("runs: [~]", "line 1, runs[0]: the run is empty"),
        ("runs:\n- tasks: []", "line 2, runs[0]: the run has no name"),
        (
            "runs:\n- name: ''",
            "line 2, runs[0].name: the run has no name",
        ),
        (
            "runs:\n- name: a\n- name: b\n- name: a",
            "line 4, runs[2].name: there are two runs with the name \"a\"",
        ),
        (
            "runs:\n- name: a\n  tasks: [~]",
            "line 3, runs[0].tasks[0]: the task is empty",
        ),
        (
            "runs: [{name: [a]}]",
            "line 1, runs[0].name: a text (in quotes, if it looks like something else) is expected, and there is a list",
        ),
        (
            "runs: [",
            "line 1: this is no YAML: while parsing a node, did not find expected node content",
        ),
    ] {
        let found = faults(content);
        assert_eq!(found, [expected], "{content}");
    }
    let long = "x".repeat(101);
    let found = faults(&format!("runs: [{{name: {long}}}]"));
    assert_eq!(
        found,
        ["line 1, runs[0].name: the name of the run has 101 bytes, and at most 100 are accepted"]
    );
    assert!(parse(&format!("runs: [{{name: {}}}]", "x".repeat(100))).is_ok());
}

#[test]
fn tasks_are_checked() {
    assert!(parse(&of_tasks(&["name: task01"])).is_ok());
    for (fields, expected) in [
        (
            "name: 't', name: ''",
            "runs[0].tasks[0].name: the task has no name",
        ),
        ("runtime: ~", "runs[0].tasks[0]: the task has no runtime"),
        (
            "runtime: {}",
            "runs[0].tasks[0].runtime: the runtime has no containers",
        ),
        (
            "runtime: {type: vm, containers: [{}]}",
            "runs[0].tasks[0].runtime.type: the type of a runtime is pod or host",
        ),
        (
            "runtime: {type: host, containers: [{}]}",
            "runs[0].tasks[0].runtime: a runtime of type host has no containers",
        ),
        (
            "runtime: {containers: [~]}",
            "runs[0].tasks[0].runtime.containers[0]: the container is empty",
        ),
        (
            "runtime: {arch: invalidarch, containers: [{}]}",
            "runs[0].tasks[0].runtime.arch: \"invalidarch\" is no processor that is known: one of 386, amd64, arm, arm64",
        ),
        (
            "runtime: {containers: [{volumes: [{path: /a}]}]}",
            "runs[0].tasks[0].runtime.containers[0].volumes[0]: the volume has no tmpfs",
        ),
        (
            "runtime: {containers: [{volumes: [{path: /a, tmpfs: {size: 1Xi}}]}]}",
            "runs[0].tasks[0].runtime.containers[0].volumes[0].tmpfs.size: \"1Xi\" is no amount of bytes: 1Gi, 500M and 1000 are some",
        ),
        (
            "approval: 1",
            "runs[0].tasks[0].approval: a boolean is expected, and there is a number",
        ),
        (
            "approval: 'true'",
            "runs[0].tasks[0].approval: a boolean is expected, and there is a text",
        ),
        (
            "docker_registries_auth: {a: ~}",
            "runs[0].tasks[0].docker_registries_auth.a: the registry is empty",
        ),
    ] {
        assert_eq!(
            task_faults(fields),
            [format!("line 2, {expected}")],
            "{fields}"
        );
    }
    let host = task("runtime: {type: host}");
    assert_eq!(host.runtime.kind, crate::RuntimeKind::Host);
    assert!(host.runtime.containers.is_empty());
    let twice = faults(&of_tasks(&["name: a", "name: a"]));
    assert_eq!(
        twice,
        ["line 3, runs[0].tasks[1].name: there are two tasks with the name \"a\""]
    );
}

#[test]
fn all_faults_are_told_in_the_order_of_their_lines() {
    let content = format!(
        "runs:\n- name: a\n  tasks:\n  - name: b\n    {RUNTIME}\n    depends: [c]\n    steps: [{{run: ''}}]\n  \
         - {{name: b, {RUNTIME}}}\n- name: a\n  when: {{branch: 1}}"
    );
    let found = faults(&content);
    let keys: Vec<&str> = found
        .iter()
        .map(|fault| fault.split(": ").next().unwrap())
        .collect();
    // Nothing is said of the dependency: the names of the tasks are wrong.
    assert_eq!(
        keys,
        [
            "line 7, runs[0].tasks[0].steps[0].run",
            "line 8, runs[0].tasks[1].name",
            "line 9, runs[1].name",
            "line 10, runs[1].when.branch",
        ]
    );
    let many = faults(&format!("runs: [{}]", "~,".repeat(150)));
    assert_eq!((many.len(), many[100].as_str()), (101, "and 50 more"));
}

#[test]
fn dependencies_are_checked() {
    for (tasks, expected) in [
        (
            vec!["name: task01, depends: [task02]"],
            vec![
                "line 2, runs[0].tasks[0]: task \"task01\" depends on task \"task02\", which is not there",
            ],
        ),
        (
            vec![
                "name: task01, depends: [task02]",
                "name: task02, depends: [task01]",
            ],
            vec![
                "line 2, runs[0].tasks[0]: task \"task01\" depends on itself: it is needed by \"task02\"",
                "line 3, runs[0].tasks[1]: task \"task02\" depends on itself: it is needed by \"task01\"",
            ],
        ),
        (
            vec![
                "name: task01",
                "name: task02, depends: [task01]",
                "name: task03, depends: [task02, task01]",
            ],
            vec![
                "line 4, runs[0].tasks[2]: task \"task03\" and its parent \"task02\" both depend on \"task01\"",
            ],
        ),
        (
            vec![
                "name: task01",
                "name: task02, depends: [task01]",
                "name: task03, depends: [task02]",
                "name: task04, depends: [task03, task01]",
            ],
            vec![
                "line 5, runs[0].tasks[3]: task \"task04\" and its parent \"task03\" both depend on \"task01\"",
            ],
        ),
        (
            vec!["name: t, depends: [t]"],
            vec!["line 2, runs[0].tasks[0]: task \"t\" depends on itself: it is needed by \"t\""],
        ),
        (
            vec!["name: t, depends: [t2, t2]", "name: t2"],
            vec!["line 2, runs[0].tasks[0]: task \"t\" depends on task \"t2\" twice"],
        ),
    ] {
        assert_eq!(faults(&of_tasks(&tasks)), expected, "{tasks:?}");
    }
}

#[test]
fn keys_and_documents_are_read_as_agola_does() {
    let definition = parse("RUNS: [{NAME: a}]\n---\nruns: [{name: b}]").unwrap();
    assert_eq!(definition.runs[0].name, "a");
    let exact = parse("Runs: [{name: b}]\nruns: [{name: a}]\nversion: 3").unwrap();
    assert_eq!(exact.runs[0].name, "a");
    let merged = parse(
        "x: &x {runtime: {containers: [{image: a}]}}\nruns: [{name: a, tasks: [{<<: *x, name: t}]}]",
    );
    assert_eq!(
        merged.unwrap().runs[0].tasks[0].runtime.containers[0].image,
        "a"
    );
    // JSON, in which tabs are no indentation.
    let json = parse(
        "{\n\t\"runs\": [\n\t\t{\"name\": \"a\\u0041\\n\\/\\\"\",\n\t\t\"tasks\": []}\n\t]\n}\n",
    );
    assert_eq!(json.unwrap().runs[0].name, "aA\n/\"");
}

#[test]
fn nothing_is_told_of_lines_that_nobody_has_written() {
    let error = parse_with("runs: [~]", false).unwrap_err();
    assert_eq!(error.to_string(), "runs[0]: the run is empty");
}
