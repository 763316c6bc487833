//! Remote sources.

use datamanager::{Document, Indexes};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::api::{AuthType, RemoteSource, RemoteSourceType};
use crate::secrets::{Field, Keyring, Sealed};

/// A remote source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RemoteSourceDocument {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) api_url: String,
    pub(crate) skip_verify: bool,
    #[serde(rename = "type")]
    pub(crate) kind: RemoteSourceType,
    pub(crate) auth_type: AuthType,
    pub(crate) client_id: String,
    pub(crate) client_secret: Sealed,
    pub(crate) ssh_host_key: String,
    pub(crate) skip_ssh_host_key_check: bool,
    /// Not set counts as yes.
    pub(crate) registration_enabled: Option<bool>,
    /// Not set counts as yes.
    pub(crate) login_enabled: Option<bool>,
}

impl Document for RemoteSourceDocument {
    const TYPE: &'static str = "remotesource";

    fn id(&self) -> &str {
        &self.id
    }

    fn indexes() -> Indexes<RemoteSourceDocument> {
        Indexes::<RemoteSourceDocument>::new().unique("name", |source| source.name.clone())
    }
}

impl RemoteSourceDocument {
    pub(crate) fn field(id: &str) -> Field<'_> {
        Field {
            data_type: RemoteSourceDocument::TYPE,
            id,
            name: "client_secret",
        }
    }

    /// What was set, and nothing for what was not.
    pub(crate) fn to_api(&self, keyring: &Keyring) -> Result<RemoteSource, Error> {
        Ok(RemoteSource {
            id: self.id.clone(),
            name: self.name.clone(),
            apiurl: self.api_url.clone(),
            skip_verify: self.skip_verify,
            kind: Some(self.kind),
            auth_type: Some(self.auth_type),
            client_id: self.client_id.clone(),
            client_secret: keyring
                .open(RemoteSourceDocument::field(&self.id), &self.client_secret)?,
            ssh_host_key: self.ssh_host_key.clone(),
            skip_ssh_host_key_check: self.skip_ssh_host_key_check,
            registration_enabled: self.registration_enabled,
            login_enabled: self.login_enabled,
        })
    }
}
