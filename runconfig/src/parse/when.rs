//! Conditions about what a run is made for.

use std::collections::HashSet;

use configstore::api::{When, WhenCondition, WhenConditionType, WhenConditions};
use configstore::evaluation::regular_expression;
use service::yaml::Value;

use super::Reader;
use super::walk::At;

/// Different regular expressions of a definition, at most: each of them costs time and memory to be checked.
const PATTERNS_MAX: usize = 250;

/// The regular expressions that are known to be some.
#[derive(Default)]
pub(super) struct Patterns {
    checked: HashSet<String>,
}

impl Reader {
    pub(super) fn when(&mut self, at: Option<At<'_>>) -> Option<When> {
        let fields = self.faults.optional_fields(at)?;
        Some(When {
            branch: self.when_conditions(fields.get("branch")),
            tag: self.when_conditions(fields.get("tag")),
            reference: self.when_conditions(fields.get("ref")),
        })
    }

    fn when_conditions(&mut self, at: Option<At<'_>>) -> Option<WhenConditions> {
        let at = at.filter(|at| !at.is_null())?;
        let Value::Map(_) = at.node.value else {
            return Some(WhenConditions {
                include: self.patterns(at),
                exclude: Vec::new(),
            });
        };
        let fields = self.faults.fields(at)?;
        let mut conditions = WhenConditions::default();
        for (name, at) in fields.all() {
            let list = match name {
                "include" => &mut conditions.include,
                "exclude" => &mut conditions.exclude,
                _ => {
                    self.faults.add(at, "only include and exclude are expected");
                    continue;
                }
            };
            if matches!(at.node.value, Value::List(_)) || at.as_text().is_some() {
                *list = self.patterns(at);
            }
        }
        Some(conditions)
    }

    /// One pattern, or a list of them.
    fn patterns(&mut self, at: At<'_>) -> Vec<WhenCondition> {
        if let Value::List(_) = at.node.value {
            let conditions = self.faults.list(Some(at)).map(|at| self.pattern(at));
            return conditions.into_iter().flatten().collect();
        }
        self.pattern(at).into_iter().collect()
    }

    fn pattern(&mut self, at: At<'_>) -> Option<WhenCondition> {
        let Some(text) = at.as_text() else {
            let message = "a pattern is a text (in quotes, if it looks like something else) or a list of texts";
            self.faults.add(at, message);
            return None;
        };
        let condition = |kind, pattern: &str| {
            Some(WhenCondition {
                kind: Some(kind),
                pattern: pattern.to_owned(),
            })
        };
        match expression(text) {
            None => condition(WhenConditionType::Simple, text),
            Some(expression) => {
                self.check(at, expression);
                condition(WhenConditionType::Regexp, expression)
            }
        }
    }

    fn check(&mut self, at: At<'_>, expression: &str) {
        let checked = &mut self.patterns.checked;
        if checked.contains(expression) {
            return;
        }
        if checked.len() >= PATTERNS_MAX {
            let message = format!("there are more than {PATTERNS_MAX} regular expressions");
            self.faults.add(at, message);
            return;
        }
        checked.insert(expression.to_owned());
        if let Err(error) = regular_expression(expression) {
            let message = format!("this is no regular expression: {error}");
            self.faults.add(at, message);
        }
    }
}

/// What stands between the delimiters of a regular expression; nothing if it is none.
fn expression(text: &str) -> Option<&str> {
    let within = ["/", "#"]
        .into_iter()
        .find_map(|delimiter| text.strip_prefix(delimiter)?.strip_suffix(delimiter));
    within.filter(|within| !within.is_empty())
}
