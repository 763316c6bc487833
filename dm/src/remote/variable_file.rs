//! Files with the values of a variable, whose conditions are written as in run definitions.

use std::path::Path;

use gateway_client::api::{VariableValueRequest, When};
use service::yaml::{Node, Value};

use super::input::{Source, read_yaml};
use crate::exit::Reason;

/// What is wrong, and in which line.
type Fault = (usize, String);

/// The values in a file.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<VariableValueRequest>> {
    let source = Source::of(file);
    let document = read_yaml(&source)?;
    values(document.as_ref()).map_err(|(line, message)| {
        Reason::failed(format!("{source}: line {line}: {message}")).into()
    })
}

fn values(document: Option<&Node>) -> Result<Vec<VariableValueRequest>, Fault> {
    match document.map(|document| &document.value) {
        Some(Value::List(values)) => values.iter().map(value).collect(),
        _ => {
            let line = document.map_or(1, |document| document.line);
            Err((line, "a list of values is expected".to_owned()))
        }
    }
}

fn value(node: &Node) -> Result<VariableValueRequest, Fault> {
    let mut value = VariableValueRequest::default();
    for (key, node) in entries(node, "secret_name, secret_var and when")? {
        match key.as_str() {
            "secret_name" => text(node)?.clone_into(&mut value.secret_name),
            "secret_var" => text(node)?.clone_into(&mut value.secret_var),
            "when" => value.when = when(node)?,
            _ => return Err(unknown(key, node, "secret_name, secret_var and when")),
        }
    }
    for (key, text) in [
        ("secret_name", &value.secret_name),
        ("secret_var", &value.secret_var),
    ] {
        if text.is_empty() {
            return Err((node.line, format!("{key} is missing")));
        }
    }
    Ok(value)
}

fn when(node: &Node) -> Result<Option<When>, Fault> {
    if let Value::Map(entries) = &node.value {
        let is_known = |key: &str| ["branch", "tag", "ref"].contains(&key);
        // In a definition an unknown key is ignored. Here it would give a value away to runs that are not to have it.
        if let Some((key, node)) = entries.iter().find(|(key, _)| !is_known(key)) {
            return Err(unknown(key, node, "branch, tag and ref"));
        }
    }
    let when = runconfig::parse_when(node).map_err(|error| {
        let fault = error.faults().first();
        let line = fault.and_then(|fault| fault.line).unwrap_or(node.line);
        let message = fault.map_or(error.to_string(), |fault| fault.message.clone());
        (line, message)
    })?;
    // Both types are those of the same JSON.
    let converted = serde_json::to_value(when).and_then(serde_json::from_value);
    converted.map_err(|error| (node.line, error.to_string()))
}

fn entries<'a>(node: &'a Node, accepted: &str) -> Result<&'a [(String, Node)], Fault> {
    match &node.value {
        Value::Map(entries) => Ok(entries),
        _ => Err((node.line, format!("a mapping with {accepted} is expected"))),
    }
}

fn text(node: &Node) -> Result<&str, Fault> {
    match &node.value {
        Value::Scalar { text, .. } => Ok(text),
        _ => Err((node.line, "a text is expected".to_owned())),
    }
}

fn unknown(key: &str, node: &Node, accepted: &str) -> Fault {
    let message = format!("the key {key} is unknown; {accepted} are known");
    (node.line, message)
}

#[cfg(test)]
mod tests {
    use gateway_client::api::{WhenCondition, WhenConditionType};
    use service::yaml::{Limits, first_document};

    use super::*;

    fn read(text: &str) -> Result<Vec<VariableValueRequest>, Fault> {
        let limits = Limits {
            depth_max: 10,
            nodes_max: 1_000,
            text_bytes_max: 10_000,
        };
        values(first_document(text, limits).unwrap().as_ref())
    }

    #[test]
    fn conditions_are_read_as_in_run_definitions() {
        let values = read(
            "- {secret_name: s1, secret_var: k1, when: {branch: main, tag: '/^v/'}}\n\
             - {secret_name: s2, secret_var: k2, when: {ref: {include: ['#pull#', x], exclude: '#draft#'}}}\n\
             - {secret_name: s3, secret_var: k3}",
        )
        .unwrap();
        let condition = |kind, pattern: &str| WhenCondition {
            kind: Some(kind),
            pattern: pattern.to_owned(),
        };
        let when = values[0].when.as_ref().unwrap();
        let (simple, regexp) = (WhenConditionType::Simple, WhenConditionType::Regexp);
        assert_eq!(
            when.branch.as_ref().unwrap().include,
            [condition(simple.clone(), "main")]
        );
        assert_eq!(
            when.tag.as_ref().unwrap().include,
            [condition(regexp.clone(), "^v")]
        );
        let reference = values[1].when.as_ref().unwrap().reference.as_ref().unwrap();
        assert_eq!(
            reference.include,
            [condition(regexp.clone(), "pull"), condition(simple, "x")]
        );
        assert_eq!(reference.exclude, [condition(regexp, "draft")]);
        assert_eq!(values[2].secret_name, "s3");
        assert_eq!(values[2].when, None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, part) in [
            ("", 1, "a list of values"),
            ("a: b", 1, "a list of values"),
            ("- secret_name: s\n", 1, "secret_var is missing"),
            ("- x", 1, "secret_name, secret_var and when"),
            (
                "-\n  secret_name: s\n  secret_vra: k",
                3,
                "secret_vra is unknown",
            ),
            (
                "- secret_name: s\n  secret_var: k\n  when: {brunch: x}",
                3,
                "brunch is unknown",
            ),
            (
                "- secret_name: s\n  secret_var: k\n  when: {branch: '/(/'}",
                3,
                "no regular expression",
            ),
            ("- secret_name: [s]", 1, "a text is expected"),
        ] {
            let (found, message) = read(text).unwrap_err();
            assert_eq!(found, line, "{text:?}: {message}");
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }
}
