//! Services that others have written, in processes of their own.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};

use super::opened;
use crate::ost_url::Provider;
use crate::{Ost, OstOptions};

/// A service has to listen within this.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// The bucket or container that is made at the start.
const BUCKET: &str = "bucket";

const MOTO_REGION: &str = "us-east-1";
const MOTO_CREDENTIAL: &str = "any";

/// The account and key that every Azurite has, as its documentation tells.
#[cfg(feature = "azure")]
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
#[cfg(feature = "azure")]
const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A service of others with one empty bucket, until it is dropped: moto for S3, or Azurite for Azure.
///
/// `scripts/test` of the repository installs both, and names them in `DM_MOTO_SERVER` and `DM_AZURITE`. Where such a
/// variable is not set there is no service, and the test that needs it says `NOT RUN` on standard error; if `CI` is
/// `true` that is an error.
pub struct ExternalService {
    process: Child,
    endpoint: String,
    provider: Provider,
}

impl ExternalService {
    /// Starts moto. It looks whether an object is there, and stores it some time later, so that of parallel creates
    /// more than one may win: it is good for one writer alone.
    ///
    /// # Errors
    /// It does not start, or does not make the bucket.
    pub fn moto() -> io::Result<Option<ExternalService>> {
        let arguments = ["-H", "127.0.0.1", "-p", "0"];
        let Some(moto) = ExternalService::start("DM_MOTO_SERVER", &arguments, Provider::S3)? else {
            return Ok(None);
        };
        moto.put("/bucket", |_| Ok(()))?;
        Ok(Some(moto))
    }

    /// Starts Azurite.
    ///
    /// # Errors
    /// It does not start, or does not make the container.
    #[cfg(feature = "azure")]
    pub fn azurite() -> io::Result<Option<ExternalService>> {
        use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};

        let arguments = [
            "--inMemoryPersistence",
            "--disableTelemetry",
            "--skipApiVersionCheck",
            "--blobHost",
            "127.0.0.1",
            "--blobPort",
            "0",
        ];
        let started = ExternalService::start("DM_AZURITE", &arguments, Provider::Azure)?;
        let Some(azurite) = started else {
            return Ok(None);
        };
        let key = AzureAccessKey::try_new(AZURITE_KEY).map_err(io::Error::other)?;
        let credential = AzureCredential::AccessKey(key);
        let container = format!("/{AZURITE_ACCOUNT}/{BUCKET}?restype=container");
        azurite.put(&container, |request| {
            let authorizer = AzureAuthorizer::new(&credential, AZURITE_ACCOUNT);
            authorizer.try_authorize(request).map_err(io::Error::other)
        })?;
        Ok(Some(azurite))
    }

    /// The URL of a base path in the bucket, with all settings but the credentials.
    pub fn url(&self, base_path: &str) -> String {
        match self.provider {
            #[cfg(feature = "azure")]
            Provider::Azure => format!(
                "az://{BUCKET}/{base_path}?endpoint={}/{AZURITE_ACCOUNT}&account={AZURITE_ACCOUNT}",
                self.endpoint
            ),
            _ => format!(
                "s3://{BUCKET}/{base_path}?endpoint={}&region={MOTO_REGION}",
                self.endpoint
            ),
        }
    }

    /// The credentials, as names and values of the environment of a process that opens [`ExternalService::url`].
    pub fn environment(&self) -> Vec<(&'static str, &'static str)> {
        match self.provider {
            #[cfg(feature = "azure")]
            Provider::Azure => vec![("AZURE_STORAGE_ACCOUNT_KEY", AZURITE_KEY)],
            _ => vec![
                ("AWS_ACCESS_KEY_ID", MOTO_CREDENTIAL),
                ("AWS_SECRET_ACCESS_KEY", MOTO_CREDENTIAL),
            ],
        }
    }

    /// Opens a base path of the bucket in this process, as its URL would with the credentials in the environment.
    ///
    /// # Panics
    /// The base path is none.
    pub fn open(&self, base_path: &str) -> Ost {
        match self.provider {
            #[cfg(feature = "azure")]
            Provider::Azure => {
                let options = OstOptions {
                    endpoint: Some(format!("{}/{AZURITE_ACCOUNT}", self.endpoint)),
                    account: Some(AZURITE_ACCOUNT.to_owned()),
                    ..OstOptions::default()
                };
                let store = crate::bucket::azure_builder(BUCKET, &options)
                    .with_access_key(AZURITE_KEY)
                    .build();
                opened(store, self.provider, BUCKET, base_path)
            }
            _ => {
                let options = OstOptions {
                    endpoint: Some(self.endpoint.clone()),
                    region: Some(MOTO_REGION.to_owned()),
                    ..OstOptions::default()
                };
                let store = crate::bucket::s3_builder(BUCKET, &options)
                    .with_access_key_id(MOTO_CREDENTIAL)
                    .with_secret_access_key(MOTO_CREDENTIAL)
                    .build();
                opened(store, self.provider, BUCKET, base_path)
            }
        }
    }

    /// Starts the program that a variable of the environment names, if it is set.
    fn start(
        variable: &str,
        arguments: &[&str],
        provider: Provider,
    ) -> io::Result<Option<ExternalService>> {
        let Some(program) = std::env::var_os(variable) else {
            if std::env::var("CI").is_ok_and(|ci| ci == "true") {
                let message = format!("{variable} is not set, and CI is true");
                return Err(io::Error::other(message));
            }
            // Said past the test harness, which keeps to itself what a passing test prints.
            let said = format!("NOT RUN: {variable} names no program; scripts/test installs it\n");
            io::stderr().write_all(said.as_bytes())?;
            return Ok(None);
        };
        let process = Command::new(&program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut service = ExternalService {
            process,
            endpoint: String::new(),
            provider,
        };
        let (found, endpoint) = mpsc::channel();
        if let Some(stdout) = service.process.stdout.take() {
            report_endpoint(stdout, found.clone());
        }
        if let Some(stderr) = service.process.stderr.take() {
            report_endpoint(stderr, found);
        }
        service.endpoint = endpoint.recv_timeout(STARTS_WITHIN).map_err(|error| {
            let message = format!("{program:?} does not say where it listens: {error}");
            io::Error::other(message)
        })?;
        Ok(Some(service))
    }

    /// Sends a PUT without a body, and expects that it makes something.
    fn put(
        &self,
        path_and_query: &str,
        sign: impl Fn(&mut HttpRequest) -> io::Result<()> + Send + Sync,
    ) -> io::Result<()> {
        let uri = format!("{}{path_and_query}", self.endpoint);
        let send = async {
            let mut request = HttpRequest::new(HttpRequestBody::empty());
            *request.method_mut() = "PUT".parse().map_err(io::Error::other)?;
            *request.uri_mut() = uri.parse().map_err(io::Error::other)?;
            let length = "0".parse().map_err(io::Error::other)?;
            request.headers_mut().insert("content-length", length);
            sign(&mut request)?;
            let options = ClientOptions::new().with_allow_http(true);
            let client = ReqwestConnector::default().connect(&options)?;
            let response = client.execute(request).await.map_err(io::Error::other)?;
            match response.status().is_success() {
                true => Ok(()),
                false => Err(io::Error::other(format!("{uri}: {response:?}"))),
            }
        };
        // On a thread of its own, since the caller may be in a runtime.
        std::thread::scope(|scope| {
            let sent = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(send)
            });
            sent.join()
                .unwrap_or_else(|_| Err(io::Error::other("the request panicked")))
        })
    }
}

impl Drop for ExternalService {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl fmt::Debug for ExternalService {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ExternalService({})", self.endpoint)
    }
}

/// Reads all that a service says, so that it never waits for us, and reports the first address in it.
fn report_endpoint(said: impl Read + Send + 'static, found: mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            if let Some(start) = line.find("http://127.0.0.1:") {
                let address = line[start..].trim_end_matches('/').trim();
                // The test may have its address already.
                let _ = found.send(address.to_owned());
            }
        }
    });
}
