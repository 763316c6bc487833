//! Dependencies between tasks, in all of their notations.

use runservice::api::DependCondition;
use service::yaml::Value;

use super::Reader;
use super::walk::At;
use crate::definition::Depend;

impl Reader {
    pub(super) fn depends(&mut self, at: Option<At<'_>>) -> Vec<Depend> {
        let depends = self.faults.list(at).map(|at| self.depend(at));
        depends.into_iter().flatten().collect()
    }

    fn depend(&mut self, at: At<'_>) -> Option<Depend> {
        if let Some(task) = at.as_text() {
            return Some(Depend {
                task: task.to_owned(),
                conditions: Vec::new(),
            });
        }
        let Value::Map(_) = &at.node.value else {
            self.faults
                .add(at, "a dependency is the name of a task, or a mapping");
            return None;
        };
        let fields = self.faults.fields(at)?;
        if let Some((name, value)) = fields.only() {
            if let Value::List(_) = value.node.value {
                return Some(Depend {
                    task: name.to_owned(),
                    conditions: self.conditions(Some(value)),
                });
            }
            if value.as_text().is_none() {
                let message = "the conditions of a dependency are a list";
                self.faults.add(value, message);
                return None;
            }
        }
        let task = self.faults.text(fields.get("task"));
        if task.is_empty() {
            let message = "the dependency names no task; one on task a is written as a, {a: [on_success]} or \
                           {task: a, conditions: [on_success]}";
            self.faults.add(at, message);
        }
        Some(Depend {
            task,
            conditions: self.conditions(fields.get("conditions")),
        })
    }

    fn conditions(&mut self, at: Option<At<'_>>) -> Vec<DependCondition> {
        let conditions = self.faults.list(at).map(|at| {
            let before = self.faults.count();
            let name = self.faults.text(Some(at));
            if self.faults.count() > before {
                return None;
            }
            let condition = name.parse::<DependCondition>();
            condition
                .map_err(|error| self.faults.add(at, error.to_string()))
                .ok()
        });
        conditions.into_iter().flatten().collect()
    }
}
