//! The store of a configstore.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use configstore::Settings;
use serde_json::json;
use service::config::Sources;

use crate::output::Output;

/// What is done, and with which configuration.
#[derive(Debug, Args)]
pub(crate) struct ConfigstoreArgs {
    /// The configuration file (YAML); without one everything is in ./data/configstore
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// A key of the configuration and its value, before the environment and the file
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,

    #[command(subcommand)]
    action: ConfigstoreAction,
}

#[derive(Debug, Subcommand)]
enum ConfigstoreAction {
    /// Encrypt all secrets with the first of configstore.secretKeys, beside whoever writes
    ///
    /// If it is stopped, what is done stays done. Afterwards the other keys can be taken out of the configuration. A store
    /// with its log in files is open in one process alone: stop the service meanwhile.
    RotateKey,
}

pub(crate) async fn run(mut output: Output, args: ConfigstoreArgs) -> anyhow::Result<()> {
    let settings = settings(&args)?;
    match args.action {
        ConfigstoreAction::RotateKey => {
            let report = configstore::rotate_keys(&settings).await?;
            match output.is_json() {
                true => output.json(&json!({
                    "documents": report.documents,
                    "keys_retired": report.keys_retired,
                }))?,
                false => output.line(format!(
                    "{} documents encrypted anew, {} keys no longer needed",
                    report.documents, report.keys_retired
                ))?,
            }
            output.finish()
        }
    }
}

fn settings(args: &ConfigstoreArgs) -> anyhow::Result<Settings> {
    let mut sources = Sources::new().process_environment();
    if let Some(file) = &args.config {
        sources = sources.file(file);
    }
    for flag in &args.set {
        let pair = flag.split_once('=');
        let (key, value) = pair.with_context(|| format!("--set {flag:?} has no ="))?;
        sources = sources.set(key, value);
    }
    Ok(Settings::load(sources)?)
}
