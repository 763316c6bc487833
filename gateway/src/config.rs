//! The section `gateway` of the configuration.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use service::Options;
use service::config::{Etcd, Limits, ObjectStorage, Sources, Web, go_duration, invalid};

use crate::Error;
use crate::cors::Origins;

/// The name of the section and of the component.
pub(crate) const NAME: &str = "gateway";

/// How the gateway runs: what is in the section, or its defaults. `config.reference.yml` shows all keys.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Settings {
    /// Whether more is logged.
    pub debug: bool,
    /// Where the token of the administrator is kept if the configuration has none. Default `./data/gateway`.
    pub data_dir: PathBuf,
    /// Where clients reach the gateway, without a slash at the end. Default `http://127.0.0.1:8000`.
    #[serde(rename = "apiExposedURL")]
    pub api_exposed_url: String,
    /// Where browsers reach the pages of the web interface. Default `http://127.0.0.1:8000`.
    #[serde(rename = "webExposedURL")]
    pub web_exposed_url: String,
    /// Where the run service is, with commas between several instances of it: the gateway stays with one, and goes to
    /// the next when that one cannot be reached. Default `http://127.0.0.1:4000`.
    #[serde(rename = "runserviceURL")]
    pub runservice_url: String,
    /// Where the configuration service is, or several instances of it. Default `http://127.0.0.1:4002`.
    #[serde(rename = "configstoreURL")]
    pub configstore_url: String,
    /// Where the git server is. Not used yet.
    #[serde(rename = "gitserverURL")]
    pub gitserver_url: String,
    /// A file with the token that is shown to both services. Empty: none is.
    pub services_token_file: PathBuf,
    /// A file with certificates (PEM) that the services' own are trusted with, beside those that the system trusts.
    #[serde(rename = "servicesCAFile")]
    pub services_ca_file: PathBuf,
    /// How long a service may take to answer. Default 30 s.
    #[serde(deserialize_with = "go_duration")]
    pub services_timeout: Duration,
    /// Where the gateway listens, by default on `127.0.0.1:8000`, and which pages may call it.
    pub web: Web,
    /// Not used: the gateway has no state.
    pub etcd: Option<Etcd>,
    /// Not used: the gateway has no state.
    pub object_storage: ObjectStorage,
    /// How tokens of users who have signed in are signed.
    pub token_signing: TokenSigning,
    /// The token of the administrator. Empty: the one in `adminTokenFile`.
    pub admin_token: String,
    /// A file with the token of the administrator, which is made if it is not there. Empty: `admin-token` in the data
    /// directory.
    pub admin_token_file: PathBuf,
    /// How often an address may fail to say who it is.
    pub authentication_failures: AuthenticationFailures,
    /// How run definitions that are programs are evaluated.
    pub run_definitions: RunDefinitions,
    /// What requests may take.
    pub limits: Limits,
    /// How long a stop may take. Default 10 s.
    #[serde(deserialize_with = "go_duration")]
    pub shutdown_timeout: Duration,
    /// Threads that answer requests. 0: one for each processor.
    pub workers: usize,
}

/// How tokens of the scheme `bearer` are signed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct TokenSigning {
    /// How long such a token is good for. Default 12 h.
    #[serde(deserialize_with = "go_duration")]
    pub duration: Duration,
    /// `hmac`, `rsa`, or empty: then no such token is accepted.
    pub method: String,
    /// The key, for `hmac`.
    pub key: String,
    /// The key, PEM, for `rsa`.
    pub private_key_path: PathBuf,
    /// Its public half, PEM, for `rsa`.
    pub public_key_path: PathBuf,
}

impl Default for TokenSigning {
    fn default() -> TokenSigning {
        TokenSigning {
            duration: Duration::from_secs(12 * 3_600),
            method: String::new(),
            key: String::new(),
            private_key_path: PathBuf::new(),
            public_key_path: PathBuf::new(),
        }
    }
}

/// Without the key.
impl fmt::Debug for TokenSigning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenSigning")
            .field("method", &self.method)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

/// How often an address may show a token that is none, before its requests are answered with 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct AuthenticationFailures {
    /// Failures within the window, at most. 0: any number. Default 30. Raised, tokens can be guessed faster; lowered, a
    /// program with an old token makes more of those who share its address wait.
    pub max: u32,
    /// The window. Default 1 min.
    #[serde(deserialize_with = "go_duration")]
    pub window: Duration,
}

impl Default for AuthenticationFailures {
    fn default() -> AuthenticationFailures {
        AuthenticationFailures {
            max: 30,
            window: Duration::from_secs(60),
        }
    }
}

/// How run definitions that are programs are evaluated: in a process of its own for each, which has bounds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct RunDefinitions {
    /// A program that evaluates them. Empty: this one once more. What embeds the gateway has to call
    /// `runconfig::evaluate_if_asked` first thing in its `main`, or name a program here that does.
    pub evaluator: PathBuf,
    /// How long one may be evaluated. Default 5 s. Raised, hostile ones hold up others for longer.
    #[serde(deserialize_with = "go_duration")]
    pub time_max: Duration,
    /// Bytes of memory that one may take. Default 256 MiB.
    pub memory_bytes_max: u64,
    /// How many are read or evaluated at the same time; others wait for a while. Default 4.
    pub concurrency_max: usize,
}

impl Default for RunDefinitions {
    fn default() -> RunDefinitions {
        RunDefinitions {
            evaluator: PathBuf::new(),
            time_max: Duration::from_secs(5),
            memory_bytes_max: 256 * 1024 * 1024,
            concurrency_max: 4,
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        let own_url = "http://127.0.0.1:8000";
        Settings {
            debug: false,
            data_dir: "./data/gateway".into(),
            api_exposed_url: own_url.to_owned(),
            web_exposed_url: own_url.to_owned(),
            runservice_url: "http://127.0.0.1:4000".to_owned(),
            configstore_url: "http://127.0.0.1:4002".to_owned(),
            gitserver_url: String::new(),
            services_token_file: PathBuf::new(),
            services_ca_file: PathBuf::new(),
            services_timeout: Duration::from_secs(30),
            web: Web::at(LISTEN_ADDRESS_DEFAULT),
            etcd: None,
            object_storage: ObjectStorage::default(),
            token_signing: TokenSigning::default(),
            admin_token: String::new(),
            admin_token_file: PathBuf::new(),
            authentication_failures: AuthenticationFailures::default(),
            run_definitions: RunDefinitions::default(),
            limits: Limits::default(),
            shutdown_timeout: Options::without_store().shutdown_timeout,
            workers: 0,
        }
    }
}

const LISTEN_ADDRESS_DEFAULT: &str = "127.0.0.1:8000";

/// Without what is secret.
impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("web", &self.web)
            .field("configstore_url", &self.configstore_url)
            .field("runservice_url", &self.runservice_url)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads the section from where the configuration comes from.
    ///
    /// # Errors
    /// An unknown key, or a value that does not fit: each is named.
    pub fn load(sources: Sources) -> Result<Settings, Error> {
        let config = sources
            .default_value("gateway.web.listenAddress", LISTEN_ADDRESS_DEFAULT)
            .load()?;
        let settings: Settings = config.section(NAME)?;
        settings.validate()?;
        Ok(settings)
    }

    /// Looks at what can be looked at without files.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        for (key, value) in [
            ("apiExposedURL", &self.api_exposed_url),
            ("webExposedURL", &self.web_exposed_url),
        ] {
            check_url(key, value)?;
        }
        for (key, value) in [
            ("configstoreURL", &self.configstore_url),
            ("runserviceURL", &self.runservice_url),
        ] {
            for url in value.split(',') {
                check_url(key, url.trim())?;
            }
        }
        if !self.gitserver_url.is_empty() {
            check_url("gitserverURL", &self.gitserver_url)?;
        }
        if self.services_timeout.is_zero() {
            let key = "gateway.servicesTimeout";
            return Err(invalid(key, "0s", "a duration above 0 is expected"));
        }
        if self.authentication_failures.window.is_zero() {
            let key = "gateway.authenticationFailures.window";
            return Err(invalid(key, "0s", "a duration above 0 is expected"));
        }
        Origins::of(&self.web.allowed_origins)?;
        Ok(())
    }

    pub(crate) fn options(&self) -> Options {
        let mut options = Options::without_store();
        options.web = self.web.clone();
        options.limits = self.limits.clone();
        options.shutdown_timeout = self.shutdown_timeout;
        options.workers = (self.workers > 0).then_some(self.workers);
        options
    }

    pub(crate) fn admin_token_path(&self) -> PathBuf {
        match self.admin_token_file.as_os_str().is_empty() {
            true => self.data_dir.join("admin-token"),
            false => self.admin_token_file.clone(),
        }
    }
}

fn check_url(key: &str, value: &str) -> Result<(), Error> {
    let parsed = url::Url::parse(value);
    let usable = parsed.is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
    });
    match usable {
        true => Ok(()),
        false => {
            let key = format!("{NAME}.{key}");
            Err(invalid(
                &key,
                value,
                "an http:// or https:// URL is expected",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_configuration_is_accepted() {
        let text = include_str!("../config.reference.yml");
        let settings = Settings::load(Sources::new().text(text)).unwrap();
        assert_eq!(settings.web.listen_address, "127.0.0.1:8000");
        assert_eq!(settings.token_signing.method, "hmac");
        assert!(!format!("{settings:?}").contains(&settings.token_signing.key));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        for (text, key) in [
            ("gateway: {configstoreURL: ''}", "gateway.configstoreURL"),
            (
                "gateway: {runserviceURL: 'localhost:4000'}",
                "gateway.runserviceURL",
            ),
            (
                "gateway: {runserviceURL: 'http://a:4000,'}",
                "gateway.runserviceURL",
            ),
            (
                "gateway: {apiExposedURL: 'ftp://x'}",
                "gateway.apiExposedURL",
            ),
            ("gateway: {servicesTimeout: 0}", "gateway.servicesTimeout"),
            (
                "gateway: {web: {allowedOrigins: [x]}}",
                "gateway.web.allowedOrigins",
            ),
            ("gateway: {adminTokn: x}", "adminToken"),
        ] {
            let error = Settings::load(Sources::new().text(text)).unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
        let settings = Settings::load(Sources::new()).unwrap();
        assert_eq!(settings, Settings::default());
        let several = "gateway: {configstoreURL: 'http://a:4002, https://b'}";
        Settings::load(Sources::new().text(several)).unwrap();
    }
}
