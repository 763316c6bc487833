//! What is printed once the services run: for people, or with `--json` one line for programs.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::directory::DataDirectory;
use super::first_start::{PROJECT, USER};
use crate::output::Output;

/// Where the services are.
pub(super) fn print_services(
    output: &mut Output,
    services: &[(&'static str, String)],
) -> anyhow::Result<()> {
    if output.is_json() {
        let services = services.iter();
        let services: Map<String, Value> = services
            .map(|(name, url)| ((*name).to_owned(), json!(url)))
            .collect();
        output.json(&json!({ "services": services }))?;
        return output.flush();
    }
    for (name, url) in services {
        output.line(format!("{name:<11} {url}"))?;
    }
    output.flush()
}

/// Everything that is served in one process without a file.
pub(super) struct Embedded<'a> {
    pub(super) url: &'a str,
    pub(super) directory: &'a DataDirectory,
    /// None: the environment has the token itself.
    pub(super) admin_token: Option<PathBuf>,
}

impl Embedded<'_> {
    /// Where it is, whose it is, and how to sign in.
    pub(super) fn print(&self, output: &mut Output) -> anyhow::Result<()> {
        let data = self.directory.shown().display().to_string();
        let admin_token = self.admin_token.as_ref();
        let admin_token = admin_token.map(|path| path.display().to_string());
        let demo_token = self.directory.demo_token();
        let demo_token = demo_token
            .is_file()
            .then(|| demo_token.display().to_string());
        if output.is_json() {
            output.json(&json!({
                "url": self.url,
                "data": data,
                "admin_token_file": admin_token,
                "user": demo_token.as_ref().map(|_| USER),
                "user_token_file": demo_token,
                "project": demo_token.as_ref().map(|_| PROJECT),
            }))?;
            return output.flush();
        }
        output.line(format!("Serving at   {}", self.url))?;
        output.line(format!("Data         {data}"))?;
        if let Some(path) = &admin_token {
            output.line(format!("Admin token  {path}"))?;
        }
        if let Some(path) = &demo_token {
            output.line(format!(
                "Demo token   {path}    user {USER}, project {PROJECT}"
            ))?;
        }
        output.line("Tasks run as the user who started this, and nothing isolates them.")?;
        output.line("Ctrl-C stops it. The next start goes on where this one ended.")?;
        output.line("")?;
        match demo_token.or(admin_token) {
            None => output.line(format!("Sign in at {}", self.url))?,
            Some(path) => {
                output.line(format!(
                    "Sign in at {} with the token that this prints:",
                    self.url
                ))?;
                output.line(format!("    cat {path}"))?;
            }
        }
        output.flush()
    }
}
