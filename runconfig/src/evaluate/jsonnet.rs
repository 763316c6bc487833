//! Programs in jsonnet: a value, or a function that gets the context as its argument `ctx`.

use jrsonnet_evaluator::error::{Error, ErrorKind};
use jrsonnet_evaluator::function::TlaArg;
use jrsonnet_evaluator::gc::GcHashMap;
use jrsonnet_evaluator::manifest::JsonFormat;
use jrsonnet_evaluator::stack::limit_stack_depth;
use jrsonnet_evaluator::trace::PathResolver;
use jrsonnet_evaluator::{IStr, State, apply_tla};
use jrsonnet_stdlib::ContextInitializer;

use crate::error::Fault;

const FILE: &str = "config.jsonnet";
const CALLS_MAX: usize = 500;

/// The JSON that a program makes.
pub(super) fn evaluate(content: &str, context: &serde_json::Value) -> Result<String, Fault> {
    let _limit = limit_stack_depth(CALLS_MAX);
    let mut state = State::builder();
    // No resolver of imports: they are refused.
    state.context_initializer(ContextInitializer::new(PathResolver::FileName));
    let state = state.build();
    let made = state
        .evaluate_snippet("ctx", context.to_string())
        .and_then(|context| {
            let mut arguments: GcHashMap<IStr, TlaArg> = GcHashMap::new();
            arguments.insert("ctx".into(), TlaArg::Val(context));
            let value = state.evaluate_snippet(FILE, content)?;
            apply_tla(state.clone(), &arguments, value)?.manifest(JsonFormat::cli(1))
        });
    made.map_err(|error| fault(&error, content))
}

fn fault(error: &Error, content: &str) -> Fault {
    let line = match error.error() {
        ErrorKind::ImportSyntaxError { error, .. } => {
            let before = content.chars().take(error.location.offset);
            Some(before.filter(|character| *character == '\n').count() + 1)
        }
        _ => error.trace().0.iter().find_map(|element| {
            let span = element.location.as_ref()?;
            let is_of_content = span.0.source_path().to_string().contains(FILE);
            let [location] = span.0.map_source_locations(&[span.1]);
            is_of_content.then_some(location.line)
        }),
    };
    Fault {
        line,
        key: String::new(),
        message: format!("jsonnet: {}", error.error()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::evaluate;

    fn made(content: &str) -> serde_json::Value {
        let made = evaluate(content, &json!({"branch": "main", "tag": "a\"b"})).expect(content);
        serde_json::from_str(&made).unwrap()
    }

    fn fault(content: &str) -> String {
        evaluate(content, &json!({}))
            .expect_err(content)
            .to_string()
    }

    #[test]
    fn programs_are_values_or_functions_of_the_context() {
        assert_eq!(
            made("{a: 1 + 2, b:: 3, c: std.length('ab')}"),
            json!({"a": 3, "c": 2})
        );
        assert_eq!(
            made("function(ctx) {a: ctx.branch, b: ctx.tag}"),
            json!({"a": "main", "b": "a\"b"})
        );
        assert_eq!(
            made("function(ctx, x=2) [x, ctx.branch]"),
            json!([2, "main"])
        );
        assert_eq!(
            made("local f(n) = if n == 0 then 0 else 1 + f(n - 1); f(100)"),
            json!(100)
        );
    }

    #[test]
    fn errors_have_their_line() {
        for (content, line, message) in [
            ("{\n  a: ]\n}", "line 2: ", "syntax error"),
            ("{\n  a: error 'x',\n}", "line 2: ", "runtime error: x"),
            ("local a = {};\n\na.b", "line 3: ", "no such field: b"),
            ("{\n  a: import '/etc/hostname',\n}", "", "not supported"),
            ("{\n  a: importstr '/etc/hostname',\n}", "", "not supported"),
            (
                "local f(n) = f(n + 1) + 1;\nf(0)",
                "line ",
                "stack overflow",
            ),
            ("function() {}", "", "ctx"),
            ("function(ctx, other) {}", "", "other"),
            ("std.extVar('a')", "line 1: ", "a"),
        ] {
            let found = fault(content);
            assert!(
                found.starts_with(line) && found.contains(message),
                "{content}: {found}"
            );
        }
    }
}
