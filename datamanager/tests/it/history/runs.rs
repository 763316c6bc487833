//! Seeded runs with clients of all kinds, jobs, and faults, whose histories are checked.

use super::world::{Kind, Outcome, run};

/// Runs the seeds that are asked for, or `rounds`, and returns how many and what they all came to.
#[expect(
    clippy::print_stdout,
    reason = "the output of a test says which seed failed"
)]
fn run_seeds(kind: Kind, rounds: u64) -> (u64, Outcome) {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first: u64 = variable("DM_SEED").unwrap_or(1);
    let rounds: u64 = variable("DM_SOAK_ROUNDS").unwrap_or(rounds);
    let mut sum = Outcome::default();
    for seed in first..first + rounds {
        let outcome = run(kind, seed);
        println!("seed {seed}: {outcome:?}");
        sum.add(&outcome);
    }
    (rounds, sum)
}

/// What a single run need not have, all of them together do.
fn check_sum(rounds: u64, sum: &Outcome) {
    let report = sum.report;
    let (committed, refused) = (report.committed as u64, report.refused as u64);
    assert!(
        committed > 100 * rounds && refused > 20 * rounds,
        "the runs have {sum:?}"
    );
    assert!(
        report.unknown > 0 && report.found > 0 && sum.kills > 0,
        "the runs have {sum:?}"
    );
    assert!(
        report.deliveries > report.committed,
        "the runs have {sum:?}"
    );
    assert!(
        sum.manifests > 5 * rounds && sum.records_removed > 20 * rounds,
        "the runs have {sum:?}"
    );
    assert!(
        report.imports > 0 && u64::from(sum.epochs) > rounds,
        "the runs have {sum:?}"
    );
}

#[test]
fn processes_with_work_and_faults_of_all_kinds_give_a_history_that_is_right() {
    let (rounds, sum) = run_seeds(Kind::Objects, 8);
    if rounds >= 8 {
        check_sum(rounds, &sum);
    }
}

/// A commit with the token of a change group was told `Expired`: the process looked the group up in a data file that another
/// one had just collected. It is to be told that it may try again.
#[test]
fn a_commit_whose_group_is_in_a_collected_file_may_be_tried_again() {
    run(Kind::Objects, 203_833);
}

/// A process had joined a recovery and told where the log ended. When etcd was restored to a snapshot before the recovery was
/// over it went on with the log, though another process, which had seen etcd empty, was about to seal it: what it read there was
/// gone afterwards, and so would have been what it acknowledged.
#[cfg(feature = "etcd")]
#[test]
fn who_has_joined_a_recovery_uses_the_log_no_more_though_etcd_has_it_again() {
    run(Kind::Etcd, 400_008);
}

/// A process had joined a recovery, and could not read etcd to save what it held. A message of its watch, from before, then had it
/// apply a record and show it to a listener, in whose place the recovery had put the end of the log.
#[cfg(feature = "etcd")]
#[test]
fn what_a_watch_has_told_before_a_recovery_is_not_applied_during_it() {
    run(Kind::Etcd, 500_304);
}

/// Who asked what had become of a commit was told `Compacted`, as the records behind it were collected while they were looked
/// for. It is to be told that nobody knows any more.
#[cfg(feature = "etcd")]
#[test]
fn a_commit_whose_records_are_collected_while_they_are_looked_for_is_too_old() {
    run(Kind::Etcd, 500_289);
}

/// A store was being opened while jobs covered and removed its log again and again, which ended with `Compacted`: of interest to
/// a follower, but no reason not to try again.
#[cfg(feature = "etcd")]
#[test]
fn a_store_whose_log_is_removed_while_it_is_opened_may_be_opened_again() {
    run(Kind::Etcd, 501_166);
}

/// etcd was restored to a backup. The processes that had registered there again took each other for all that there were, and ended
/// the log as soon as both had answered, without what a third one held and had acknowledged. One of them then applied a record
/// that its watch had told before, behind the seal.
#[cfg(feature = "etcd")]
#[test]
fn a_recovery_waits_also_for_those_whom_etcd_does_not_list_any_more() {
    run(Kind::Etcd, 500_919);
}

/// etcd was wiped between the read of a listener and its watch. The watch, from a revision that the new etcd had yet to come to, was
/// alive and silent, and the process never heard of the next epoch.
#[cfg(feature = "etcd")]
#[test]
fn a_watch_of_an_etcd_that_has_gone_back_is_given_up() {
    run(Kind::Etcd, 501_578);
}

#[cfg(feature = "etcd")]
#[test]
fn an_etcd_that_dies_and_loses_the_log_leaves_a_history_that_is_right() {
    let (rounds, sum) = run_seeds(Kind::Etcd, 3);
    if rounds >= 3 {
        check_sum(rounds, &sum);
        assert!(sum.losses as u64 > rounds / 2, "the runs have {sum:?}");
    }
}

#[test]
fn a_seed_repeats_the_whole_run() {
    assert_eq!(run(Kind::Objects, 3), run(Kind::Objects, 3));
    assert_ne!(
        run(Kind::Objects, 3).trace_hash,
        run(Kind::Objects, 4).trace_hash
    );
}

#[cfg(feature = "etcd")]
#[test]
fn a_seed_repeats_the_whole_run_with_etcd() {
    assert_eq!(run(Kind::Etcd, 3), run(Kind::Etcd, 3));
}
