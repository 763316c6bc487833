//! Users and their tokens: `dm user …`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use gateway_client::api::{CreateUserRequest, CreateUserTokenRequest, UserResponse};
use serde_json::json;

use super::paging::PageArgs;
use super::session::Session;
use crate::output::note;

/// What is done with users.
#[derive(Debug, Subcommand)]
pub(crate) enum UserAction {
    /// Make a user, as the administrator
    Create { name: String },
    /// Print a user; the caller if none is named
    Get {
        /// The name or the id
        user: Option<String>,
    },
    /// Print users, as the administrator
    List(PageArgs),
    /// Delete a user, as the administrator
    Delete {
        /// The name or the id
        user: String,
    },
    /// The tokens of a user
    #[command(subcommand)]
    Token(TokenAction),
}

/// What is done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenAction {
    /// Make a token and print it; it is told only here
    Create(CreateTokenArgs),
    /// Print the names of the tokens
    List {
        /// The name or the id of the user
        user: String,
    },
    /// Delete a token: nobody can use it any more
    Delete {
        /// The name or the id of the user
        user: String,
        /// The name of the token
        token: String,
    },
}

/// Which token is made.
#[derive(Debug, Args)]
pub(crate) struct CreateTokenArgs {
    /// The name or the id of the user
    user: String,

    /// A name for the token
    token: String,

    /// Write the token to this new file, which its owner alone can read, instead of printing it
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(session: &mut Session, action: UserAction) -> anyhow::Result<()> {
    match action {
        UserAction::Create { name } => {
            let request = CreateUserRequest { username: name };
            let user = session.client.create_user(&request).await?;
            session.print_done(&user, format!("user {} is made", user.username))
        }
        UserAction::Get { user } => {
            let user = match user {
                Some(user) => session.client.user(&user).await?,
                None => session.client.current_user().await?,
            };
            print(session, &user)
        }
        UserAction::List(page) => list(session, &page).await,
        UserAction::Delete { user } => {
            session.client.delete_user(&user).await?;
            session.print_deleted("user", &user)
        }
        UserAction::Token(action) => token(session, action).await,
    }
}

fn print(session: &mut Session, user: &UserResponse) -> anyhow::Result<()> {
    let accounts: Vec<&str> = user
        .linked_accounts
        .iter()
        .map(|account| account.remote_user_name.as_str())
        .collect();
    let properties = [
        ("user", user.username.clone()),
        ("id", user.id.clone()),
        ("tokens", user.tokens.join(", ")),
        ("accounts", accounts.join(", ")),
    ];
    session.print_one(user, properties)
}

async fn list(session: &mut Session, page: &PageArgs) -> anyhow::Result<()> {
    let client = session.client.clone();
    let users = page
        .collect(
            async |paging| client.users(paging).await,
            |user: &UserResponse| &user.username,
        )
        .await?;
    session.print_list(["NAME", "ID"], &users, |user| {
        [user.username.clone(), user.id.clone()]
    })
}

async fn token(session: &mut Session, action: TokenAction) -> anyhow::Result<()> {
    match action {
        TokenAction::Create(args) => create_token(session, args).await,
        TokenAction::List { user } => {
            let user = session.client.user(&user).await?;
            let json = session.output.is_json();
            for name in &user.tokens {
                match json {
                    true => session.output.json(&json!({ "name": name }))?,
                    false => session.output.line(&*crate::output::printable(name))?,
                }
            }
            Ok(())
        }
        TokenAction::Delete { user, token } => {
            session.client.delete_token(&user, &token).await?;
            session.print_deleted("token", &token)
        }
    }
}

async fn create_token(session: &mut Session, args: CreateTokenArgs) -> anyhow::Result<()> {
    // Before the token is made, which nobody would know otherwise.
    let file = args.output.as_deref().map(new_private_file).transpose()?;
    let request = CreateUserTokenRequest {
        token_name: args.token,
    };
    let created = session.client.create_token(&args.user, &request).await;
    let (Some(mut file), Some(path)) = (file, args.output) else {
        let created = created?;
        return match session.output.is_json() {
            true => session.output.json(&created),
            false => session.output.line(created.token),
        };
    };
    let written = created.map_err(anyhow::Error::from).and_then(|created| {
        let written = writeln!(file, "{}", created.token).and_then(|()| file.sync_all());
        written.with_context(|| format!("cannot write {}", path.display()))
    });
    if let Err(error) = written {
        // An empty file would be taken for one with a token.
        let _ = std::fs::remove_file(&path);
        return Err(error);
    }
    note(format!("the token is in {}", path.display()));
    Ok(())
}

fn new_private_file(path: &Path) -> anyhow::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.with_context(|| format!("cannot make {}", path.display()))
}
