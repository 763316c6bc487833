//! How large a run is.

use anyhow::{Context, bail};

/// The sizes of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Entries in the store that is read.
    pub entries: usize,
    /// How many of them are read over and over by the hot reads.
    pub hot_entries: usize,
    /// Different ids that all writers write together.
    pub written_ids: usize,
}

const ENTRIES_VARIABLE: &str = "DM_BENCH_ENTRIES";
const ENTRIES_MIN: usize = 1_000;

impl Scale {
    /// What measurements use, unless told otherwise.
    pub const MEASURED: Scale = Scale {
        entries: 100_000,
        hot_entries: 1_000,
        written_ids: 131_072,
    };
    /// What tests use, which only see that the benches run.
    pub const TINY: Scale = Scale {
        entries: 1_000,
        hot_entries: 100,
        written_ids: 4_096,
    };

    /// The scale that fits how the process was started: [`Scale::TINY`] where criterion only tests (as with
    /// `cargo test --benches`), else [`Scale::MEASURED`] with as many entries as the variable `DM_BENCH_ENTRIES` says.
    ///
    /// # Errors
    /// When the variable is no number, or below 1,000.
    pub fn from_environment() -> anyhow::Result<Scale> {
        if is_test(std::env::args()) {
            return Ok(Scale::TINY);
        }
        let Ok(text) = std::env::var(ENTRIES_VARIABLE) else {
            return Ok(Scale::MEASURED);
        };
        let entries: usize = text
            .parse()
            .with_context(|| format!("{ENTRIES_VARIABLE} is {text:?}, not a number"))?;
        if entries < ENTRIES_MIN {
            bail!("{ENTRIES_VARIABLE} is {entries}: {ENTRIES_MIN} or more is accepted");
        }
        Ok(Scale {
            entries,
            ..Scale::MEASURED
        })
    }
}

/// The rule of criterion: `cargo bench` passes `--bench`, and `--test` beside it asks for a test.
fn is_test(mut arguments: impl Iterator<Item = String>) -> bool {
    let mut measures = false;
    let tests = arguments.any(|argument| {
        measures |= argument == "--bench";
        argument == "--test"
    });
    tests || !measures
}

#[cfg(test)]
mod tests {
    use super::is_test;

    fn arguments(text: &str) -> impl Iterator<Item = String> {
        text.split(' ').map(str::to_owned)
    }

    #[test]
    fn only_cargo_bench_measures() {
        assert!(!is_test(arguments("commit --bench")));
        assert!(!is_test(arguments("commit raw --bench --verbose")));
        assert!(is_test(arguments("commit")));
        assert!(is_test(arguments("commit --test --bench")));
        assert!(is_test(arguments("commit --bench --test")));
    }
}
