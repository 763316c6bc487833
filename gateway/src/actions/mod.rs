//! The rules: who may do what, and what is asked of which service. They know no HTTP.

mod admin;
mod badges;
mod events;
mod listing;
mod logs;
mod new_runs;
mod organizations;
mod permissions;
mod project_groups;
mod projects;
mod remote_sources;
mod run_actions;
mod runs;
mod users;
mod values;

pub(crate) use admin::Component;
pub(crate) use listing::Page;
pub(crate) use logs::LogSelection;
pub(crate) use runs::{RunOwner, RunsFilter, escape};
pub(crate) use values::ValueOwner;

use std::sync::Arc;

use crate::auth::{Authenticator, Caller};
use crate::definitions::Definitions;

/// What all actions work with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    authenticator: Authenticator,
    configstore: configstore::client::Client,
    runservice: runservice::client::Client,
    definitions: Definitions,
}

impl Gateway {
    pub(crate) fn new(
        authenticator: Authenticator,
        configstore: configstore::client::Client,
        runservice: runservice::client::Client,
        definitions: Definitions,
    ) -> Gateway {
        Gateway {
            inner: Arc::new(Inner {
                authenticator,
                configstore,
                runservice,
                definitions,
            }),
        }
    }

    pub(crate) fn authenticator(&self) -> &Authenticator {
        &self.inner.authenticator
    }

    /// For reading.
    pub(crate) fn configstore(&self) -> &configstore::client::Client {
        &self.inner.configstore
    }

    /// For reading.
    pub(crate) fn runservice(&self) -> &runservice::client::Client {
        &self.inner.runservice
    }

    pub(crate) fn definitions(&self) -> &Definitions {
        &self.inner.definitions
    }

    /// For changes, which the service notes with the name of the caller.
    fn configstore_for(&self, caller: &Caller) -> configstore::client::Client {
        self.inner.configstore.on_behalf_of(&caller.shown())
    }

    /// For changes, which the service notes with the name of the caller.
    fn runservice_for(&self, caller: &Caller) -> runservice::client::Client {
        self.inner.runservice.on_behalf_of(&caller.shown())
    }
}
