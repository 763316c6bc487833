//! The forms that fields may have.

use configstore::api::{WhenConditionType, WhenConditions};
use runservice::api::DependCondition;

use super::{RUNTIME, of_tasks, task, task_faults};
use crate::definition::{RunStep, Step, Value};
use crate::parse::parse;

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
