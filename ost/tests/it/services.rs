//! Services that others have written, in processes of their own, where `scripts/test` has installed them.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child as Process, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use object_store::ClientOptions;
#[cfg(feature = "azure")]
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{
    HttpConnector, HttpRequest, HttpRequestBody, HttpResponse, ReqwestConnector,
};

use crate::urls::Child;

/// A service has to listen within this.
const STARTS_WITHIN: Duration = Duration::from_secs(60);

/// A service under way; it ends with the test.
struct Service {
    process: Process,
    endpoint: String,
}

impl Service {
    /// Starts the program that a variable of the environment names. Without it there is none, and the test says so;
    /// that is an error on the build server.
    async fn start(variable: &str, arguments: &[&str]) -> Option<Service> {
        let Some(program) = std::env::var_os(variable) else {
            let is_needed = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!is_needed, "{variable} is not set, and CI is true");
            // Said past the test harness, which keeps to itself what a passing test prints.
            let said = format!("NOT RUN: {variable} names no program; scripts/test installs it\n");
            std::io::stderr().write_all(said.as_bytes()).unwrap();
            return None;
        };
        let mut process = Command::new(&program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program:?}: {error}"));
        let (found, endpoint) = mpsc::channel();
        report_endpoint(process.stdout.take().unwrap(), found.clone());
        report_endpoint(process.stderr.take().unwrap(), found);
        let endpoint = tokio::task::spawn_blocking(move || endpoint.recv_timeout(STARTS_WITHIN));
        match endpoint.await.unwrap() {
            Ok(endpoint) => Some(Service { process, endpoint }),
            Err(error) => {
                process.kill().unwrap();
                panic!("{program:?} does not say where it listens: {error}");
            }
        }
    }

    /// Sends one request without a body, and expects that it makes something.
    async fn make(&self, method: &str, path_and_query: &str, sign: impl Fn(&mut HttpRequest)) {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = format!("{}{path_and_query}", self.endpoint)
            .parse()
            .unwrap();
        request
            .headers_mut()
            .insert("content-length", "0".parse().unwrap());
        sign(&mut request);
        let options = ClientOptions::new().with_allow_http(true);
        let client = ReqwestConnector::default().connect(&options).unwrap();
        let response: HttpResponse = client.execute(request).await.unwrap();
        assert!(response.status().is_success(), "{response:?}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
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

/// One writer only: moto looks whether an object is there, and stores it some time later.
#[tokio::test(flavor = "multi_thread")]
async fn moto_passes_with_one_writer() {
    let arguments = ["-H", "127.0.0.1", "-p", "0"];
    let Some(moto) = Service::start("DM_MOTO_SERVER", &arguments).await else {
        return;
    };
    moto.make("PUT", "/bucket", |_| ()).await;
    let url = format!(
        "s3://bucket/some/base?endpoint={}&region=us-east-1",
        moto.endpoint
    );
    // It is slow; pages are the S3 server's in this process to show.
    let child = Child::suite(&url).one_writer().many(100);
    let child = child.environment("AWS_ACCESS_KEY_ID", "any");
    let child = child.environment("AWS_SECRET_ACCESS_KEY", "any");
    child.passes().await;
}

/// The account and key that every Azurite has, as its documentation tells.
#[cfg(feature = "azure")]
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
#[cfg(feature = "azure")]
const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

#[cfg(feature = "azure")]
#[tokio::test(flavor = "multi_thread")]
async fn azurite_passes() {
    let arguments = [
        "--inMemoryPersistence",
        "--disableTelemetry",
        "--skipApiVersionCheck",
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        "0",
    ];
    let Some(azurite) = Service::start("DM_AZURITE", &arguments).await else {
        return;
    };
    let credential = AzureCredential::AccessKey(AzureAccessKey::try_new(AZURITE_KEY).unwrap());
    let container = format!("/{AZURITE_ACCOUNT}/container?restype=container");
    let sign = |request: &mut HttpRequest| {
        let authorizer = AzureAuthorizer::new(&credential, AZURITE_ACCOUNT);
        authorizer.try_authorize(request).unwrap();
    };
    azurite.make("PUT", &container, sign).await;
    let url = format!(
        "az://container/some/base?endpoint={}/{AZURITE_ACCOUNT}&account={AZURITE_ACCOUNT}",
        azurite.endpoint
    );
    // It is slow, and 5,000 make a page.
    let child = Child::suite(&url).many(300);
    let child = child.environment("AZURE_STORAGE_ACCOUNT_KEY", AZURITE_KEY);
    child.passes().await;
}
