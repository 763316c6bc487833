//! Images, and who may fetch them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::StreamExt;
use runservice::api::RegistryAuth;

use super::{failed, has_status};
use crate::driver::{Failure, log_failed};
use crate::task_log::LogWriter;

/// The registry of images whose names name none.
const DEFAULT_REGISTRY: &str = "index.docker.io";
const LATEST: &str = "latest";

/// The name of an image, in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    pub(super) registry: &'a str,
    /// All but the tag.
    pub(super) name: &'a str,
    /// Tag or digest.
    pub(super) tag: &'a str,
}

impl<'a> Reference<'a> {
    /// # Errors
    /// There is no name.
    pub(super) fn parse(image: &'a str) -> Result<Reference<'a>, Failure> {
        let first = image.split_once('/').map(|(first, _)| first);
        // A part of a name has neither, and a host has one of them or is this machine.
        let is_host = |part: &&str| part.contains(['.', ':']) || *part == "localhost";
        let registry = match first.filter(is_host) {
            None | Some("docker.io") => DEFAULT_REGISTRY,
            Some(host) => host,
        };
        let (name, tag) = match image.split_once('@') {
            Some(parts) => parts,
            None => match image.rsplit_once(':') {
                // Otherwise it is the port of the registry.
                Some((name, tag)) if !tag.contains('/') => (name, tag),
                _ => (image, LATEST),
            },
        };
        match name.is_empty() || tag.is_empty() || image.contains(char::is_whitespace) {
            true => Err(Failure(format!("{image:?} is no name of an image"))),
            false => Ok(Reference {
                registry,
                name,
                tag,
            }),
        }
    }

    /// What the task has for the registry: under its name, or as a URL, with or without the version of the interface.
    pub(super) fn credentials(
        &self,
        known: &BTreeMap<String, RegistryAuth>,
    ) -> Result<Option<DockerCredentials>, Failure> {
        let registry = self.registry;
        let bare = ["", "https://", "http://"].map(|scheme| format!("{scheme}{registry}"));
        let with = |version: &str| bare.clone().map(|url| format!("{url}{version}"));
        let mut forms = bare.iter().cloned().chain(with("/v1/")).chain(with("/v2/"));
        let Some(auth) = forms.find_map(|form| known.get(&form)) else {
            return Ok(None);
        };
        let (username, password) = match auth.kind.as_str() {
            "" | "basic" => (auth.username.clone(), auth.password.clone()),
            "encodedauth" => decode(&auth.auth).ok_or_else(|| {
                // Not what it is: it is secret.
                Failure(format!(
                    "the encoded credentials for {registry:?} are not those of a user"
                ))
            })?,
            other => {
                let shown: String = other.chars().take(64).collect();
                return Err(Failure(format!(
                    "the credentials for {registry:?} are of an unknown type: {shown:?}"
                )));
            }
        };
        Ok(Some(DockerCredentials {
            username: Some(username),
            password: Some(password),
            serveraddress: Some(registry.to_owned()),
            ..DockerCredentials::default()
        }))
    }
}

/// `user:password` in base64, with one colon.
fn decode(auth: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(BASE64_STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (username, password) = decoded.split_once(':')?;
    let is_one = !password.contains(':');
    is_one.then(|| (username.to_owned(), password.to_owned()))
}

/// Sees to it that the engine has an image.
pub(super) async fn provide(
    client: &Docker,
    image: &str,
    known: &BTreeMap<String, RegistryAuth>,
    log: &mut LogWriter,
) -> Result<(), Failure> {
    let reference = Reference::parse(image)?;
    let is_there = match client.inspect_image(image).await {
        Ok(_) => true,
        Err(error) if has_status(&error, &[404]) => false,
        Err(error) => {
            return Err(failed(
                &format!("the engine cannot look for the image {image:?}"),
                &error,
            ));
        }
    };
    if is_there && reference.tag != LATEST {
        return Ok(());
    }
    log.line(format!("fetching the image {image}"))
        .await
        .map_err(log_failed)?;
    let credentials = reference.credentials(known)?;
    let options = CreateImageOptionsBuilder::new()
        .from_image(reference.name)
        .tag(reference.tag);
    let mut progress = client.create_image(Some(options.build()), None, credentials);
    let mut failure = None;
    while let Some(step) = progress.next().await {
        if let Err(error) = step {
            failure = Some(failed(
                &format!("the image {image:?} cannot be fetched"),
                &error,
            ));
            break;
        }
    }
    match failure {
        None => Ok(()),
        // What is there may be older, and is better than nothing.
        Some(failure) if is_there => {
            let told = log
                .line(format!("{failure}; the one that is there is used"))
                .await;
            told.map_err(log_failed)
        }
        Some(failure) => Err(failure),
    }
}
