//! The command line, and the sizes that follow from it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

use crate::groups::Group;

/// Measures this store beside others.
#[derive(Debug, Parser)]
#[command(name = "compare")]
pub(crate) struct Options {
    /// Small stores and short times, for a look: ends within 3 minutes
    #[arg(long)]
    quick: bool,
    /// How often everything is measured; 5, and 2 with --quick, if not given
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Measures the log in the etcd at this URL, too, beside etcd's own transactions
    #[arg(long, value_name = "URL")]
    pub(crate) etcd: Option<String>,
    /// Writes every sample to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Measures only these groups
    #[arg(long, value_name = "GROUP", value_delimiter = ',', value_parser = Group::parse)]
    only: Vec<Group>,
    /// Where the stores are made, and removed afterwards; the disk of cargo's target directory if not given
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Entries of the stores that are read; 1,000,000, and 100,000 with --quick, if not given
    #[arg(long, value_name = "N")]
    entries: Option<u64>,
    /// Entries of the largest store; 10,000,000, and 500,000 with --quick, if not given
    #[arg(long, value_name = "N")]
    large: Option<u64>,
    /// Opens the large store there, reads, and prints what memory that took: a process of its own
    #[arg(long, hide = true)]
    pub(crate) serve: Option<PathBuf>,
}

impl Options {
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 }).max(1)
    }

    pub(crate) fn wants(&self, group: Group) -> bool {
        match group {
            Group::Etcd => {
                self.etcd.is_some() && (self.only.is_empty() || self.only.contains(&group))
            }
            _ => self.only.is_empty() || self.only.contains(&group),
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        const TARGET: &str = env!("CARGO_MANIFEST_DIR");
        self.directory.as_deref().unwrap_or(Path::new(TARGET))
    }

    /// How long one work goes on whose rate is measured.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_millis(if self.quick { 700 } else { 3_000 })
    }

    /// Entries of the stores that are read.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
            .unwrap_or(if self.quick { 100_000 } else { 1_000_000 })
    }

    /// Gets that are timed together.
    pub(crate) fn gets(&self) -> usize {
        if self.quick { 5_000 } else { 50_000 }
    }

    /// Entries of the largest store.
    pub(crate) fn large(&self) -> u64 {
        self.large
            .unwrap_or(if self.quick { 500_000 } else { 10_000_000 })
    }

    /// Bytes that are exported and imported.
    pub(crate) fn transfer_bytes(&self) -> u64 {
        if self.quick {
            50_000_000
        } else {
            1_000_000_000
        }
    }
}
