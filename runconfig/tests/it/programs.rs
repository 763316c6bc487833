//! Programs that are right, wrong and hostile.

use std::time::{Duration, Instant};

use runconfig::{
    Context, Definition, Error, ErrorKind, Evaluator, EvaluatorOptions, Format, RefType,
};

fn options() -> EvaluatorOptions {
    EvaluatorOptions {
        program: Some(env!("CARGO_BIN_EXE_evaluate-run-definition").into()),
        // The processor has other tests to do.
        time_max: Duration::from_secs(20),
        ..Default::default()
    }
}

fn context() -> Context {
    Context {
        reference: "refs/heads/main".to_owned(),
        branch: "main".to_owned(),
        commit_sha: "c0ffee".to_owned(),
        ..Context::new(RefType::Branch)
    }
}

async fn definition(format: Format, content: &str) -> Result<Definition, Error> {
    let evaluator = Evaluator::new(options());
    evaluator
        .definition(format, content.to_owned(), &context())
        .await
}

#[tokio::test]
async fn a_definition_is_the_same_in_all_formats() {
    let yaml = "runs: [{name: refs/heads/main, tasks: [{name: branch-main-, runtime: {containers: [{image: 'a b'}]}, \
                steps: [{run: echo c0ffee}]}]}]";
    let json = r#"{"runs": [{"name": "refs/heads/main", "tasks": [{"name": "branch-main-",
        "runtime": {"containers": [{"image": "a b"}]}, "steps": [{"run": "echo c0ffee"}]}]}]}"#;
    let jsonnet = "function(ctx) {runs: [{name: ctx.ref, tasks: [{name: '%s-%s-%s' % [ctx.ref_type, ctx.branch, ctx.tag + ctx.pull_request_id], \
                   runtime: {containers: [{image: 'a b'}]}, steps: [{run: 'echo ' + ctx.commit_sha}]}]}]}";
    let starlark = "def main(ctx):\n  name = '-'.join([ctx['ref_type'], ctx['branch'], ctx['tag'] + ctx['pull_request_id']])\n  \
                    return {'runs': [{'name': ctx['ref'], 'tasks': [{'name': name, 'runtime': {'containers': [{'image': 'a b'}]}, \
                    'steps': [{'run': 'echo ' + ctx['commit_sha']}]}]}]}";
    let expected = definition(Format::Yaml, yaml).await.unwrap();
    for (format, content) in [
        (Format::Json, json),
        (Format::Jsonnet, jsonnet),
        (Format::Starlark, starlark),
    ] {
        let found = definition(format, content).await;
        assert_eq!(found.unwrap(), expected, "{format}");
    }
}

/// The matrix of versions and processors that the format has no key for.
#[tokio::test]
async fn programs_make_matrices() {
    let content = "function(ctx) {
        local versions = ['1', '2'], local archs = ['amd64', 'arm64'],
        runs: [{name: 'build', tasks: [
            {name: 'v%s-%s' % [v, a], runtime: {arch: a, containers: [{image: 'img:' + v}]},
             steps: [{type: 'clone'}, {type: 'run', command: 'make'}]}
            for v in versions for a in archs
        ] + (if ctx.tag == '' then [{name: 'publish', runtime: {containers: [{image: 'img:1'}]},
             depends: ['v%s-%s' % [v, a] for v in versions for a in archs]}] else [])}],
    }";
    let definition = definition(Format::Jsonnet, content).await.unwrap();
    let tasks = &definition.runs[0].tasks;
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(
        names,
        ["v1-amd64", "v1-arm64", "v2-amd64", "v2-arm64", "publish"]
    );
    assert_eq!(tasks[4].depends.len(), 4);
}

#[tokio::test]
async fn faults_of_programs_and_of_what_they_make_are_told() {
    for (format, content, expected) in [
        (
            Format::Jsonnet,
            "{\n  runs: error 'no'\n}",
            "line 2: jsonnet: runtime error: no",
        ),
        (
            Format::Jsonnet,
            "{runs: [{name: 'a', tasks: [null]}]}",
            "runs[0].tasks[0]: the task is empty",
        ),
        (
            Format::Jsonnet,
            "'runs: []'",
            "a mapping is expected, and there is a text",
        ),
        (
            Format::Starlark,
            "def main(ctx):\n  return {'runs': 1}",
            "runs: a list is expected, and there is a number",
        ),
        (
            Format::Starlark,
            "def main(ctx):\n  fail('x')",
            "line 2: starlark: ",
        ),
    ] {
        let error = definition(format, content).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(
            error.to_string().starts_with(expected),
            "{content}: {error}"
        );
    }
}

/// Field case CI-25: hostile files exhausted the service. Also the defect that jsonnet could read the server's files.
#[tokio::test]
async fn hostile_programs_end_soon_and_take_nothing_with_them() {
    let bomb = "local f(n) = if n == 0 then 'x' else f(n - 1) + f(n - 1);\n{runs: f(40)}";
    let loop_ = "def main(ctx):\n  for a in range(1 << 30):\n    for b in range(1 << 30):\n      pass\n  return {}";
    let strings =
        "def main(ctx):\n  a = 'x' * 1000\n  for i in range(60):\n    a = a + a\n  return {'a': a}";
    let lists = "def main(ctx):\n  a = ['x'] * 1000000000\n  return {'a': a}";
    let deep = format!("{}1{}", "[".repeat(400_000), "]".repeat(400_000));
    let deep_starlark = format!("def main(ctx):\n  return {deep}");
    let options = EvaluatorOptions {
        time_max: Duration::from_secs(3),
        memory_bytes_max: 64 * 1024 * 1024,
        ..options()
    };
    let evaluator = Evaluator::new(options);
    for (format, content) in [
        (Format::Jsonnet, bomb.to_owned()),
        (
            Format::Jsonnet,
            "local a = [x for x in std.range(0, 1000000000)]; a".to_owned(),
        ),
        (
            Format::Jsonnet,
            "{runs: std.repeat('x', 2000000)}".to_owned(),
        ),
        (Format::Jsonnet, "local a = b, b = a; a".to_owned()),
        (
            Format::Jsonnet,
            "{runs: importstr '/etc/passwd'}".to_owned(),
        ),
        (Format::Jsonnet, deep),
        (Format::Starlark, loop_.to_owned()),
        (Format::Starlark, strings.to_owned()),
        (Format::Starlark, lists.to_owned()),
        (Format::Starlark, deep_starlark),
    ] {
        let began = Instant::now();
        let shown: String = content.chars().take(60).collect();
        let error = evaluator
            .definition(format, content, &context())
            .await
            .expect_err(&shown);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{shown}: {error}");
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{shown}: {:?}",
            began.elapsed()
        );
        assert!(!error.to_string().contains("root:"), "{error}");
    }
}

#[tokio::test]
async fn too_many_definitions_wait_and_then_give_up() {
    let options = EvaluatorOptions {
        time_max: Duration::from_millis(400),
        concurrency_max: 1,
        ..options()
    };
    let evaluator = Evaluator::new(options);
    let endless = "def main(ctx):\n  for a in range(1 << 30):\n    for b in range(1 << 30):\n      pass\n  return {}";
    let context = context();
    let all = (0..12).map(|_| evaluator.definition(Format::Starlark, endless.to_owned(), &context));
    let all = futures::future::join_all(all).await;
    let count = |kind| {
        let errors = all.iter().map(|result| result.as_ref().unwrap_err());
        errors.filter(|error| error.kind() == kind).count()
    };
    assert!(count(ErrorKind::Unavailable) > 0 && count(ErrorKind::Invalid) > 0);
    assert_eq!(count(ErrorKind::Internal), 0);
}

#[tokio::test]
async fn a_program_that_does_not_evaluate_is_told_of() {
    let context = context();
    for (program, expected) in [
        (None, "does not call evaluate_if_asked"),
        (
            Some("/nonexistent"),
            "cannot start the program /nonexistent",
        ),
        (Some("/bin/true"), "has ended without an answer"),
    ] {
        let options = EvaluatorOptions {
            program: program.map(Into::into),
            ..options()
        };
        let evaluator = Evaluator::new(options);
        let result = evaluator.definition(Format::Jsonnet, "{}".to_owned(), &context);
        let error = result.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal);
        assert!(error.to_string().contains(expected), "{error}");
        // What is no program does not need one.
        let result = evaluator.definition(Format::Yaml, "runs: [{name: a}]".to_owned(), &context);
        assert_eq!(result.await.unwrap().runs.len(), 1);
    }
}

#[tokio::test]
async fn the_examples_of_the_documentation_are_definitions() {
    let text = include_str!("../../../docs/run-definitions.md");
    let example = |language: &str| {
        let begin = format!("```{language}\n");
        let (_, rest) = text.split_once(&begin).unwrap();
        rest.split_once("\n```").unwrap().0.to_owned()
    };
    let yaml = definition(Format::Yaml, &example("yaml")).await.unwrap();
    assert_eq!(yaml.runs[0].tasks[0].steps.len(), 5);
    let jsonnet = definition(Format::Jsonnet, &example("jsonnet"))
        .await
        .unwrap();
    assert_eq!(jsonnet.runs[0].tasks.len(), 4);
}
