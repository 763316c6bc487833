//! Secrets and variables.

use configstore::api as store;
use configstore::evaluation::secret_of;

use crate::api::{
    SecretResponse, VariableResponse, VariableValueRequest, VariableValueResponse, When,
    WhenCondition, WhenConditions,
};

pub(crate) fn secret(secret: store::SecretResponse) -> SecretResponse {
    SecretResponse {
        id: secret.secret.id,
        name: secret.secret.name,
        parent_path: secret.parent_path,
    }
}

/// `secrets` are those of the object and of all above it.
pub(crate) fn variable(
    variable: store::VariableResponse,
    secrets: &[store::SecretResponse],
) -> VariableResponse {
    let parent_path = variable.parent_path;
    let values = variable.variable.values.into_iter().map(|value| {
        let secret = secret_of(&value, &parent_path, secrets);
        let matching = secret.map(|secret| secret.parent_path.clone());
        VariableValueResponse {
            matching_secret_parent_path: matching.unwrap_or_default(),
            secret_name: value.secret_name,
            secret_var: value.secret_var,
            when: value.when.map(when),
        }
    });
    let values = values.collect();
    VariableResponse {
        id: variable.variable.id,
        name: variable.variable.name,
        values,
        parent_path,
    }
}

pub(crate) fn variable_to_store(value: &VariableValueRequest) -> store::VariableValue {
    store::VariableValue {
        secret_name: value.secret_name.clone(),
        secret_var: value.secret_var.clone(),
        when: value.when.as_ref().map(when_to_store),
    }
}

fn when(when: store::When) -> When {
    When {
        branch: when.branch.map(conditions),
        tag: when.tag.map(conditions),
        reference: when.reference.map(conditions),
    }
}

fn conditions(conditions: store::WhenConditions) -> WhenConditions {
    let convert = |list: Vec<store::WhenCondition>| {
        let list = list.into_iter().map(|condition| WhenCondition {
            kind: condition.kind.map(Into::into),
            pattern: condition.pattern,
        });
        list.collect()
    };
    WhenConditions {
        include: convert(conditions.include),
        exclude: convert(conditions.exclude),
    }
}

fn when_to_store(when: &When) -> store::When {
    store::When {
        branch: when.branch.as_ref().map(conditions_to_store),
        tag: when.tag.as_ref().map(conditions_to_store),
        reference: when.reference.as_ref().map(conditions_to_store),
    }
}

fn conditions_to_store(conditions: &WhenConditions) -> store::WhenConditions {
    let convert = |list: &[WhenCondition]| {
        let list = list.iter().map(|condition| store::WhenCondition {
            kind: condition.kind.map(Into::into),
            pattern: condition.pattern.clone(),
        });
        list.collect()
    };
    store::WhenConditions {
        include: convert(&conditions.include),
        exclude: convert(&conditions.exclude),
    }
}
