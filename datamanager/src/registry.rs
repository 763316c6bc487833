//! Where the processes that share a store register, so that each can see who else is there.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ost::Ost;

use crate::environment::Environment;
use crate::instances::{self, Instance};
use crate::state::Shared;
use crate::{Error, Position};

/// The registrations of one store, as one process uses them. They are for people, for fairness between writers, and for
/// knowing whose claim is dead.
#[async_trait]
pub(crate) trait Registry: fmt::Debug + Send + Sync {
    /// The first registration of this process, before it appends anything; it also sees whether this machine's clock is too
    /// far ahead (R5).
    async fn register_first(&self, shared: &Arc<Shared>) -> Result<(), Error>;

    /// Keeps this process registered, and registers anew when its mode changes; ends and takes the registration back when the
    /// store is closed.
    async fn keep_registered(&self, shared: Arc<Shared>);

    /// The processes that have the store open for writing, by name. One that writes registers before it looks.
    async fn list(&self, shared: &Shared, read_only: bool) -> Result<Vec<Instance>, Error>;

    /// Whether other processes than this one are registered.
    async fn others_registered(&self) -> Result<bool, Error>;

    /// Whether the process `name` has closed the store or has vanished.
    async fn is_gone(&self, name: &str) -> Result<bool, Error>;

    /// Shows operators since when and by whom transactions are refused, where there is a place for it. Nothing reads it.
    async fn show_maintenance(&self, _since: Option<(Position, &str)>) {}
}

/// Registrations as objects: `instances/<name>.json`.
#[derive(Debug)]
pub(crate) struct ObjectRegistry {
    environment: Arc<dyn Environment>,
    ost: Ost,
    instance: String,
}

impl ObjectRegistry {
    pub(crate) fn new(
        environment: Arc<dyn Environment>,
        ost: Ost,
        instance: String,
    ) -> ObjectRegistry {
        ObjectRegistry {
            environment,
            ost,
            instance,
        }
    }
}

#[async_trait]
impl Registry for ObjectRegistry {
    async fn register_first(&self, shared: &Arc<Shared>) -> Result<(), Error> {
        instances::register_first(&self.ost, self.environment.as_ref(), shared).await
    }

    async fn keep_registered(&self, shared: Arc<Shared>) {
        instances::keep_registered(self.ost.clone(), self.environment.clone(), shared).await;
    }

    async fn list(&self, shared: &Shared, read_only: bool) -> Result<Vec<Instance>, Error> {
        if read_only {
            let now = self.environment.wall_time();
            return instances::list(&self.ost, Some(now)).await;
        }
        instances::register_and_list(&self.ost, shared).await
    }

    async fn others_registered(&self) -> Result<bool, Error> {
        instances::others_registered(&self.ost, &self.instance).await
    }

    async fn is_gone(&self, name: &str) -> Result<bool, Error> {
        instances::is_gone(&self.ost, name).await
    }
}
