//! Whose secrets and variables are meant.

use clap::Args;
use gateway_client::{ListOptions, ValuesOf};

/// What has the secrets or variables.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ParentArgs {
    /// Those of this project: its path, as user/ann/web or org/acme/web, or its id
    #[arg(long, short, value_name = "REF")]
    project: Option<String>,

    /// Those of this group of projects: its path, as org/acme/backend, or its id
    #[arg(long, short = 'g', value_name = "REF", visible_alias = "group")]
    projectgroup: Option<String>,
}

impl ParentArgs {
    pub(super) fn values(&self) -> ValuesOf<'_> {
        match (&self.project, &self.projectgroup) {
            (Some(project), _) => ValuesOf::Project(project),
            // The command line has one of them.
            (None, group) => ValuesOf::ProjectGroup(group.as_deref().unwrap_or_default()),
        }
    }
}

/// One of them.
#[derive(Debug, Args)]
pub(crate) struct OneValue {
    #[command(flatten)]
    pub(super) parent: ParentArgs,

    pub(super) name: String,
}

/// Which of them are listed.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(super) parent: ParentArgs,

    /// Also those of the groups above, of equal names the nearest alone
    #[arg(long)]
    inherited: bool,
}

impl ListArgs {
    pub(super) fn options(&self) -> ListOptions {
        ListOptions {
            tree: self.inherited,
            remove_overridden: self.inherited,
        }
    }
}
