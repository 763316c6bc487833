//! Pins: manifests that the collector leaves alone.

use std::time::Duration;

use futures::TryStreamExt;
use ost::{ObjectPath, Ost};
use serde::{Deserialize, Serialize};

use super::Jobs;
use crate::epoch::EpochFile;
use crate::failpoint;
use crate::manifest::Manifest;
use crate::{Error, ErrorKind, Timestamp, sealed_json};

const PIN_FORMAT: u32 = 1;
const PIN_PREFIX: &str = "pins/";
/// What the names of pins begin with that exports put for themselves.
pub(crate) const EXPORT_PIN_PREFIX: &str = "export-";
/// Characters of a pin's name, at most.
const NAME_CHARACTERS_MAX: usize = 100;

/// A manifest that is kept, with its files and the log behind it, whatever becomes of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pin {
    format: u32,
    /// The pin's name.
    pub name: String,
    /// The epoch of the manifest.
    pub epoch: u32,
    /// The manifest's number in its epoch; 0 for the one that the epoch began with.
    pub manifest: u64,
    /// The key of that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base_key: Option<String>,
    /// From when on the pin no longer holds; `None` holds until it is removed.
    pub expires_at: Option<Timestamp>,
}

impl Pin {
    /// The key of the manifest that it keeps.
    pub fn manifest_key(&self) -> String {
        match &self.base_key {
            Some(key) => key.clone(),
            None => Manifest::numbered_key(self.epoch, self.manifest),
        }
    }

    /// Whether an export has put the pin for itself. It relies on the pin only once it has seen that it was there in time; one
    /// that has failed or died before may leave a pin of a manifest that is gone.
    pub(crate) fn is_of_export(&self) -> bool {
        self.name.starts_with(EXPORT_PIN_PREFIX)
    }

    fn new(name: &str, manifest_key: &str, expires_at: Option<Timestamp>) -> Result<Pin, Error> {
        let parts = Manifest::epoch_of(manifest_key).zip(Manifest::number_of(manifest_key));
        let (epoch, manifest) = parts
            .ok_or_else(|| Error::corrupt(format!("{manifest_key:?} is no key of a manifest")))?;
        Ok(Pin {
            format: PIN_FORMAT,
            name: name.to_owned(),
            epoch,
            manifest,
            base_key: (manifest == 0).then(|| manifest_key.to_owned()),
            expires_at,
        })
    }
}

impl Jobs {
    /// Keeps the newest manifest under `name`, for `term` or until it is removed (R29). A pin of that name is replaced.
    pub(crate) async fn pin(&self, name: &str, term: Option<Duration>) -> Result<Pin, Error> {
        loop {
            self.check_running()?;
            let newest = self.newest_manifest_key().await?;
            if let Some(pin) = self.hold(name, &newest, term).await? {
                return Ok(pin);
            }
        }
    }

    /// Keeps the manifest at `manifest_key`, if it is still the newest. The pin is put first and the manifests are listed
    /// afterwards: no collector that has missed the pin can have taken what is the newest then.
    pub(crate) async fn hold(
        &self,
        name: &str,
        manifest_key: &str,
        term: Option<Duration>,
    ) -> Result<Option<Pin>, Error> {
        let key = pin_key(name)?;
        let pin = Pin::new(name, manifest_key, self.expiry(term))?;
        self.ost().put(&key, sealed_json::encode(&pin)?).await?;
        failpoint::pass("pin-put");
        let holds = self.newest_manifest_key().await? == manifest_key;
        Ok(holds.then_some(pin))
    }

    /// Keeps what `pin` keeps for `term` from now on.
    pub(crate) async fn renew(&self, pin: &Pin, term: Duration) -> Result<(), Error> {
        let renewed = Pin {
            expires_at: self.expiry(Some(term)),
            ..pin.clone()
        };
        let key = pin_key(&pin.name)?;
        Ok(self.ost().put(&key, sealed_json::encode(&renewed)?).await?)
    }

    fn expiry(&self, term: Option<Duration>) -> Option<Timestamp> {
        term.map(|term| self.environment.wall_time().saturating_add(term))
    }

    async fn newest_manifest_key(&self) -> Result<String, Error> {
        let epoch = EpochFile::newest_number(self.ost(), self.shared.view().epoch).await?;
        let keys = Manifest::list(self.ost(), epoch).await?;
        keys.into_iter()
            .next_back()
            .ok_or_else(|| Error::corrupt(format!("no manifest of epoch {epoch} is left")))
    }

    /// Removes a pin.
    pub(crate) async fn unpin(&self, name: &str) -> Result<(), Error> {
        let key = pin_key(name)?;
        match self.ost().head(&key).await {
            Ok(_) => Ok(self.ost().delete(&key).await?),
            Err(error) if error.kind() == ost::ErrorKind::NotFound => Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no pin {name:?}"),
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes a pin back that this process has put for itself. One that cannot be removed goes when its term is over.
    pub(crate) async fn let_go(&self, name: &str) {
        if let Err(error) = self.unpin(name).await {
            log::warn!(
                instance = self.shared.instance, pin = name;
                "a pin stays until its term is over: {}", error.chain()
            );
        }
    }
}

/// All pins, by name.
pub(crate) async fn list_pins(ost: &Ost) -> Result<Vec<Pin>, Error> {
    let keys: Vec<ObjectPath> = ost
        .list(PIN_PREFIX, None)
        .map_ok(|meta| meta.path)
        .try_collect()
        .await?;
    let mut pins = Vec::new();
    for key in keys {
        match ost.get(&key).await {
            Ok(bytes) => pins.push(sealed_json::decode(key.as_ref(), &bytes, PIN_FORMAT)?),
            // Removed since it was listed.
            Err(error) if error.kind() == ost::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(pins)
}

fn pin_key(name: &str) -> Result<ObjectPath, Error> {
    let good = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if name.is_empty() || name.len() > NAME_CHARACTERS_MAX || !name.chars().all(good) {
        return Err(Error::invalid(format!(
            "pin name {name:?} is not 1 to {NAME_CHARACTERS_MAX} of the characters a-z A-Z 0-9 - _"
        )));
    }
    Ok(ObjectPath::parse(&format!("{PIN_PREFIX}{name}.json"))?)
}
