//! Secrets and variables.

use datamanager::{Document, Indexes};
use serde::{Deserialize, Serialize};

use super::{StoredParent, child_key};
use crate::Error;
use crate::api::{Secret, SecretType, Variable, VariableValue};
use crate::secrets::{Field, Keyring, Sealed};

/// A secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SecretDocument {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) parent: StoredParent,
    #[serde(rename = "type")]
    pub(crate) kind: SecretType,
    /// The data as a JSON object, keys and all.
    pub(crate) data: Sealed,
    pub(crate) secret_provider_id: String,
    pub(crate) path: String,
}

impl Document for SecretDocument {
    const TYPE: &'static str = "secret";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<SecretDocument> {
        Indexes::<SecretDocument>::new().unique("parent_name", |secret| {
            child_key(&secret.parent, &secret.name)
        })
    }
}

impl SecretDocument {
    pub(crate) fn field(id: &str) -> Field<'_> {
        Field {
            data_type: SecretDocument::TYPE,
            id,
            name: "data",
        }
    }

    pub(crate) fn to_api(&self, keyring: &Keyring) -> Result<Secret, Error> {
        let data = keyring.open(SecretDocument::field(&self.id), &self.data)?;
        let data = match data.is_empty() {
            true => Default::default(),
            false => serde_json::from_str(&data).map_err(|error| {
                // The cause would show what is secret.
                let place = error.column();
                Error::internal(format!(
                    "the data of secret {:?} is no JSON object, at byte {place}",
                    self.id
                ))
            })?,
        };
        Ok(Secret {
            id: self.id.clone(),
            name: self.name.clone(),
            parent: self.parent.to_api(),
            kind: Some(self.kind),
            data,
            secret_provider_id: self.secret_provider_id.clone(),
            path: self.path.clone(),
        })
    }
}

/// A variable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VariableDocument {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) parent: StoredParent,
    /// In the form of the API: nothing is looked for in them.
    pub(crate) values: Vec<VariableValue>,
}

impl Document for VariableDocument {
    const TYPE: &'static str = "variable";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<VariableDocument> {
        Indexes::<VariableDocument>::new().unique("parent_name", |variable| {
            child_key(&variable.parent, &variable.name)
        })
    }
}

impl VariableDocument {
    pub(crate) fn to_api(&self) -> Variable {
        Variable {
            id: self.id.clone(),
            name: self.name.clone(),
            parent: self.parent.to_api(),
            values: self.values.clone(),
        }
    }
}
