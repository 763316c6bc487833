//! `dm serve`: all services in one process, or those that a configuration file has.
//!
//! | module | what it is |
//! |---|---|
//! | `args` | the command line |
//! | `plan` | which services, with which settings, on which sockets |
//! | `directory` | the data directory that is used without a file, and the tokens in it |
//! | `parts` | running the services, and stopping them in order |
//! | `first_start` | the user and the project that are there to look at |
//! | `announcement` | what is printed once they run |

mod announcement;
mod args;
mod directory;
mod first_start;
mod parts;
mod plan;

use std::path::PathBuf;

use tokio::sync::oneshot;

use crate::output::{Output, OutputClosed, note};
use announcement::{Embedded, print_services};
use directory::DataDirectory;
use first_start::Gateway;
use parts::Parts;
use plan::Plan;

pub(crate) use args::ServeArgs;

/// Executors and gateways start this program again, for what has to be in a process of its own: that process does it here,
/// and does not return. `main` calls this before anything else.
pub(crate) fn become_child_if_asked() {
    runconfig::evaluate_if_asked();
    executor::become_supervisor_if_asked();
}

/// Serves until SIGINT or SIGTERM comes, or until a service fails.
pub(crate) async fn run(mut output: Output, args: ServeArgs, verbose: u8) -> anyhow::Result<()> {
    let directory = match args.file() {
        Some(_) => None,
        None => Some(DataDirectory::open(args.data())?),
    };
    let plan = Plan::make(&args, directory.as_ref())?;
    start_logging(verbose, directory.is_some(), plan.is_debugging());
    if directory.is_some() && plan.is_open_to_others() {
        note("other machines can reach the gateway, and nothing encrypts what is sent to it");
    }
    let stop = service::stop_signal()?;
    let services = plan.urls();
    let settings = plan.gateway.as_ref().map(|(settings, _)| settings);
    let embedded = directory.as_ref().zip(settings.cloned());
    let (begin_executor, executor_begins) = oneshot::channel();
    let executor_begins = async {
        // Nobody says so if a service has failed before.
        if executor_begins.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let mut parts = Parts::begin(plan, executor_begins);
    let serve = async {
        let printed = match (&embedded, services.first()) {
            (Some((directory, settings)), Some((_, url))) => {
                make_first_things(directory, settings, url).await;
                let _ = begin_executor.send(());
                let embedded = Embedded {
                    url,
                    directory,
                    admin_token: admin_token(directory, settings),
                };
                embedded.print(&mut output)
            }
            _ => {
                let _ = begin_executor.send(());
                print_services(&mut output, &services)
            }
        };
        match printed {
            // Nobody listens any more, and the services are wanted nevertheless.
            Err(error) if error.downcast_ref::<OutputClosed>().is_none() => {
                note(format!("{error:#}"))
            }
            _ => {}
        }
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        () = stop => Ok(()),
        error = parts.failed() => Err(error),
        () = serve => Ok(()),
    };
    let stopped = parts.stop().await;
    ended.and(stopped)
}

/// What is not made now is made by the next start.
async fn make_first_things(directory: &DataDirectory, settings: &gateway::Settings, url: &str) {
    if settings.web.tls {
        return note("with TLS no user and no project are made to look at");
    }
    let gateway = Gateway::of(settings, url);
    let made = async {
        gateway.wait().await?;
        gateway.make_first_things(directory).await
    };
    if let Err(error) = made.await {
        note(format!("there is no project to look at yet: {error:#}"));
    }
}

/// The file with the token of the administrator, unless the environment has the token.
fn admin_token(directory: &DataDirectory, settings: &gateway::Settings) -> Option<PathBuf> {
    if !settings.admin_token.is_empty() {
        return None;
    }
    let file = &settings.admin_token_file;
    Some(match file.strip_prefix(directory.path()) {
        Ok(below) => directory.shown().join(below),
        Err(_) => file.clone(),
    })
}

/// Without a file warnings alone are for the person who looks at what was printed; with one all is for whoever keeps logs.
fn start_logging(verbose: u8, is_embedded: bool, is_debugging: bool) {
    match verbose == 0 && (is_debugging || !is_embedded) {
        true => service::logging::start(is_debugging),
        false => crate::start_logging(verbose),
    }
}
