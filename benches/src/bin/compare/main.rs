//! Runs the same work on this store, on SlateDB and on redb, and on the bare means that none of them can be faster than.
//!
//! ```text
//! cargo run --release -p benches --features peers --bin compare -- [--quick] [--etcd URL] [--json FILE]
//! ```
//!
//! Rounds are interleaved: in each of them every store does every work once, so that a busy moment of the machine weighs
//! on all. A table gives the median of all rounds, the spread, and how this store compares within the rounds.
//!
//! Every commit is durable when it is acknowledged, in all stores: files and new directory entries are synced. SlateDB
//! flushes every millisecond, which is as fast as it can be told to; everything else is at its defaults.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it prints a report"
)]

mod groups;
mod machine;
mod options;
mod report;
mod samples;
mod subject;
mod subjects;

use anyhow::Context;
use clap::Parser;

use crate::groups::Group;
use crate::options::Options;
use crate::report::Report;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(directory) = &options.serve {
        return groups::serve(directory, &options).await;
    }
    let place = tempfile::tempdir_in(options.directory())?;
    let mut report = Report::default();
    let mut groups: Vec<Group> = Group::ALL.to_vec();
    groups.retain(|group| options.wants(*group));
    for round in 1..=options.rounds() {
        for group in groups.iter().filter(|group| round == 1 || !group.is_once()) {
            eprintln!("round {round} of {}: {}", options.rounds(), group.name());
            let measured = group.measure(&options, place.path(), &mut report).await;
            measured.with_context(|| format!("{} has failed", group.name()))?;
        }
    }
    println!("{}", machine::describe());
    println!("{}", report.to_markdown());
    if let Some(file) = &options.json {
        std::fs::write(file, report.to_json()?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
