//! Which gateway is asked, with which token, and where the answer is printed.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use gateway_client::Client;
use serde::Serialize;
use serde_json::json;

use super::failure::explain;
use super::input::{self, Source};
use super::table::Table;
use crate::exit::Reason;
use crate::output::{Output, note, printable};

const TOKEN_VARIABLE: &str = "DM_TOKEN";
/// Bytes of a file with a token, and of one with certificates.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;
const CERTIFICATES_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Which gateway, and who asks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Gateway")]
pub(crate) struct GatewayArgs {
    /// Where the gateway is
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "DM_GATEWAY",
        default_value = "http://127.0.0.1:8000"
    )]
    gateway: String,

    /// The file with the token to show; without it the token is that in the environment variable DM_TOKEN
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Certificates (PEM) that are trusted beside those of the system
    #[arg(long, global = true, value_name = "FILE", env = "DM_GATEWAY_CA")]
    gateway_ca: Option<PathBuf>,
}

/// Where the token is from.
#[derive(Clone, Debug)]
pub(super) enum TokenSource {
    None,
    Environment,
    File(PathBuf),
}

/// A gateway that is asked, and where the answer is printed.
pub(super) struct Session {
    pub(super) client: Client,
    pub(super) output: Output,
    gateway: String,
    token: TokenSource,
}

impl Session {
    /// Nothing is sent yet.
    pub(super) fn begin(args: &GatewayArgs, output: Output) -> anyhow::Result<Session> {
        let mut builder = Client::builder(&args.gateway);
        let (source, token) = args.token()?;
        if let Some(token) = token {
            builder = builder.token(token);
        }
        if let Some(file) = &args.gateway_ca {
            let source = Source::File(file.clone());
            let certificates = input::read(&source, CERTIFICATES_BYTES_MAX);
            builder = builder.certificate_authority(certificates.context("--gateway-ca")?);
        }
        let client = builder.build();
        let client = client.map_err(|error| Reason::usage(input::chain(&error)))?;
        Ok(Session {
            client,
            output,
            gateway: args.gateway.clone(),
            token: source,
        })
    }

    /// Hands on what is printed, and says what a failure means.
    pub(super) fn end(self, result: anyhow::Result<()>) -> anyhow::Result<()> {
        let Session {
            output,
            gateway,
            token,
            ..
        } = self;
        // What was printed before a failure is printed as well.
        let finished = output.finish();
        result.map_err(|error| explain(error, &gateway, &token))?;
        finished
    }

    /// Prints a list: a table for people, or a line of JSON for each.
    pub(super) fn print_list<T: Serialize, const N: usize>(
        &mut self,
        header: [&'static str; N],
        items: &[T],
        row: impl Fn(&T) -> [String; N],
    ) -> anyhow::Result<()> {
        if self.output.is_json() {
            return items.iter().try_for_each(|item| self.output.json(item));
        }
        if items.is_empty() {
            note("there is nothing to show");
            return Ok(());
        }
        let mut table = Table::new(header);
        for item in items {
            table.row(row(item));
        }
        self.output.bytes(table.to_string())
    }

    /// Prints one thing: a line for each of its properties that has a value, or all of it as a line of JSON.
    pub(super) fn print_one<const N: usize>(
        &mut self,
        item: &impl Serialize,
        properties: [(&'static str, String); N],
    ) -> anyhow::Result<()> {
        if self.output.is_json() {
            return self.output.json(item);
        }
        let width = properties.iter().map(|(name, _)| name.len()).max();
        for (name, value) in properties.iter().filter(|(_, value)| !value.is_empty()) {
            let width = width.unwrap_or_default();
            let value = printable(value);
            self.output.line(format!("{name:width$}  {value}"))?;
        }
        Ok(())
    }

    /// Says that something is gone.
    pub(super) fn print_deleted(&mut self, kind: &str, name: &str) -> anyhow::Result<()> {
        let deleted = json!({ "deleted": kind, "name": name });
        self.print_done(&deleted, format!("{kind} {name} is deleted"))
    }

    /// Says to people what was done, and prints for programs what came of it.
    pub(super) fn print_done(
        &mut self,
        item: &impl Serialize,
        message: impl std::fmt::Display,
    ) -> anyhow::Result<()> {
        match self.output.is_json() {
            true => self.output.json(item),
            false => {
                note(message);
                Ok(())
            }
        }
    }
}

impl GatewayArgs {
    fn token(&self) -> anyhow::Result<(TokenSource, Option<String>)> {
        if let Some(file) = &self.token_file {
            let source = Source::File(file.clone());
            let token = input::read_text(&source, TOKEN_BYTES_MAX).context("--token-file")?;
            let token = token.trim();
            if token.is_empty() {
                let message = format!("--token-file: {} is empty", file.display());
                return Err(Reason::failed(message).into());
            }
            return Ok((TokenSource::File(file.clone()), Some(token.to_owned())));
        }
        let Some(token) = std::env::var_os(TOKEN_VARIABLE) else {
            return Ok((TokenSource::None, None));
        };
        let token = token.into_string();
        let token = token.map_err(|_| Reason::usage(format!("{TOKEN_VARIABLE} is no text")))?;
        match token.trim() {
            "" => Ok((TokenSource::None, None)),
            token => Ok((TokenSource::Environment, Some(token.to_owned()))),
        }
    }
}
