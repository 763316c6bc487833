//! `dm run start`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use gateway_client::api::{
    CreateRunResponse, CreatedRun, ProjectCreateRunRequest, UserCreateRunRequest,
};

use super::super::definition::DefinitionArgs;
use super::super::input::{Source, read_texts};
use super::super::session::Session;
use super::follow::follow_to_success;
use super::owner::OwnerArgs;
use crate::exit::Reason;
use crate::output::note;

const BRANCH: &str = "main";

/// What is started, and what for.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    #[command(flatten)]
    owner: OwnerArgs,

    #[command(flatten)]
    definition: DefinitionArgs,

    /// Start the runs for this branch; main if no other is named, and neither a tag nor a reference
    #[arg(long, value_name = "NAME", group = "target")]
    branch: Option<String>,

    /// Start them for this tag
    #[arg(long, value_name = "NAME", group = "target")]
    tag: Option<String>,

    /// Start them for this reference, as refs/pull/12/head
    #[arg(long = "ref", value_name = "REF", group = "target")]
    reference: Option<String>,

    /// The commit that they are for
    #[arg(long, value_name = "SHA")]
    commit_sha: Option<String>,

    /// What the commit says
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,

    /// A variable, before those of the project; others can see it in the list of processes, so secrets go into a file
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    var: Vec<(String, String)>,

    /// A file with a YAML mapping from names of variables to their values; of equal names that in the last file counts, and
    /// --var before all
    #[arg(long, value_name = "FILE")]
    var_file: Vec<PathBuf>,

    /// Print the logs of the runs as they come, until they have ended; exit code 1 if one does not succeed
    #[arg(long, short)]
    follow: bool,
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.to_owned()))
        }
        _ => Err("NAME=VALUE is expected".to_owned()),
    }
}

impl StartArgs {
    fn variables(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut variables = BTreeMap::new();
        for file in &self.var_file {
            variables.extend(read_texts(&Source::of(file))?);
        }
        variables.extend(self.var.iter().cloned());
        Ok(variables)
    }

    fn branch(&self) -> String {
        match (&self.branch, &self.tag, &self.reference) {
            (None, None, None) => BRANCH.to_owned(),
            (branch, _, _) => branch.clone().unwrap_or_default(),
        }
    }

    async fn create(&self, session: &Session) -> anyhow::Result<CreateRunResponse> {
        let config = self.definition.read()?;
        let variables = self.variables()?;
        let [tag, reference, commit_sha, message] =
            [&self.tag, &self.reference, &self.commit_sha, &self.message]
                .map(|text| text.clone().unwrap_or_default());
        let branch = self.branch();
        if let Some(project) = self.owner.project() {
            let request = ProjectCreateRunRequest {
                branch,
                tag,
                reference,
                commit_sha,
                config,
                message,
                variables,
                ..Default::default()
            };
            return Ok(session.client.project_create_run(project, &request).await?);
        }
        if config.is_none() {
            let message = "a run of no project needs a definition: --file; or did you mean a project's: --project";
            return Err(Reason::usage(message).into());
        }
        let request = UserCreateRunRequest {
            branch,
            tag,
            reference,
            commit_sha,
            config,
            message,
            variables,
            ..Default::default()
        };
        Ok(session.client.user_create_run(&request).await?)
    }
}

pub(super) async fn start(session: &mut Session, args: StartArgs) -> anyhow::Result<()> {
    if args.owner.user().is_some() {
        let message = "a run is started for a project or for yourself: leave --user away";
        return Err(Reason::usage(message).into());
    }
    let owner = args.owner.find(&session.client).await?;
    let created = args.create(session).await?;
    if created.runs.is_empty() {
        note("no run was started: the conditions of the definition are not met");
        return Ok(());
    }
    if !args.follow {
        return print_created(session, &created.runs);
    }
    for run in &created.runs {
        note(format!("run {} ({}) is started", run.number, run.name));
    }
    let mut failure = None;
    for run in &created.runs {
        let followed = follow_to_success(session, &owner, run.number).await;
        if let Err(error) = followed {
            if !error.is::<Reason>() {
                return Err(error);
            }
            if let Some(earlier) = failure.replace(error) {
                note(earlier);
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

/// Prints the numbers of new runs, and fails if one of them cannot be executed.
pub(super) fn print_created(session: &mut Session, runs: &[CreatedRun]) -> anyhow::Result<()> {
    session.print_list(["RUN", "NAME"], runs, |run| {
        [run.number.to_string(), run.name.clone()]
    })?;
    let faults: Vec<&str> = runs
        .iter()
        .flat_map(|run| &run.setup_errors)
        .map(String::as_str)
        .collect();
    setup_errors(&faults)
}

/// Fails if there is something wrong with a definition.
pub(super) fn setup_errors(faults: &[&str]) -> anyhow::Result<()> {
    let Some((last, others)) = faults.split_last() else {
        return Ok(());
    };
    for fault in others {
        note(fault);
    }
    let message = format!("the definition has faults, and nothing is executed: {last}");
    match others.is_empty() {
        true => Err(Reason::failed(message).into()),
        false => {
            note(last);
            let count = faults.len();
            let message = format!("the definition has {count} faults, and nothing is executed");
            Err(Reason::failed(message).into())
        }
    }
}
