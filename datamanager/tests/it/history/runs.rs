//! Seeded runs with clients of all kinds, jobs, and faults, whose histories are checked.

use super::world::{Outcome, run};

#[test]
fn processes_with_work_and_faults_of_all_kinds_give_a_history_that_is_right() {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first: u64 = variable("DM_SEED").unwrap_or(1);
    let rounds: u64 = variable("DM_SOAK_ROUNDS").unwrap_or(8);
    let mut sum = Outcome::default();
    for seed in first..first + rounds {
        let outcome = run(seed);
        println!("seed {seed}: {outcome:?}");
        sum.add(&outcome);
    }
    // What a single run need not have, all of them together do.
    if rounds >= 8 {
        let report = sum.report;
        let (committed, refused) = (report.committed as u64, report.refused as u64);
        assert!(committed > 100 * rounds && refused > 20 * rounds, "{sum:?}");
        assert!(
            report.unknown > 0 && report.found > 0 && sum.kills > 0,
            "{sum:?}"
        );
        assert!(report.deliveries > report.committed, "{sum:?}");
        assert!(
            sum.manifests > 5 * rounds && sum.records_removed > 20 * rounds,
            "{sum:?}"
        );
        assert!(
            report.imports > 0 && u64::from(sum.epochs) > rounds,
            "{sum:?}"
        );
    }
}

#[test]
fn a_seed_repeats_the_whole_run() {
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).trace_hash, run(4).trace_hash);
}
