//! Runs, from their start to their end.

use super::host::{Host, wait_for};

/// Two tasks one after the other, and one that waits for approval.
const THREE_TASKS: &str = "
runs:
  - name: hello
    tasks:
      - name: build
        runtime: {type: host}
        steps: [{run: echo building}, {run: 'echo built; echo twice'}]
      - name: test
        runtime: {type: host}
        depends: [build]
        steps: [{run: echo testing}]
      - name: deploy
        runtime: {type: host}
        depends: [test]
        approval: true
        steps: [{run: echo deploying}]
";

/// A definition with one task of these commands.
pub(crate) fn one_task(commands: &[&str]) -> String {
    let steps: Vec<String> = commands
        .iter()
        .map(|command| format!("{{run: {}}}", serde_json::to_string(command).unwrap()))
        .collect();
    let steps = steps.join(", ");
    format!(
        "runs: [{{name: one, tasks: [{{name: only, runtime: {{type: host}}, steps: [{steps}]}}]}}]"
    )
}

/// The cells of a line of a table, which have two spaces between them at least.
fn cells_of(line: &str) -> Vec<&str> {
    let cells = line.split("  ").map(str::trim);
    cells.filter(|cell| !cell.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_started_followed_approved_and_found_again() {
    let host = Host::start().await;
    let ann = host.user("ann");
    let file = host.file("hello.yml", THREE_TASKS);
    ann.dm(&["project", "create", "web", "--file", &file])
        .done();
    let start = ["run", "start", "-p", "user/ann/web", "--follow"];
    let mut follower = ann.start(&start);
    assert_eq!(follower.line().unwrap(), "build  | building");
    wait_for("the last task waits", || {
        let run = &ann.json(&["run", "get", "-p", "user/ann/web", "1"])[0];
        run["tasks_waiting_approval"].as_array().unwrap().len() == 1
    });
    let list = ann.dm(&["run", "list", "-p", "user/ann/web"]).done();
    let lines: Vec<Vec<&str>> = list.lines().map(cells_of).collect();
    assert_eq!(lines.len(), 2, "{list}");
    assert_eq!(lines[0], ["RUN", "NAME", "STATE", "FOR", "CREATED", "TOOK"]);
    assert_eq!(lines[1][..4], ["1", "hello", "waits for approval", "main"]);
    ann.dm(&["run", "approve", "-p", "user/ann/web", "1", "deploy"])
        .done();
    let rest: Vec<String> = std::iter::from_fn(|| follower.line()).collect();
    assert_eq!(
        rest,
        [
            "build  | built",
            "build  | twice",
            "test   | testing",
            "deploy | deploying"
        ]
    );
    assert_eq!(follower.finish(), 0);

    let run = ann.dm(&["run", "get", "-p", "user/ann/web", "1"]).done();
    for line in ["run      1\n", "state    success\n", "for      main\n"] {
        assert!(run.contains(line), "{run}");
    }
    let tasks: Vec<Vec<&str>> = run
        .lines()
        .skip_while(|line| !line.starts_with("TASK"))
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    let tasks: Vec<(&str, &str, &str)> = tasks
        .iter()
        .map(|cells| (cells[0], cells[1], cells[3]))
        .collect();
    assert_eq!(
        tasks,
        [
            ("build", "success", "-"),
            ("test", "success", "build"),
            ("deploy", "success", "test")
        ]
    );
    let task = ann.dm(&["run", "get", "-p", "user/ann/web", "1", "build"]);
    let task = task.done();
    assert!(
        task.contains("\n1      echo built; echo twice  run  "),
        "{task}"
    );
    let twice = ["run", "approve", "-p", "user/ann/web", "1", "deploy"];
    ann.dm(&twice).fails_with(1, &["approved the task already"]);
    let runs = ann.json(&["run", "list", "-p", "user/ann/web"]);
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["result"], "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_has_come_to_is_the_exit_code() {
    let host = Host::start().await;
    let ann = host.user("ann");
    let file = host.file("fails.yml", one_task(&["echo before", "exit 7"]));
    let start = ["run", "start", "--file", &file];
    let ran = ann.dm(&[&start[..], &["--follow"]].concat());
    ran.fails_at_last_with(1, &["run 1 (one): failed"]);
    assert_eq!(ran.stdout(), "before\n");
    let task = ann.dm(&["run", "get", "1", "only"]).done();
    let step = cells_of(task.lines().last().unwrap());
    assert_eq!(step[..5], ["1", "exit 7", "run", "failed", "7"]);
    // What is not followed has been started, whatever becomes of it.
    let started = ann.dm(&start);
    assert_eq!(started.done(), "RUN  NAME\n2    one\n");
    let started = ann.json(&start);
    assert_eq!(started[0]["number"], 3);
    let restart = ann.dm(&["run", "restart", "1", "--from-start", "--follow"]);
    restart.fails_at_last_with(1, &["run 4 (one): failed"]);
    let restart = ann.dm(&["run", "restart", "1"]);
    assert_eq!(restart.done(), "RUN  NAME\n5    one\n");

    // A second definition from standard input, with faults.
    let faulty = b"runs:\n  - name: x\n    tasks:\n      - name: a\n      - name: b\n";
    let ran = ann.dm_with_input(&["run", "start", "--file", "-"], faulty);
    ran.stderr()
        .lines()
        .find(|line| line.starts_with("dm: line 4, runs[0].tasks[0]"))
        .unwrap();
    assert_eq!(ran.code(), 1, "{}", ran.stderr());
    assert_eq!(ran.stdout(), "RUN  NAME\n6    Setup Error\n");
    let list = ann.dm(&["run", "list", "--phase", "setuperror"]).done();
    assert!(list.contains("setup error"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_stopped_and_what_cannot_be_is_said() {
    let host = Host::start().await;
    let ann = host.user("ann");
    let two_tasks = "
runs:
  - name: long
    tasks:
      - {name: first, runtime: {type: host}, steps: [run: echo begun; sleep 600]}
      - {name: second, runtime: {type: host}, depends: [first], steps: [run: echo never]}
";
    let file = host.file("long.yml", two_tasks);
    let mut follower = ann.start(&["run", "start", "--file", &file, "-f"]);
    assert_eq!(follower.line().unwrap(), "first  | begun");
    let mut of_second = ann.start(&["run", "logs", "1", "second", "-f"]);
    ann.dm(&["run", "cancel", "1"]).fails_with(1, &["dm: "]);
    ann.dm(&["run", "stop", "1"]).done();
    assert_eq!(follower.finish(), 1);
    // What never begins is not waited for.
    assert_eq!(of_second.line(), None);
    assert_eq!(of_second.finish(), 0);
    let run = ann.dm(&["run", "get", "1"]).done();
    assert!(run.contains("state    stopped\n"), "{run}");
    ann.dm(&["run", "stop", "1"]).fails_with(1, &["dm: "]);
    ann.dm(&["run", "stop", "9"]).fails_with(3, &["dm: "]);
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_come_from_files_options_and_secrets() {
    let host = Host::start().await;
    let ann = host.user("ann");
    ann.dm(&["project", "create", "web"]).done();
    let secret = host.file("secret.yml", "key: from-secret\nother: 12\n");
    let project = ["-p", "user/ann/web"];
    let create = ["secret", "create", "s1", "--file", &secret];
    ann.dm(&[&create[..], &project].concat()).done();
    let create = ["variable", "create", "stored", "--from", "s1:key"];
    ann.dm(&[&create[..], &project].concat()).done();
    let values = "- {secret_name: s1, secret_var: key, when: {branch: other}}\n\
                  - {secret_name: s1, secret_var: other, when: {branch: '/^ma/'}}\n";
    let values = host.file("values.yml", values);
    let create = ["variable", "create", "chosen", "--file", &values];
    ann.dm(&[&create[..], &project].concat()).done();
    let definition = "
runs:
  - name: one
    tasks:
      - name: only
        runtime: {type: host}
        environment:
          A: {from_variable: stored}
          B: {from_variable: chosen}
          C: {from_variable: from_file}
          D: {from_variable: given}
        steps: [{run: 'echo $A $B $C $D'}]
";
    let definition = host.file("definition.yml", definition);
    let variables = host.file("variables.yml", "from_file: c\ngiven: replaced\n");
    let start = ["run", "start", "--file", &definition, "-f"];
    let given = ["--var-file", &variables, "--var", "given=d=d"];
    let ran = ann.dm(&[&start[..], &given, &project].concat());
    assert_eq!(ran.done(), "from-secret 12 c d=d\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_are_listed_in_parts() {
    let host = Host::start().await;
    let ann = host.user("ann");
    let runs = (1..=45).map(|number| format!("{{name: run{number}, tasks: []}}"));
    let runs = runs.collect::<Vec<_>>().join(", ");
    let file = host.file("many.json", format!("runs: [{runs}]"));
    let started = ann.dm(&["run", "start", "--file", &file, "--tag", "v1"]);
    assert_eq!(started.done().lines().count(), 46);
    let list = |options: &[&str]| {
        let printed = ann.dm(&[&["run", "list"], options].concat());
        let lines: Vec<u64> = printed
            .done()
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
            .collect();
        lines
    };
    assert_eq!(list(&[]), (26..=45).rev().collect::<Vec<u64>>());
    assert_eq!(
        list(&["--limit", "100"]),
        (1..=45).rev().collect::<Vec<u64>>()
    );
    assert_eq!(list(&["--after", "4"]), [3, 2, 1]);
    assert_eq!(list(&["--oldest-first", "--limit", "2"]), [1, 2]);
    assert_eq!(list(&["--subgroup", "branch/main"]), Vec::<u64>::new());
    assert_eq!(list(&["--subgroup", "tag/v1", "--limit", "1"]), [45]);
    let printed = ann.dm(&["run", "list", "--limit", "1"]).done();
    assert!(printed.contains("tag v1"), "{printed}");
}
