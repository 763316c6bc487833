//! From what the services say to the types of the API, and back: field by field, so that nothing gets out that is not named
//! here.

mod names;
mod projects;
mod runs;
mod users;
mod values;

pub(crate) use projects::{definition_to_store, project, project_group};
pub(crate) use runs::{RunState, run, run_summary, run_task};
pub(crate) use users::{member, organization, remote_source, user, user_organization};
pub(crate) use values::{secret, variable, variable_to_store};
