//! Texts that may come from variables.

use std::collections::BTreeMap;

use super::Reader;
use super::walk::At;
use crate::definition::Value;

const FROM_VARIABLE: &str = "from_variable";

impl Reader {
    pub(super) fn environment(&mut self, at: Option<At<'_>>) -> BTreeMap<String, Value> {
        let Some(fields) = self.faults.optional_fields(at) else {
            return BTreeMap::new();
        };
        let mut environment = BTreeMap::new();
        for (name, at) in fields.all() {
            if name.is_empty() || name.contains(['=', '\0']) {
                let message = format!("{name:?} cannot be the name of an environment variable");
                self.faults.add(at, message);
            }
            environment.insert(name.to_owned(), self.value(at));
        }
        environment
    }

    /// A value that may be missing, but not empty.
    pub(super) fn optional_value(&mut self, at: Option<At<'_>>) -> Value {
        at.map(|at| self.value(at)).unwrap_or_default()
    }

    fn value(&mut self, at: At<'_>) -> Value {
        if let Some(text) = at.as_text() {
            return Value::Text(text.to_owned());
        }
        let variable = match &at.node.value {
            service::yaml::Value::Map(_) => self.faults.fields(at),
            _ => {
                let message = "a text (in quotes, if it looks like something else) or a mapping with from_variable is expected";
                self.faults.add(at, message);
                None
            }
        };
        let Some(variable) = variable else {
            return Value::default();
        };
        let Some(at) = variable.exactly(FROM_VARIABLE) else {
            return Value::default();
        };
        match at.as_text() {
            Some(name) => Value::Variable(name.to_owned()),
            None => {
                let message =
                    "the name of a variable is expected, in quotes if it looks like something else";
                self.faults.add(at, message);
                Value::default()
            }
        }
    }
}
