//! What those who run projects make of variables and secrets: which ones count, which secret a variable means, and when a
//! value applies.
//!
//! The lists are those of the service with `tree`: from the object itself up to the root, level by level.

use std::collections::HashSet;

use regex::{Regex, RegexBuilder};

use crate::api::{
    SecretResponse, VariableResponse, VariableValue, When, WhenConditionType, WhenConditions,
};

/// The names in a path. Slashes at its ends, and several in a row, count for nothing.
pub fn path_segments(path: &str) -> Vec<&str> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .collect()
}

/// Whether `path` lies below `parent`.
pub fn is_below(parent: &str, path: &str) -> bool {
    let (parent, path) = (path_segments(parent), path_segments(path));
    path.len() > parent.len() && path.starts_with(&parent)
}

/// Whether `path` is `parent` or lies below it.
pub fn is_same_or_below(parent: &str, path: &str) -> bool {
    path_segments(path).starts_with(&path_segments(parent))
}

/// The variables that count: of those with one name the first.
pub fn effective_variables(variables: Vec<VariableResponse>) -> Vec<VariableResponse> {
    let mut names = HashSet::new();
    let mut variables = variables;
    variables.retain(|variable| names.insert(variable.variable.name.clone()));
    variables
}

/// The secret that a value of a variable means: the first of its name that lies where the variable does or above it.
///
/// `parent_path` is that of the variable.
pub fn secret_of<'a>(
    value: &VariableValue,
    parent_path: &str,
    secrets: &'a [SecretResponse],
) -> Option<&'a SecretResponse> {
    secrets.iter().find(|secret| {
        secret.secret.name == value.secret_name
            && is_same_or_below(&secret.parent_path, parent_path)
    })
}

/// What a run is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefType {
    /// A branch.
    Branch,
    /// A tag.
    Tag,
    /// A pull request.
    PullRequest,
}

impl RefType {
    /// Its name where agola tells it.
    pub fn as_str(self) -> &'static str {
        match self {
            RefType::Branch => "branch",
            RefType::Tag => "tag",
            RefType::PullRequest => "pull_request",
        }
    }
}

/// What a run is made for, in detail. What does not apply is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// What it is.
    pub kind: RefType,
    /// The branch.
    pub branch: &'a str,
    /// The tag.
    pub tag: &'a str,
    /// The whole name, as `refs/heads/main`.
    pub name: &'a str,
}

/// Bytes that a regular expression may take once it is compiled. It is some hundred times what people write.
const EXPRESSION_BYTES_MAX: usize = 256 * 1024;

/// A regular expression of a condition, which finds its text anywhere.
///
/// # Errors
/// It is none, or one that takes very much memory.
pub fn regular_expression(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text)
        .size_limit(EXPRESSION_BYTES_MAX)
        .dfa_size_limit(EXPRESSION_BYTES_MAX)
        .build()
}

/// Whether a value applies; without conditions it always does.
///
/// # Errors
/// A regular expression that is none.
pub fn applies(when: Option<&When>, reference: Reference<'_>) -> Result<bool, regex::Error> {
    let Some(when) = when else {
        return Ok(true);
    };
    let branch =
        Some(reference.branch).filter(|name| reference.kind == RefType::Branch && !name.is_empty());
    let tag = Some(reference.tag).filter(|name| reference.kind == RefType::Tag && !name.is_empty());
    let mut applies = false;
    for (conditions, text) in [
        (&when.branch, branch),
        (&when.tag, tag),
        (&when.reference, Some(reference.name)),
    ] {
        if let (Some(conditions), Some(text)) = (conditions, text) {
            applies = decide(conditions, text, applies)?;
        }
    }
    Ok(applies)
}

fn decide(conditions: &WhenConditions, text: &str, before: bool) -> Result<bool, regex::Error> {
    let mut decided = before;
    for (list, outcome) in [(&conditions.include, true), (&conditions.exclude, false)] {
        for condition in list {
            let matches = match condition.kind {
                Some(WhenConditionType::Regexp) => {
                    regular_expression(&condition.pattern)?.is_match(text)
                }
                Some(WhenConditionType::Simple) => condition.pattern == text,
                None => false,
            };
            if matches {
                decided = outcome;
            }
        }
    }
    Ok(decided)
}

#[cfg(test)]
mod tests;
