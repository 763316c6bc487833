//! Entries of an import, as the documents that are stored.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use datamanager::{Document, Expansion, TransferredEntry};
use serde_json::Value;

use super::entries;
use crate::Error;
use crate::api::ConfigType;
use crate::secrets::Keyring;
use crate::store::{
    DeletionDocument, GroupDocument, LinkedAccountDocument, MemberDocument, OrganizationDocument,
    ProjectDocument, RemoteSourceDocument, SecretDocument, SecretKeyDocument, TokenDocument,
    UserDocument, VariableDocument,
};

type Expanded = Result<Vec<TransferredEntry>, Box<dyn StdError + Send + Sync>>;

/// Makes documents of the objects of an agola export: secrets are encrypted and tokens are hashed on the way. Data types and
/// fields that are not known are refused.
pub(crate) fn agola_import(keyring: Arc<Keyring>) -> Expansion {
    let key_is_noted = AtomicBool::new(false);
    Arc::new(move |entry| -> Expanded {
        let mut documents = documents(&entry, &keyring)?;
        if !key_is_noted.swap(true, Ordering::Relaxed) {
            documents.push(transferred(&SecretKeyDocument::of_current(&keyring)?)?);
        }
        Ok(documents)
    })
}

fn documents(entry: &TransferredEntry, keyring: &Keyring) -> Result<Vec<TransferredEntry>, Error> {
    let id = entry.id.as_str();
    let kind: ConfigType = entry.data_type.parse().map_err(|_| {
        Error::bad_request(format!("the data type {:?} is not known", entry.data_type))
    })?;
    // What the parser says may show what is secret.
    let data: Value = serde_json::from_slice(&entry.value)
        .map_err(|_| Error::bad_request("the data is no JSON"))?;
    if !data.is_object() {
        return Err(Error::bad_request("the data is no JSON object"));
    }
    let one = match kind {
        ConfigType::User => {
            let documents = entries::user(id, &data, keyring)?;
            let mut all = vec![transferred(&documents.user)?];
            for account in &documents.accounts {
                all.push(transferred(account)?);
            }
            for token in &documents.tokens {
                all.push(transferred(token)?);
            }
            return Ok(all);
        }
        ConfigType::Org => transferred(&entries::org(id, &data)?),
        ConfigType::OrgMember => transferred(&entries::member(id, &data)?),
        ConfigType::ProjectGroup => transferred(&entries::project_group(id, &data)?),
        ConfigType::Project => transferred(&entries::project(id, &data, keyring)?),
        ConfigType::RemoteSource => transferred(&entries::remote_source(id, &data, keyring)?),
        ConfigType::Secret => transferred(&entries::secret(id, &data, keyring)?),
        ConfigType::Variable => transferred(&entries::variable(id, &data)?),
    };
    Ok(vec![one?])
}

fn transferred<T: Document>(document: &T) -> Result<TransferredEntry, Error> {
    let value = serde_json::to_vec(document).map_err(Error::internal)?;
    Ok(TransferredEntry {
        data_type: T::TYPE.to_owned(),
        id: document.id().to_owned(),
        value: Bytes::from(value),
        expires_at: None,
    })
}

/// The data types of the store.
const STORED_TYPES: [&str; 12] = [
    UserDocument::TYPE,
    LinkedAccountDocument::TYPE,
    TokenDocument::TYPE,
    OrganizationDocument::TYPE,
    MemberDocument::TYPE,
    GroupDocument::TYPE,
    ProjectDocument::TYPE,
    RemoteSourceDocument::TYPE,
    SecretDocument::TYPE,
    VariableDocument::TYPE,
    DeletionDocument::TYPE,
    SecretKeyDocument::TYPE,
];

/// Takes the documents of a native export as they are. Data types that are not known are refused, and so is an export that
/// is encrypted with keys which are not here.
pub(crate) fn native_import(keyring: Arc<Keyring>) -> Expansion {
    Arc::new(move |entry| -> Expanded {
        if !STORED_TYPES.contains(&entry.data_type.as_str()) {
            let message = format!("the data type {:?} is not known", entry.data_type);
            return Err(Error::bad_request(message).into());
        }
        if entry.data_type == SecretKeyDocument::TYPE {
            let key: SecretKeyDocument = serde_json::from_slice(&entry.value)?;
            key.verify(&keyring)?;
        }
        Ok(vec![entry])
    })
}
