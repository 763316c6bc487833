//! Small models of the protocol, of which every run is looked at.
//!
//! Each is a few processes whose steps may come in any order, written from the rules in `docs/protocol.md`, not from the
//! code. A model is also run with one of its rules left out, and must then find what goes wrong: so it is known that the
//! rule is needed, and that the model can see it.

mod blobs;
mod flush;
mod import;
mod jobs;
mod lost_replies;
mod recovery;
mod stale_writer;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, HasDiscoveries, Model};

/// Looks at every run. Returns the names of the promises that one of them breaks, and of what is only to be seen to happen.
fn broken<M>(model: M) -> Vec<&'static str>
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Hash + Send + Sync + PartialEq + Clone,
    M::Action: Debug + Send + Sync + Clone + PartialEq,
{
    discoveries(model, HasDiscoveries::All)
}

/// Whether one of the runs breaks a promise; looks at no more of them then.
fn breaks<M>(model: M, promise: &'static str) -> bool
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Hash + Send + Sync + PartialEq + Clone,
    M::Action: Debug + Send + Sync + Clone + PartialEq,
{
    let enough = HasDiscoveries::AllOf(BTreeSet::from([promise]));
    discoveries(model, enough).contains(&promise)
}

fn discoveries<M>(model: M, enough: HasDiscoveries) -> Vec<&'static str>
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Hash + Send + Sync + PartialEq + Clone,
    M::Action: Debug + Send + Sync + Clone + PartialEq,
{
    let checker = model.checker().finish_when(enough).spawn_bfs().join();
    let mut broken: Vec<_> = checker.discoveries().into_keys().collect();
    broken.sort_unstable();
    broken
}
