//! Commands that ask a gateway: the real binary, and real services and an executor in the test's own process.

mod failures;
mod host;
mod logs;
mod nouns;
mod readme;
mod runs;
