//! The certificate of a server, which is read again when its files change.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::{self, Web};
use crate::{Context, Error};

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A key and its certificate, from two files.
///
/// While the files are being replaced one of them may be new and the other old, or one may be half written. Such a pair is
/// not used: the one that was read last stays in use until there is a whole one.
#[derive(Debug)]
pub(super) struct Certificate {
    section: String,
    key_file: PathBuf,
    certificate_file: PathBuf,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    seen: Option<[FileState; 2]>,
}

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// What changes when a file is written or replaced.
type FileState = (u64, i64, i64, u64);

fn state(metadata: &Metadata) -> FileState {
    let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
    (metadata.ino(), seconds, nanoseconds, metadata.len())
}

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    /// Names the key of the configuration whose file is missing or cannot be used.
    pub(super) fn load(section: &str, web: &Web) -> Result<Certificate, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let seen = states(&web.tls_key_file, &web.tls_cert_file);
        let pair = read_pair(section, &web.tls_key_file, &web.tls_cert_file, &provider)?;
        Ok(Certificate {
            section: section.to_owned(),
            key_file: web.tls_key_file.clone(),
            certificate_file: web.tls_cert_file.clone(),
            provider,
            current: Arc::new(Current(ArcSwap::from_pointee(pair))),
            seen,
        })
    }

    /// TLS 1.2 and 1.3, without certificates of clients.
    pub(super) fn server_config(&self) -> Result<ServerConfig, Error> {
        let builder = ServerConfig::builder_with_provider(self.provider.clone());
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(Error::internal)?;
        Ok(builder
            .with_no_client_auth()
            .with_cert_resolver(self.current.clone()))
    }

    /// Reads the files again whenever they have changed, until the server stops.
    pub(super) async fn keep_current(mut self, context: Context) {
        loop {
            tokio::select! {
                () = context.stopped() => return,
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
            let (key, certificate) = (self.key_file.clone(), self.certificate_file.clone());
            let looked = tokio::task::spawn_blocking(move || states(&key, &certificate)).await;
            // Neither file may be there for a moment while they are replaced.
            let Ok(Some(seen)) = looked else { continue };
            if self.seen == Some(seen) {
                continue;
            }
            self.seen = Some(seen);
            self.read_again(context.instance()).await;
        }
    }

    async fn read_again(&self, instance: &str) {
        let (key, certificate) = (self.key_file.clone(), self.certificate_file.clone());
        let (section, provider) = (self.section.clone(), self.provider.clone());
        let read = move || read_pair(&section, &key, &certificate, &provider);
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(pair)) => {
                self.current.0.store(Arc::new(pair));
                log::info!(instance = instance; "the certificate has been read again");
            }
            Ok(Err(error)) => log::warn!(
                instance = instance;
                "the certificate's files have changed and cannot be used; the old certificate stays: {}", error.chain()
            ),
            Err(cause) => {
                log::error!(instance = instance; "reading the certificate failed: {cause}")
            }
        }
    }
}

fn states(key: &Path, certificate: &Path) -> Option<[FileState; 2]> {
    let key = std::fs::metadata(key).ok()?;
    let certificate = std::fs::metadata(certificate).ok()?;
    Some([state(&key), state(&certificate)])
}

fn read_pair(
    section: &str,
    key_file: &Path,
    certificate_file: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Error> {
    let key_name = format!("{section}.web.tlsKeyFile");
    let pem = read(&key_name, key_file)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|cause| {
        refused(
            &key_name,
            key_file,
            &format!("a private key in PEM is expected: {cause}"),
        )
    })?;
    let certificate_name = format!("{section}.web.tlsCertFile");
    let pem = read(&certificate_name, certificate_file)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|cause| {
        let accepted = format!("certificates in PEM are expected: {cause}");
        refused(&certificate_name, certificate_file, &accepted)
    })?;
    if chain.is_empty() {
        let accepted = "certificates in PEM are expected, and there is none";
        return Err(refused(&certificate_name, certificate_file, accepted));
    }
    let mismatch = |cause: rustls::Error| {
        let accepted = format!("the certificate that belongs to {key_name} is expected: {cause}");
        refused(&certificate_name, certificate_file, &accepted)
    };
    CertifiedKey::from_der(chain, key, provider).map_err(mismatch)
}

fn read(name: &str, path: &Path) -> Result<Vec<u8>, Error> {
    if path.as_os_str().is_empty() {
        return Err(config::missing(
            name,
            "a file in PEM is expected, since tls is true",
        ));
    }
    std::fs::read(path)
        .map_err(|cause| refused(name, path, &format!("the file cannot be read: {cause}")))
}

fn refused(name: &str, path: &Path, accepted: &str) -> Error {
    config::invalid(name, &path.display().to_string(), accepted)
}
