//! Which etcd the command line names.

#[cfg(feature = "etcd")]
use std::path::PathBuf;

#[cfg(feature = "etcd")]
use anyhow::Context;
use clap::Args;
use datamanager::Builder;
#[cfg(feature = "etcd")]
use datamanager::EtcdOptions;

use crate::exit::Reason;

/// The prefix if nothing else is said.
#[cfg(feature = "etcd")]
const DEFAULT_PREFIX: &str = "/dm";

/// The etcd of a log that is kept there.
#[derive(Debug, Args)]
pub(crate) struct EtcdArgs {
    /// The etcd that has the log: URLs with commas between them. dm has to be built with `--features etcd`
    #[arg(long, global = true, value_name = "ENDPOINTS", env = "DM_ETCD")]
    etcd: Option<String>,

    /// The prefix of the store's keys in etcd; /dm if not given
    #[arg(long, global = true, value_name = "P", env = "DM_ETCD_PREFIX")]
    etcd_prefix: Option<String>,

    /// The user to log in to etcd as; the password is read from DM_ETCD_PASSWORD
    #[cfg(feature = "etcd")]
    #[arg(long, global = true, value_name = "NAME", env = "DM_ETCD_USER")]
    etcd_user: Option<String>,

    /// A file with the certificates (PEM) that etcd's has to be signed by; those of the system if not given
    #[cfg(feature = "etcd")]
    #[arg(long, global = true, value_name = "FILE", env = "DM_ETCD_CA")]
    etcd_ca: Option<PathBuf>,

    /// A file with the certificate (PEM) to show to etcd
    #[cfg(feature = "etcd")]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "DM_ETCD_CERT",
        requires = "etcd_key"
    )]
    etcd_cert: Option<PathBuf>,

    /// A file with the key (PEM) of that certificate
    #[cfg(feature = "etcd")]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "DM_ETCD_KEY",
        requires = "etcd_cert"
    )]
    etcd_key: Option<PathBuf>,
}

#[cfg(feature = "etcd")]
impl EtcdArgs {
    /// Adds the etcd, if one is named.
    pub(crate) fn add_to(&self, builder: Builder) -> anyhow::Result<Builder> {
        let Some(endpoints) = &self.etcd else {
            if self.etcd_prefix.is_some() {
                return Err(Reason::usage("--etcd-prefix is given without --etcd").into());
            }
            return Ok(builder);
        };
        let prefix = self.etcd_prefix.as_deref().unwrap_or(DEFAULT_PREFIX);
        let mut options = EtcdOptions::new(endpoints, prefix)
            .map_err(Reason::argument)
            .context("--etcd")?;
        if let Some(user) = &self.etcd_user {
            let password = std::env::var("DM_ETCD_PASSWORD").unwrap_or_default();
            options = options.user(user, password);
        }
        if let Some(file) = &self.etcd_ca {
            options = options.certificate_authority(read(file)?);
        }
        if let (Some(certificate), Some(key)) = (&self.etcd_cert, &self.etcd_key) {
            options = options.client_certificate(read(certificate)?, read(key)?);
        }
        Ok(builder.etcd(options))
    }
}

#[cfg(feature = "etcd")]
fn read(file: &PathBuf) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(not(feature = "etcd"))]
impl EtcdArgs {
    /// Says how to build a program that knows etcd, if one is named.
    pub(crate) fn add_to(&self, builder: Builder) -> anyhow::Result<Builder> {
        if self.etcd.is_none() && self.etcd_prefix.is_none() {
            return Ok(builder);
        }
        match "etcd".parse::<datamanager::LogKind>() {
            Ok(_) => Ok(builder),
            Err(error) => Err(Reason::usage(format!("--etcd: {error}")).into()),
        }
    }
}
