//! The first start without a file: a user, a token and a project, so that there is something to look at.
//!
//! Each step looks first whether it is done, so that a start which was cut off anywhere is finished by the next one.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use gateway_client::api::{
    CreateProjectRequest, CreateUserRequest, CreateUserTokenRequest, DefinitionFormat,
    RunDefinition, Visibility,
};
use gateway_client::{Client, Error, ErrorKind};

use super::directory::DataDirectory;

/// The user that is made.
pub(super) const USER: &str = "demo";
/// The project that is made.
pub(super) const PROJECT: &str = "user/demo/hello";
const TOKEN_NAME: &str = "dm-serve";
const SAMPLE: &str = include_str!("sample.yml");
/// How long the services may take to answer.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How often it is looked whether they do.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The gateway that has just been started.
pub(super) struct Gateway {
    url: String,
    admin_token: AdminToken,
}

/// Where the token of the administrator is.
enum AdminToken {
    Given(String),
    File(PathBuf),
}

impl Gateway {
    pub(super) fn of(settings: &gateway::Settings, url: &str) -> Gateway {
        let admin_token = match settings.admin_token.as_str() {
            "" => AdminToken::File(settings.admin_token_file.clone()),
            token => AdminToken::Given(token.to_owned()),
        };
        Gateway {
            url: url.to_owned(),
            admin_token,
        }
    }

    /// Waits until the services behind it answer.
    ///
    /// # Errors
    /// No token, or one that is none; the services do not answer in time.
    pub(super) async fn wait(&self) -> anyhow::Result<()> {
        let waited = tokio::time::timeout(READY_TIMEOUT, self.wait_until_ready()).await;
        waited.context("the services are not ready")?
    }

    async fn wait_until_ready(&self) -> anyhow::Result<()> {
        loop {
            // The gateway makes the file when it starts.
            if let Some(admin) = self.admin()? {
                match admin.stores().await {
                    Ok(stores) if stores.iter().all(|store| store.error.is_none()) => return Ok(()),
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::Unavailable => {}
                    Err(error) => return Err(error).context("the gateway does not answer"),
                }
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// A client of the administrator, once there is a token.
    fn admin(&self) -> anyhow::Result<Option<Client>> {
        match &self.admin_token {
            AdminToken::Given(token) => Ok(Some(self.client(token)?)),
            AdminToken::File(path) => match std::fs::read_to_string(path) {
                Ok(token) => Ok(Some(self.client(token.trim())?)),
                Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(cause) => Err(cause).with_context(|| format!("cannot read {}", path.display())),
            },
        }
    }

    fn client(&self, token: &str) -> Result<Client, Error> {
        Client::builder(&self.url).token(token).build()
    }

    /// Makes what is not there yet, unless it was all made once.
    pub(super) async fn make_first_things(&self, directory: &DataDirectory) -> anyhow::Result<()> {
        if directory.first_start_is_done() {
            return Ok(());
        }
        let admin = self.admin()?.context("the administrator has no token")?;
        make_user(&admin).await?;
        let token = match self.kept_token(directory).await? {
            Some(token) => token,
            None => make_token(&admin, directory).await?,
        };
        make_project(&self.client(&token)?).await?;
        directory.note_first_start()
    }

    /// The token in the file, if it is one.
    async fn kept_token(&self, directory: &DataDirectory) -> anyhow::Result<Option<String>> {
        let path = directory.demo_token();
        let token = match std::fs::read_to_string(&path) {
            Ok(token) => token.trim().to_owned(),
            Err(_) => return Ok(None),
        };
        match self.client(&token)?.current_user().await {
            Ok(user) if user.username == USER => Ok(Some(token)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::Unauthorized => Ok(None),
            Err(error) => Err(error).context("cannot look who the token of user demo belongs to"),
        }
    }
}

async fn make_user(admin: &Client) -> anyhow::Result<()> {
    if is_there(admin.user(USER).await).context("cannot look for the user demo")? {
        return Ok(());
    }
    let request = CreateUserRequest {
        username: USER.to_owned(),
    };
    let made = admin.create_user(&request).await;
    made.map(drop).context("cannot make the user demo")
}

/// The value of a token is told only once, so one that was made and not kept is replaced.
async fn make_token(admin: &Client, directory: &DataDirectory) -> anyhow::Result<String> {
    match admin.delete_token(USER, TOKEN_NAME).await {
        Ok(()) => {}
        // There is none, which the gateway takes for a mistake.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid) => {}
        Err(error) => return Err(error).context("cannot remove the token of user demo"),
    }
    let request = CreateUserTokenRequest {
        token_name: TOKEN_NAME.to_owned(),
    };
    let made = admin.create_token(USER, &request).await;
    let token = made.context("cannot make a token for user demo")?.token;
    directory.keep_demo_token(&token)?;
    Ok(token)
}

async fn make_project(demo: &Client) -> anyhow::Result<()> {
    if is_there(demo.project(PROJECT).await).context("cannot look for the sample project")? {
        return Ok(());
    }
    let (parent, name) = PROJECT.rsplit_once('/').unwrap_or_default();
    let request = CreateProjectRequest {
        name: name.to_owned(),
        parent_ref: parent.to_owned(),
        visibility: Some(Visibility::Private),
        run_config: Some(RunDefinition {
            format: Some(DefinitionFormat::Yaml),
            content: SAMPLE.to_owned(),
        }),
        ..CreateProjectRequest::default()
    };
    let made = demo.create_project(&request).await;
    made.map(drop).context("cannot make the sample project")
}

/// Whether something was there.
fn is_there<T>(result: Result<T, Error>) -> Result<bool, Error> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_a_definition() {
        let definition = runconfig::parse(SAMPLE).unwrap();
        let tasks = &definition.runs[0].tasks;
        let approvals = tasks.iter().filter(|task| task.approval).count();
        assert_eq!((tasks.len(), approvals), (6, 1));
    }
}
