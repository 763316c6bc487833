//! Definitions that are right and wrong.

use std::time::{Duration, Instant};

use configstore::api::{WhenConditionType, WhenConditions};
use runservice::api::DependCondition;

use super::*;
use crate::definition::{Run, RunStep, Step, Task, Value};

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
            "line 2: this is no YAML: while parsing a node, did not find expected node content",
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
fn dependencies_have_several_forms() {
    use DependCondition::{OnFailure, OnSkipped, OnSuccess};
    let depend = |form: &str| {
        let definition = parse(&of_tasks(&[
            &format!("name: t, depends: [{form}]"),
            "name: task02",
            "name: task",
        ]));
        definition.map(|mut definition| {
            let depend = definition.runs.remove(0).tasks.remove(0).depends.remove(0);
            (depend.task, depend.conditions)
        })
    };
    for (form, task, conditions) in [
        ("task02", "task02", vec![]),
        ("{task: task02}", "task02", vec![]),
        (
            "{task: task02, conditions: [on_success, on_failure]}",
            "task02",
            vec![OnSuccess, OnFailure],
        ),
        ("{task02: [on_skipped]}", "task02", vec![OnSkipped]),
        ("{task: [on_success]}", "task", vec![OnSuccess]),
    ] {
        assert_eq!(
            depend(form).unwrap(),
            (task.to_owned(), conditions),
            "{form}"
        );
    }
    for form in [
        "{task02: on_success}",
        "{task02: ~}",
        "{task02: 1}",
        "{task02: {}}",
        "{}",
        "1",
        "~",
        "[task02]",
        "{task: task02, conditions: on_success}",
        "{task02: [on_monday]}",
        "{task02: [1]}",
        "{task: 1, conditions: []}",
    ] {
        assert!(depend(form).is_err(), "{form}");
    }
    assert!(parse(&of_tasks(&["name: t, depends: task02", "name: task02"])).is_err());
}

#[test]
fn scalars_are_converted_where_the_format_says_so() {
    for (written, name) in [
        ("12", "12"),
        ("yes", "true"),
        ("1.10", "1.1"),
        ("010", "8"),
        ("1_000", "1000"),
        ("2001-01-01", "2001-01-01"),
        ("'010'", "010"),
        ("!!str 010", "010"),
    ] {
        let definition = parse(&format!("runs: [{{name: {written}}}]")).unwrap();
        assert_eq!(definition.runs[0].name, name, "{written}");
    }
    assert_eq!(task("user: 12").user, "12");
    assert_eq!(
        task("runtime: {arch: 386, containers: [{image: 1}]}")
            .runtime
            .arch,
        "386"
    );
    for (fields, found) in [
        ("environment: {A: 1}", 1),
        ("environment: {A: yes}", 1),
        ("environment: {A: }", 1),
        ("environment: {A: [a]}", 1),
        ("environment: {A: {from_variable: 3}}", 1),
        ("environment: {A: 1, '': a, 'x=y': b}", 3),
        ("steps: [{run: {command: 1}}]", 2),
        ("steps: [{restore_cache: {keys: [1]}}]", 1),
        ("steps: [{run: {command: a, name: 1}}]", 1),
        ("when: {branch: [1]}", 1),
    ] {
        assert_eq!(
            task_faults(fields).len(),
            found,
            "{fields}: {:?}",
            task_faults(fields)
        );
    }
}

#[test]
fn values_are_texts_or_variables() {
    for (written, value) in [
        ("a", Value::Text("a".to_owned())),
        ("'1'", Value::Text("1".to_owned())),
        ("{from_variable: v}", Value::Variable("v".to_owned())),
        (
            "{foo: bar, from_variable: v}",
            Value::Variable("v".to_owned()),
        ),
        ("{foo: bar}", Value::Text(String::new())),
        ("{}", Value::Text(String::new())),
    ] {
        let task = task(&format!("environment: {{A: {written}}}"));
        assert_eq!(task.environment["A"], value, "{written}");
    }
    let shown = format!("{:?}", Value::Text("secret".to_owned()));
    assert!(!shown.contains("secret"));
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
fn steps_have_two_notations() {
    let run = |name: &str, command: &str| {
        Step::Run(RunStep {
            name: name.to_owned(),
            command: command.to_owned(),
            tty: true,
            ..Default::default()
        })
    };
    for (written, step) in [
        ("{run: a}", run("a", "a")),
        ("{run: {command: a, name: b}}", run("b", "a")),
        ("{type: run, command: a}", run("a", "a")),
        ("{type: run, command: a, when: {branch: x}}", run("a", "a")),
        ("{run: \"|x\"}", run("|x", "|x")),
        ("{type: clone}", Step::Clone(crate::CloneStep::default())),
        ("{clone: }", Step::Clone(crate::CloneStep::default())),
        (
            "{clone: {depth: 3, recurse_submodules: yes}}",
            Step::Clone(crate::CloneStep {
                depth: Some(3),
                recurse_submodules: true,
            }),
        ),
    ] {
        assert_eq!(
            task(&format!("steps: [{written}]")).steps,
            [step],
            "{written}"
        );
    }
    for (written, expected) in [
        (
            "{run: 1}",
            "run: a mapping is expected, and there is a number",
        ),
        (
            "{clone: abc}",
            "clone: a mapping is expected, and there is a text",
        ),
        (
            "clone",
            ": a step is a mapping: of its type and its fields, or with the key type",
        ),
        (
            "~",
            ": a step is a mapping: of its type and its fields, or with the key type",
        ),
        (
            "{}",
            ": a step is a mapping: of its type and its fields, or with the key type",
        ),
        (
            "{run: a, clone: b}",
            ": a step is a mapping: of its type and its fields, or with the key type",
        ),
        ("{type: 1}", "type: the type of a step is a text"),
        (
            "{type: foo}",
            "type: \"foo\" is no type of step: one of clone, run, save_to_workspace, restore_workspace, save_cache, restore_cache",
        ),
        ("{run: }", "run: there is no command"),
        (
            "{clone: {depth: 0}}",
            "clone.depth: the depth of a clone is 1 or more",
        ),
        (
            "{save_cache: {contents: []}}",
            "save_cache: the cache has no key",
        ),
        (
            "{restore_cache: {}}",
            "restore_cache: there are no keys of caches",
        ),
        (
            "{run: \"a\\n\"}",
            "run: a command of several lines, or with a line break at its end, needs a name",
        ),
        (
            "{run: {command: a, when: {branch: '/(/'}}}",
            "run.when.branch: this is no regular expression: ",
        ),
    ] {
        let found = task_faults(&format!("steps: [{written}]"));
        let expected = match expected.strip_prefix(':') {
            Some(message) => format!("line 2, runs[0].tasks[0].steps[0]:{message}"),
            None => format!("line 2, runs[0].tasks[0].steps[0].{expected}"),
        };
        assert_eq!(found.len(), 1, "{written}");
        assert!(found[0].starts_with(&expected), "{written}: {found:?}");
    }
    let long = format!("{}é", "x".repeat(99));
    let Step::Run(step) = &task(&format!("steps: [{{run: {long}}}]")).steps[0] else {
        panic!("this is no run step");
    };
    assert_eq!((step.name.len(), step.command.len()), (99, 101));
}

#[test]
fn blocks_of_one_line_end_without_a_line_break_only_if_told_so() {
    let block = |indicator: &str| {
        parse(&format!(
            "runs:\n- name: a\n  tasks:\n  - name: t\n    {RUNTIME}\n    steps:\n    - run: {indicator}\n        make all\n"
        ))
    };
    assert!(block("|").is_err());
    let definition = block("|-").unwrap();
    let Step::Run(step) = &definition.runs[0].tasks[0].steps[0] else {
        panic!("this is no run step");
    };
    assert_eq!(
        (step.name.as_str(), step.command.as_str()),
        ("make all", "make all")
    );
}

#[test]
fn conditions_are_patterns() {
    let pattern = |written: &str| {
        let definition = parse(&format!("runs: [{{name: a, when: {{branch: {written}}}}}]"));
        definition.map(|mut definition| {
            let when = definition.runs.remove(0).when.unwrap();
            let mut include = when.branch.unwrap().include;
            let condition = include.remove(0);
            (condition.kind.unwrap(), condition.pattern)
        })
    };
    use WhenConditionType::{Regexp, Simple};
    for (written, kind, text) in [
        ("master", Simple, "master"),
        ("[master]", Simple, "master"),
        ("{include: master}", Simple, "master"),
        ("{include: [master], exclude: }", Simple, "master"),
        ("'//'", Simple, "//"),
        ("'/a#'", Simple, "/a#"),
        ("'#a#'", Regexp, "a"),
        ("/a.*b/", Regexp, "a.*b"),
        ("///", Regexp, "/"),
    ] {
        assert_eq!(
            pattern(written).unwrap(),
            (kind, text.to_owned()),
            "{written}"
        );
    }
    for written in [
        "'/(/'",
        "1",
        "{includes: a}",
        "[1]",
        "{include: [1]}",
        "[[a]]",
    ] {
        assert!(pattern(written).is_err(), "{written}");
    }
    for when in ["a", "[a]", "1"] {
        assert!(
            parse(&format!("runs: [{{name: a, when: {when}}}]")).is_err(),
            "{when}"
        );
    }
    let when = |written: &str| {
        let mut definition = parse(&format!("runs: [{{name: a, when: {written}}}]")).unwrap();
        definition.runs.remove(0).when
    };
    assert_eq!(when("~"), None);
    assert_eq!(when("{}"), Some(Default::default()));
    assert_eq!(when("{foo: a}"), Some(Default::default()));
    let empty = when("{branch: {include: 1}}").unwrap();
    assert_eq!(empty.branch, Some(WhenConditions::default()));
}

#[test]
fn a_definition_with_everything_is_read() {
    let mut content = String::from(
        "runs:\n- name: run01\n  docker_registries_auth: &auth\n    index.docker.io: {username: username, password: {from_variable: password}}\n  tasks:\n",
    );
    let environment = "{ENV01: ENV01, ENVFROMVARIABLE01: {from_variable: variable01}}";
    content.push_str(&format!(
        "  - name: task01\n    docker_registries_auth: *auth\n    environment: {environment}\n    runtime:\n      \
         containers: [{{image: image01, auth: {{username: x}}, environment: {environment}}}]\n    \
         when: {{branch: master, tag: [v1.x, v2.x], ref: {{include: master, exclude: [/branch01/, branch02]}}}}\n    \
         depends: [{{task: task02, conditions: [on_success, on_failure]}}, task03, {{task04: [on_success]}}]\n    steps:\n    \
         - type: clone\n    - {{type: run, command: command01}}\n    \
         - {{type: run, name: name different than command, command: command02}}\n    \
         - {{type: run, command: command03, environment: {environment}}}\n    \
         - {{type: save_cache, key: 'cache-{{{{ arch }}}}', contents: [{{source_dir: /go/pkg/mod/cache}}]}}\n    \
         - clone:\n    - run: command01\n    - run: {{name: name different than command, command: command02}}\n    \
         - run: {{command: command03, environment: {environment}}}\n    \
         - save_cache: {{key: 'cache-{{{{ arch }}}}', contents: [{{source_dir: /go/pkg/mod/cache}}]}}\n"
    ));
    content.push_str(
        "  - {name: task02, runtime: {containers: [{image: image01}]}}\n  \
         - {name: task03, runtime: {containers: [{image: image01, volumes: [{path: /mnt/tmpfs, tmpfs: {size: 1Gi}}]}]}}\n  \
         - {name: task04, runtime: {containers: [{image: image01, volumes: [{path: /mnt/tmpfs, tmpfs: {}}]}]}}\n  \
         - name: task05\n    runtime: {containers: [{image: image01}]}\n    steps:\n    - {type: run, name: a, command: a}\n    \
         - {type: run, name: b, command: b, tty: true}\n    - {type: run, name: c, command: c, tty: false}\n",
    );
    let definition = parse(&content).unwrap();
    let Run {
        tasks,
        docker_registries_auth,
        ..
    } = &definition.runs[0];
    let auth = &docker_registries_auth["index.docker.io"];
    assert_eq!(auth.kind, "basic");
    assert_eq!(auth.username, Value::Text("username".to_owned()));
    assert_eq!(auth.password, Value::Variable("password".to_owned()));
    assert_eq!(auth.auth, Value::default());
    assert_eq!(&tasks[0].docker_registries_auth, docker_registries_auth);
    assert!(tasks.iter().all(|task| task.working_dir == "~/project"
        && task.shell.is_empty()
        && task.user.is_empty()));
    let steps = &tasks[0].steps;
    assert_eq!((steps.len(), &steps[..5]), (10, &steps[5..]));
    let names: Vec<&str> = steps[1..4]
        .iter()
        .map(|step| match step {
            Step::Run(step) => step.name.as_str(),
            _ => "",
        })
        .collect();
    assert_eq!(
        names,
        ["command01", "name different than command", "command03"]
    );
    let Step::SaveCache(cache) = &steps[4] else {
        panic!("this keeps no cache");
    };
    assert_eq!(cache.contents[0].paths, ["**"]);
    let ttys = tasks[4]
        .steps
        .iter()
        .map(|step| matches!(step, Step::Run(step) if step.tty));
    assert_eq!(ttys.collect::<Vec<_>>(), [true, true, false]);
    let when = serde_json::to_value(tasks[0].when.as_ref().unwrap()).unwrap();
    assert_eq!(
        when,
        serde_json::json!({
            "branch": {"include": [{"type": "simple", "match": "master"}]},
            "tag": {"include": [{"type": "simple", "match": "v1.x"}, {"type": "simple", "match": "v2.x"}]},
            "ref": {
                "include": [{"type": "simple", "match": "master"}],
                "exclude": [{"type": "regexp", "match": "branch01"}, {"type": "simple", "match": "branch02"}],
            },
        })
    );
    let depends: Vec<_> = tasks[0]
        .depends
        .iter()
        .map(|depend| (depend.task.as_str(), depend.conditions.len()))
        .collect();
    assert_eq!(depends, [("task02", 2), ("task03", 0), ("task04", 1)]);
    let sizes = tasks[2..4]
        .iter()
        .map(|task| task.runtime.containers[0].volumes[0].tmpfs_bytes_max);
    assert_eq!(sizes.collect::<Vec<_>>(), [Some(1_073_741_824), None]);
    assert!(tasks[1].steps.is_empty() && tasks[1].depends.is_empty());
}

/// Field case CI-25: huge or hostile files exhausted the service.
#[test]
fn hostile_definitions_are_refused_in_no_time() {
    let size = CONTENT_BYTES_MAX;
    let fill = |unit: &str| unit.repeat(size / unit.len());
    let bomb = {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..20 {
            let below = format!("*a{},", level - 1).repeat(9);
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        bomb + "runs: *a19"
    };
    let patterns: String = (0..60_000)
        .map(|number| format!("'/(\\w{{99}}){{99}}{number}/',"))
        .collect();
    let mut keys = "runs: [{name: a}]\n".to_owned();
    keys.extend((0..90_000).map(|number| format!("k{number}: 1\n")));
    let long_text = "x".repeat(500_000);
    for (what, content, is_accepted) in [
        ("a byte too many", "#".repeat(size + 1), false),
        (
            "the longest that is accepted",
            format!("runs: [{{name: a}}]\n{}", "#".repeat(size - 19)),
            true,
        ),
        ("deep lists", fill("["), false),
        ("deep mappings", fill("{a: "), false),
        ("deep blocks", fill("- "), false),
        ("deep keys", fill("? "), false),
        (
            "indented blocks",
            (0..1_400)
                .map(|depth| format!("{}a:\n", " ".repeat(depth)))
                .collect(),
            false,
        ),
        ("aliases of aliases", bomb, false),
        (
            "aliases of a long text",
            format!("a: &a {long_text}\nruns: [{}]", "*a,".repeat(100_000)),
            false,
        ),
        (
            "anchors in anchors",
            format!("{}1", "&a [".repeat(60)) + &fill("1,")[..900_000],
            false,
        ),
        (
            "many values",
            format!("runs: [{}]", "1,".repeat(500_000)),
            false,
        ),
        (
            "many runs",
            format!(
                "runs: [{}]",
                (0..60_000)
                    .map(|n| format!("{{name: r{n}}},"))
                    .collect::<String>()
            ),
            false,
        ),
        ("many keys", keys, true),
        (
            "many tasks",
            of_tasks(
                &(0..5_000)
                    .map(|n| format!("name: t{n}"))
                    .collect::<Vec<_>>()
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>(),
            ),
            false,
        ),
        (
            "many regular expressions",
            format!(
                "runs: [{{name: a, when: {{branch: [{}]}}}}]",
                &patterns[..size - 100]
            ),
            false,
        ),
        (
            "quotes without an end",
            format!("runs: \"{}", fill("a ").get(..size - 20).unwrap()),
            false,
        ),
        ("line breaks", fill("\n"), false),
        ("anchors", fill("&a "), false),
        ("commas", format!("[{}", &fill(",")[..size - 10]), false),
        ("colons", fill(": "), false),
        ("tags", fill("!!"), false),
        ("zeros", fill("\0"), false),
    ] {
        let began = Instant::now();
        assert_eq!(parse(&content).is_ok(), is_accepted, "{what}");
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{what}: {:?}",
            began.elapsed()
        );
    }
}

#[test]
fn nothing_is_told_of_lines_that_nobody_has_written() {
    let error = parse_with("runs: [~]", false).unwrap_err();
    assert_eq!(error.to_string(), "runs[0]: the run is empty");
}
