//! Tests of the executor: the program as a process, with a run service that it really speaks to, and commands that really run.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(
    clippy::print_stderr,
    reason = "it is said what was not run, and why a test failed"
)]

mod caches;
mod cases;
mod description;
mod docker;
mod faults;
mod load;
mod logs;
mod place;
mod program;
mod proxy;
mod service_process;
mod stopping;
mod tasks;
mod whole_run;

// What the tests of the run service have for runs is what these need as well.
#[path = "../../../runservice/tests/it/host.rs"]
#[expect(dead_code, reason = "the tests of the run service use more of it")]
mod host;
#[path = "../../../runservice/tests/it/new_run.rs"]
#[expect(dead_code, reason = "the tests of the run service use more of it")]
mod new_run;
