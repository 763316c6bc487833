//! A whole definition, and whole texts that are none.

use std::time::{Duration, Instant};

use super::of_tasks;
use crate::definition::{Run, Step, Value};
use crate::parse::{CONTENT_BYTES_MAX, parse};

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
