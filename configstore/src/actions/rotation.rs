//! Encrypting everything with another key.

use datamanager::{Document, ScanOptions, Transaction};

use super::Actions;
use crate::Error;
use crate::secrets::{Field, Keyring, Sealed};
use crate::store::{
    LinkedAccountDocument, ProjectDocument, Reading, RemoteSourceDocument, SecretDocument,
    SecretKeyDocument, UserDocument,
};

/// Documents that one transaction looks at, at most.
const BATCH_DOCUMENTS_MAX: usize = 200;

/// What a rotation has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RotationReport {
    /// Documents that were encrypted anew.
    pub documents: u64,
    /// Keys that nothing is encrypted with any more.
    pub keys_retired: u64,
}

/// A type with encrypted fields.
trait Encrypted: Document {
    /// Encrypts with the newest key what is not; returns whether there was something.
    fn encrypt_anew(&mut self, keyring: &Keyring) -> Result<bool, Error>;
}

fn anew(keyring: &Keyring, field: Field<'_>, sealed: &mut Sealed) -> Result<bool, Error> {
    if keyring.is_current(sealed) {
        return Ok(false);
    }
    *sealed = keyring.seal(field, &keyring.open(field, sealed)?)?;
    Ok(true)
}

impl Encrypted for UserDocument {
    fn encrypt_anew(&mut self, keyring: &Keyring) -> Result<bool, Error> {
        let field = |name| UserDocument::field(&self.id, name);
        Ok(anew(keyring, field("secret"), &mut self.secret)?
            | anew(keyring, field("password"), &mut self.password)?)
    }
}

impl Encrypted for LinkedAccountDocument {
    fn encrypt_anew(&mut self, keyring: &Keyring) -> Result<bool, Error> {
        let field = |name| LinkedAccountDocument::field(&self.id, name);
        let user = anew(
            keyring,
            field("user_access_token"),
            &mut self.user_access_token,
        )?;
        let access = anew(
            keyring,
            field("oauth2_access_token"),
            &mut self.oauth2_access_token,
        )?;
        let refresh = anew(
            keyring,
            field("oauth2_refresh_token"),
            &mut self.oauth2_refresh_token,
        )?;
        Ok(user | access | refresh)
    }
}

impl Encrypted for ProjectDocument {
    fn encrypt_anew(&mut self, keyring: &Keyring) -> Result<bool, Error> {
        let field = |name| ProjectDocument::field(&self.id, name);
        let secret = anew(keyring, field("secret"), &mut self.secret)?;
        let webhook = anew(keyring, field("webhook_secret"), &mut self.webhook_secret)?;
        let private_key = anew(keyring, field("ssh_private_key"), &mut self.ssh_private_key)?;
        Ok(secret | webhook | private_key)
    }
}

impl Encrypted for SecretDocument {
    fn encrypt_anew(&mut self, keyring: &Keyring) -> Result<bool, Error> {
        anew(keyring, SecretDocument::field(&self.id), &mut self.data)
    }
}

impl Encrypted for RemoteSourceDocument {
    fn encrypt_anew(&mut self, keyring: &Keyring) -> Result<bool, Error> {
        anew(
            keyring,
            RemoteSourceDocument::field(&self.id),
            &mut self.client_secret,
        )
    }
}

impl Actions {
    /// Encrypts with the first key what is encrypted with others, in many small transactions, beside whoever writes. If it is
    /// stopped, what is done stays done.
    ///
    /// Afterwards the other keys are no longer needed, if no process has another one first.
    pub(crate) async fn rotate_keys(&self) -> Result<RotationReport, Error> {
        self.check_keys().await?;
        let mut report = RotationReport::default();
        let keys = self
            .snapshot()
            .documents::<SecretKeyDocument>(&ScanOptions::new())?;
        let mut keys = keys.collect().await?;
        keys.retain(|key| key.id != self.keyring.current_id());
        for key in &keys {
            self.mark_retiring(&key.id).await?;
        }
        loop {
            let documents = self.rotate::<UserDocument>().await?
                + self.rotate::<LinkedAccountDocument>().await?
                + self.rotate::<ProjectDocument>().await?
                + self.rotate::<SecretDocument>().await?
                + self.rotate::<RemoteSourceDocument>().await?;
            report.documents += documents;
            if documents == 0 {
                break;
            }
        }
        for key in &keys {
            report.keys_retired += u64::from(self.retire(&key.id).await?);
        }
        Ok(report)
    }

    async fn mark_retiring(&self, id: &str) -> Result<(), Error> {
        self.database
            .write(|mut transaction| async move {
                let key = Reading::get::<SecretKeyDocument>(&mut transaction, id).await?;
                if let Some(mut key) = key {
                    key.is_retiring = true;
                    transaction.put(&key)?;
                }
                Ok(())
            })
            .await
    }

    /// Forgets a key, unless another process has encrypted with it meanwhile; returns whether it was.
    async fn retire(&self, id: &str) -> Result<bool, Error> {
        self.database
            .write(|mut transaction| async move {
                let key = Reading::get::<SecretKeyDocument>(&mut transaction, id).await?;
                let is_unused = key.is_some_and(|key| key.is_retiring);
                if is_unused {
                    transaction.delete::<SecretKeyDocument>(id)?;
                }
                Ok(is_unused)
            })
            .await
    }

    async fn rotate<T: Encrypted>(&self) -> Result<u64, Error> {
        let mut changed = 0;
        let mut after: Option<String> = None;
        loop {
            let mut options = ScanOptions::new().limit(BATCH_DOCUMENTS_MAX);
            if let Some(after) = after.take() {
                options = options.after(after);
            }
            let batch = self.snapshot().documents::<T>(&options)?.collect().await?;
            let ids: Vec<&str> = batch.iter().map(Document::id).collect();
            let Some(last) = ids.last() else {
                return Ok(changed);
            };
            after = Some((*last).to_owned());
            let ids = &ids;
            changed += self
                .database
                .write(|mut transaction| async move {
                    self.rotate_batch::<T>(&mut transaction, ids).await
                })
                .await?;
        }
    }

    async fn rotate_batch<T: Encrypted>(
        &self,
        transaction: &mut Transaction,
        ids: &[&str],
    ) -> Result<u64, Error> {
        let mut changed = 0;
        for id in ids {
            let Some(mut document) = Reading::get::<T>(transaction, id).await? else {
                continue;
            };
            if document.encrypt_anew(&self.keyring)? {
                transaction.put(&document)?;
                changed += 1;
            }
        }
        if changed > 0 {
            self.note_key(transaction).await?;
        }
        Ok(changed)
    }
}
