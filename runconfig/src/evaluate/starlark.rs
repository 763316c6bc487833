//! Programs in starlark: a function `main` that gets the context and returns a dictionary.

use serde_json::Value as Json;
use starlark::PrintHandler;
use starlark::environment::{Globals, LibraryExtension, Module};
use starlark::eval::Evaluator;
use starlark::syntax::{AstModule, Dialect};
use starlark::values::dict::{AllocDict, DictRef};
use starlark::values::float::UnpackFloat;
use starlark::values::list::ListRef;
use starlark::values::tuple::TupleRef;
use starlark::values::{UnpackValue, Value};

use crate::error::Fault;

const FILE: &str = "config.star";
const CALLS_MAX: usize = 500;
/// Values within values, at most: a list can be part of itself.
const DEPTH_MAX: usize = 100;

/// What a program prints goes nowhere.
struct Silence;

impl PrintHandler for Silence {
    fn println(&self, _text: &str) -> starlark::Result<()> {
        Ok(())
    }
}

/// The JSON that a program makes.
pub(super) fn evaluate(content: &str, context: &Json) -> Result<String, Fault> {
    let dialect = Dialect {
        enable_load: false,
        ..Dialect::Standard
    };
    let program =
        AstModule::parse(FILE, content.to_owned(), &dialect).map_err(|error| fault(&error))?;
    let globals = Globals::extended_by(&[LibraryExtension::Print]);
    Module::with_temp_heap(|module| {
        let mut evaluator = Evaluator::new(&module);
        evaluator.set_print_handler(&Silence);
        evaluator
            .set_max_callstack_size(CALLS_MAX)
            .map_err(|error| fault(&starlark::Error::new_other(error)))?;
        evaluator
            .eval_module(program, &globals)
            .map_err(|error| fault(&error))?;
        let main = module
            .get("main")
            .ok_or_else(|| Fault::of_all("starlark: there is no function main"))?;
        let context = context.as_object().into_iter().flatten();
        let context =
            context.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()));
        let context = module.heap().alloc(AllocDict(context));
        let made = evaluator
            .eval_function(main, &[context], &[])
            .map_err(|error| fault(&error))?;
        if DictRef::from_value(made).is_none() {
            let message = format!(
                "starlark: main returns a dict, and not a {}",
                made.get_type()
            );
            return Err(Fault::of_all(message));
        }
        let mut json = String::new();
        write(made, 0, &mut json)
            .map_err(|message| Fault::of_all(format!("starlark: {message}")))?;
        Ok(json)
    })
}

fn fault(error: &starlark::Error) -> Fault {
    Fault {
        line: error.span().map(|span| span.resolve_span().begin.line + 1),
        key: String::new(),
        message: format!("starlark: {}", error.without_diagnostic()),
    }
}

/// Writes a value as JSON.
fn write(value: Value<'_>, depth: usize, json: &mut String) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!(
            "what main returns is nested more than {DEPTH_MAX} deep"
        ));
    }
    if value.is_none() {
        json.push_str("null");
    } else if let Some(value) = value.unpack_bool() {
        json.push_str(if value { "true" } else { "false" });
    } else if let Some(text) = value.unpack_str() {
        write_text(text, json);
    } else if value.get_type() == "int" {
        json.push_str(&value.to_str());
    } else if let Some(list) = ListRef::from_value(value) {
        write_list(list.content(), depth, json)?;
    } else if let Some(tuple) = TupleRef::from_value(value) {
        write_list(tuple.content(), depth, json)?;
    } else if let Some(dict) = DictRef::from_value(value) {
        json.push('{');
        for (index, (key, value)) in dict.iter().enumerate() {
            let Some(key) = key.unpack_str() else {
                return Err(format!("the key {} of a dict is no string", key.to_repr()));
            };
            separate(index, json);
            write_text(key, json);
            json.push_str(": ");
            write(value, depth + 1, json)?;
        }
        json.push('}');
    } else if let Ok(Some(UnpackFloat(number))) = UnpackFloat::unpack_value(value) {
        json.push_str(&number_text(number).ok_or("a number that is infinite or none")?);
    } else {
        return Err(format!(
            "a {} cannot be part of a definition",
            value.get_type()
        ));
    }
    Ok(())
}

fn write_list(values: &[Value<'_>], depth: usize, json: &mut String) -> Result<(), String> {
    json.push('[');
    for (index, value) in values.iter().enumerate() {
        separate(index, json);
        write(*value, depth + 1, json)?;
    }
    json.push(']');
    Ok(())
}

fn separate(index: usize, json: &mut String) {
    if index > 0 {
        json.push_str(", ");
    }
}

fn write_text(text: &str, json: &mut String) {
    json.push_str(&Json::from(text).to_string());
}

/// With the sign of a large exponent, as agola writes it.
fn number_text(number: f64) -> Option<String> {
    let text = serde_json::Number::from_f64(number)?.to_string();
    Some(match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with(['-', '+']) => {
            format!("{digits}e+{exponent}")
        }
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::evaluate;

    fn made(content: &str) -> String {
        evaluate(content, &json!({"branch": "main", "tag": "a\"b"})).expect(content)
    }

    fn fault(content: &str) -> String {
        evaluate(content, &json!({}))
            .expect_err(content)
            .to_string()
    }

    #[test]
    fn main_gets_the_context_and_returns_the_definition() {
        for (content, expected) in [
            (
                "def main(ctx):\n  return {'a': ctx['branch'], 'b': ctx['tag']}",
                r#"{"a": "main", "b": "a\"b"}"#,
            ),
            (
                "def main(ctx):\n  return {'key': 'string01'}",
                r#"{"key": "string01"}"#,
            ),
            (
                "def main(ctx):\n  return {'l': ['\\ns\\ttring01', 10, True, None, 1.7976931348623157e+308, {'key': 'string01'}]}",
                r#"{"l": ["\ns\ttring01", 10, true, null, 1.7976931348623157e+308, {"key": "string01"}]}"#,
            ),
            (
                "def main(ctx):\n  print('x')\n  return {'<&>': (1 << 70, 0.5, -3), 'b': [], 'a': {}}",
                r#"{"<&>": [1180591620717411303424, 0.5, -3], "b": [], "a": {}}"#,
            ),
            (
                "versions = ['1', '2']\ndef name(v):\n  return 'v' + v\ndef main(ctx):\n  return {'runs': [name(v) for v in versions]}",
                r#"{"runs": ["v1", "v2"]}"#,
            ),
        ] {
            assert_eq!(made(content), expected, "{content}");
        }
    }

    #[test]
    fn errors_have_their_line() {
        for (content, line, message) in [
            (
                "def main(ctx):\n  return {1: 2}",
                "",
                "the key 1 of a dict is no string",
            ),
            (
                "def main(ctx):\n  return [1]",
                "",
                "main returns a dict, and not a list",
            ),
            (
                "def main(ctx):\n  return {'a': main}",
                "",
                "a function cannot be part of a definition",
            ),
            (
                "def main(ctx):\n  a = []\n  a.append(a)\n  return {'a': a}",
                "",
                "nested more than 100 deep",
            ),
            (
                "def main(ctx):\n  return {'a': range(3)}",
                "",
                "a range cannot be part",
            ),
            ("x = 1", "", "there is no function main"),
            ("main = 1", "", "call"),
            ("def main():\n  return {}", "", "argument"),
            ("def main(ctx):\n  return {\n", "line ", ""),
            ("def main(ctx):\n  return 1 // 0", "line 2: ", "zero"),
            ("def main(ctx):\n  fail('no')", "line 2: ", "no"),
            (
                "load('/etc/passwd', 'x')\ndef main(ctx):\n  return {}",
                "line 1: ",
                "",
            ),
            ("for x in [1]:\n  pass\n", "line 1: ", ""),
            (
                "def f(n):\n  return f(n + 1)\ndef main(ctx):\n  return f(0)",
                "line 2: ",
                "",
            ),
        ] {
            let found = fault(content);
            assert!(
                found.starts_with(line) && found.contains(message),
                "{content}: {found}"
            );
        }
    }
}
