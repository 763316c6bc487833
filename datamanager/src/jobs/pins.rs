//! Pins: manifests that the collector leaves alone.

use std::time::Duration;

use futures::TryStreamExt;
use ost::{ObjectPath, Ost};
use serde::{Deserialize, Serialize};

use super::Jobs;
use crate::manifest::Manifest;
use crate::{Error, ErrorKind, Timestamp, sealed_json};

const PIN_FORMAT: u32 = 1;
const PIN_PREFIX: &str = "pins/";
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
    /// The manifest's number in its epoch.
    pub manifest: u64,
    /// From when on the pin no longer holds; `None` holds until it is removed.
    pub expires_at: Option<Timestamp>,
}

impl Pin {
    /// The key of the manifest that it keeps.
    pub fn manifest_key(&self) -> String {
        Manifest::key(self.epoch, self.manifest)
    }
}

impl Jobs {
    /// Keeps the newest manifest under `name`, for `term` or until it is removed (R29). A pin of that name is replaced.
    pub(crate) async fn pin(&self, name: &str, term: Option<Duration>) -> Result<Pin, Error> {
        let key = pin_key(name)?;
        let epoch = self.shared.view().epoch;
        let expires_at = term.map(|term| self.environment.wall_time().saturating_add(term));
        // The pin is put first and the manifests are listed afterwards: it holds if its manifest is still there.
        loop {
            self.check_running()?;
            let newest = newest_number(self.ost(), epoch).await?;
            let pin = Pin {
                format: PIN_FORMAT,
                name: name.to_owned(),
                epoch,
                manifest: newest,
                expires_at,
            };
            self.ost().put(&key, sealed_json::encode(&pin)?).await?;
            let kept = Manifest::list(self.ost(), epoch).await?;
            if kept.contains(&pin.manifest_key()) {
                return Ok(pin);
            }
        }
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

async fn newest_number(ost: &Ost, epoch: u32) -> Result<u64, Error> {
    let keys = Manifest::list(ost, epoch).await?;
    let number = keys.last().and_then(|key| Manifest::number_of(key));
    number.ok_or_else(|| {
        Error::corrupt(format!(
            "{} holds no manifest of epoch {epoch}",
            ost.location()
        ))
    })
}
