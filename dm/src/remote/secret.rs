//! Secrets: `dm secret …`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use gateway_client::api::{SecretRequest, SecretType};

use super::input::{Source, read_text, read_texts};
use super::session::Session;
use super::values::{ListArgs, OneValue};
use crate::exit::Reason;

/// Bytes of one value. The gateway takes fewer.
const VALUE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What is done with secrets.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretAction {
    /// Make a secret of the values in files
    Create(CreateArgs),
    /// Print the names of secrets; nobody is told their values
    List(ListArgs),
    /// Replace all values of a secret by those in files
    Update(UpdateArgs),
    /// Delete a secret
    Delete(OneValue),
}

/// What is made.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    secret: OneValue,

    #[command(flatten)]
    data: DataArgs,
}

/// What is replaced.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    secret: OneValue,

    /// Another name
    #[arg(long, value_name = "NAME")]
    new_name: Option<String>,

    #[command(flatten)]
    data: DataArgs,
}

/// Where the values are.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct DataArgs {
    /// A file with a YAML mapping from keys to values; - is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// A key and the file that has its value, byte for byte; - is standard input. Can be repeated
    #[arg(long, value_name = "KEY=FILE", value_parser = parse_key_file)]
    from_file: Vec<(String, PathBuf)>,
}

fn parse_key_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((key, file)) if !key.is_empty() && !file.is_empty() => {
            Ok((key.to_owned(), file.into()))
        }
        // The text is not repeated: it may be a secret that stands in the wrong place.
        _ => Err("KEY=FILE is expected; values are read from files alone".to_owned()),
    }
}

impl DataArgs {
    fn read(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let files = self.from_file.iter().map(|(_, file)| file.as_path());
        let from_input = files.chain(self.file.as_deref());
        if from_input.filter(|file| *file == Path::new("-")).count() > 1 {
            return Err(Reason::usage("standard input can be read only once").into());
        }
        let mut data = match &self.file {
            Some(file) => read_texts(&Source::of(file))?,
            None => BTreeMap::new(),
        };
        for (key, file) in &self.from_file {
            let value = read_text(&Source::of(file), VALUE_BYTES_MAX)?;
            if data.insert(key.clone(), value).is_some() {
                let message = format!("the key {key:?} is given twice");
                return Err(Reason::usage(message).into());
            }
        }
        Ok(data)
    }
}

pub(super) async fn run(session: &mut Session, action: SecretAction) -> anyhow::Result<()> {
    match action {
        SecretAction::Create(CreateArgs { secret, data }) => {
            let request = request(secret.name.clone(), data.read()?);
            let created = session
                .client
                .create_secret(secret.parent.values(), &request);
            let created = created.await?;
            session.print_done(&created, format!("secret {} is made", created.name))
        }
        SecretAction::List(args) => {
            let secrets = session.client.secrets(args.parent.values(), args.options());
            let secrets = secrets.await?;
            session.print_list(["NAME", "OF"], &secrets, |secret| {
                [secret.name.clone(), secret.parent_path.clone()]
            })
        }
        SecretAction::Update(args) => {
            let OneValue { parent, name } = &args.secret;
            let new_name = args.new_name.clone().unwrap_or_else(|| name.clone());
            let request = request(new_name, args.data.read()?);
            let updated = session
                .client
                .update_secret(parent.values(), name, &request);
            let updated = updated.await?;
            session.print_done(&updated, format!("secret {} is replaced", updated.name))
        }
        SecretAction::Delete(OneValue { parent, name }) => {
            session.client.delete_secret(parent.values(), &name).await?;
            session.print_deleted("secret", &name)
        }
    }
}

fn request(name: String, data: BTreeMap<String, String>) -> SecretRequest {
    SecretRequest {
        name,
        kind: Some(SecretType::Internal),
        data,
    }
}
