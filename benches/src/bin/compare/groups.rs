//! What is measured.

mod background;
mod commits;
mod conflicts;
mod etcd;
mod large;
mod objects;
mod reads;
mod requests;
mod transfer;

use std::path::Path;

use crate::options::Options;
use crate::report::Report;

pub(crate) use self::large::serve;

/// Works that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Commits,
    Objects,
    Conflicts,
    Background,
    Reads,
    Etcd,
    Requests,
    Large,
    Transfer,
}

impl Group {
    pub(crate) const ALL: [Group; 9] = [
        Group::Commits,
        Group::Objects,
        Group::Conflicts,
        Group::Background,
        Group::Reads,
        Group::Etcd,
        Group::Requests,
        Group::Large,
        Group::Transfer,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Group::Commits => "commits",
            Group::Objects => "objects",
            Group::Conflicts => "conflicts",
            Group::Background => "background",
            Group::Reads => "reads",
            Group::Etcd => "etcd",
            Group::Requests => "requests",
            Group::Large => "large",
            Group::Transfer => "transfer",
        }
    }

    pub(crate) fn parse(name: &str) -> Result<Group, String> {
        let group = Group::ALL.into_iter().find(|group| group.name() == name);
        let names = Group::ALL.map(Group::name);
        group.ok_or_else(|| format!("{name:?} is none of {}", names.join(", ")))
    }

    /// Whether one round is enough: counts, and what takes long.
    pub(crate) fn is_once(self) -> bool {
        matches!(self, Group::Requests | Group::Large)
    }

    pub(crate) async fn measure(
        self,
        options: &Options,
        place: &Path,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        // Everything is gone from the disk before the next group begins.
        let place = tempfile::tempdir_in(place)?;
        let place = place.path();
        match self {
            Group::Commits => commits::measure(options, place, report).await,
            Group::Objects => objects::measure(options, place, report).await,
            Group::Conflicts => conflicts::measure(options, place, report).await,
            Group::Background => background::measure(options, place, report).await,
            Group::Reads => reads::measure(options, place, report).await,
            Group::Etcd => etcd::measure(options, place, report).await,
            Group::Requests => requests::measure(options, place, report).await,
            Group::Large => large::measure(options, place, report).await,
            Group::Transfer => transfer::measure(options, place, report).await,
        }
    }
}
