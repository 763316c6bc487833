//! Variables: `dm variable …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gateway_client::api::{VariableRequest, VariableResponse, VariableValueRequest};

use super::session::Session;
use super::values::{ListArgs, OneValue};
use super::variable_file;

/// What is done with variables.
#[derive(Debug, Subcommand)]
pub(crate) enum VariableAction {
    /// Make a variable, whose value is that of a key of a secret
    Create(CreateArgs),
    /// Print variables and the secrets that they are from
    List(ListArgs),
    /// Replace all values of a variable
    Update(UpdateArgs),
    /// Delete a variable
    Delete(OneValue),
}

/// What is made.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    variable: OneValue,

    #[command(flatten)]
    values: ValueArgs,
}

/// What is replaced.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    variable: OneValue,

    /// Another name
    #[arg(long, value_name = "NAME")]
    new_name: Option<String>,

    #[command(flatten)]
    values: ValueArgs,
}

/// What its values are.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ValueArgs {
    /// The secret and its key that the value is from
    #[arg(long, value_name = "SECRET:KEY", value_parser = parse_from)]
    from: Option<(String, String)>,

    /// A file with a YAML list of {secret_name, secret_var, when}, of which the first counts whose conditions are met; - is
    /// standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

fn parse_from(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((secret, key)) if !secret.is_empty() && !key.is_empty() => {
            Ok((secret.to_owned(), key.to_owned()))
        }
        _ => Err("SECRET:KEY is expected".to_owned()),
    }
}

impl ValueArgs {
    fn read(&self) -> anyhow::Result<Vec<VariableValueRequest>> {
        if let Some(file) = &self.file {
            return variable_file::read(file);
        }
        let from = self.from.iter().map(|(secret, key)| VariableValueRequest {
            secret_name: secret.clone(),
            secret_var: key.clone(),
            when: None,
        });
        Ok(from.collect())
    }
}

pub(super) async fn run(session: &mut Session, action: VariableAction) -> anyhow::Result<()> {
    match action {
        VariableAction::Create(CreateArgs { variable, values }) => {
            let request = VariableRequest {
                name: variable.name,
                values: values.read()?,
            };
            let parent = variable.parent.values();
            let created = session.client.create_variable(parent, &request).await?;
            session.print_done(&created, format!("variable {} is made", created.name))
        }
        VariableAction::List(args) => {
            let listed = session
                .client
                .variables(args.parent.values(), args.options());
            let variables = listed.await?;
            session.print_list(["NAME", "FROM", "OF"], &variables, |variable| {
                let of = variable.parent_path.clone();
                [variable.name.clone(), from(variable), of]
            })
        }
        VariableAction::Update(args) => {
            let OneValue { parent, name } = &args.variable;
            let request = VariableRequest {
                name: args.new_name.clone().unwrap_or_else(|| name.clone()),
                values: args.values.read()?,
            };
            let updated = session
                .client
                .update_variable(parent.values(), name, &request);
            let updated = updated.await?;
            session.print_done(&updated, format!("variable {} is replaced", updated.name))
        }
        VariableAction::Delete(OneValue { parent, name }) => {
            session
                .client
                .delete_variable(parent.values(), &name)
                .await?;
            session.print_deleted("variable", &name)
        }
    }
}

/// The secrets and keys that a variable is from. One that is not there gives nothing.
fn from(variable: &VariableResponse) -> String {
    let values = variable.values.iter().map(|value| {
        let condition = match &value.when {
            Some(_) => " (sometimes)",
            None => "",
        };
        let missing = match value.matching_secret_parent_path.is_empty() {
            true => " (no such secret)",
            false => "",
        };
        format!(
            "{}:{}{condition}{missing}",
            value.secret_name, value.secret_var
        )
    });
    values.collect::<Vec<_>>().join(", ")
}
