//! An etcd that keeps everything and cannot always be used: leaders that die, silence, lost replies, no space.

use std::time::{Duration, Instant};

use datamanager::testing::{
    Etcd, EtcdOptions as Cluster, LostReplies, ProxyFaults, Reply, TcpProxy, cpu_time,
};

use super::super::place::compact_history;
use super::deployment::Deployment;
use super::outages;
use super::task::File;

#[test]
fn four_processes_commit_while_the_leader_of_three_nodes_is_killed_again_and_again() {
    let Some(mut deployment) = Deployment::start_with(Cluster::new().nodes(3)) else {
        return;
    };
    deployment.start_workers(&["a", "b", "c", "d"]);
    for _ in 0..outages(2) {
        deployment.wait_for_commits(5);
        let leader = deployment.etcd.wait_for_leader().unwrap();
        deployment.etcd.kill(leader).unwrap();
        deployment.wait_for_commits(5);
        deployment.etcd.restart(leader).unwrap();
    }
    let checked = deployment.check();
    assert_eq!(checked.epoch, 1, "etcd has lost nothing");
}

/// Field case DM-10: a watch neither failed nor delivered while etcd was frozen, and burned a core when it was gone.
#[test]
fn processes_fail_fast_while_etcd_is_frozen_or_gone_and_go_on_without_restart() {
    const NOTICED_WITHIN: Duration = Duration::from_secs(30);
    const OBSERVED: Duration = Duration::from_secs(2);
    let Some(mut deployment) = Deployment::start() else {
        return;
    };
    deployment.task.pause = Duration::from_millis(50);
    let names = ["a", "b", "c"];
    deployment.start_workers(&names);
    for outage in 0..outages(2) {
        deployment.wait_for_commits(5);
        let began = Instant::now();
        let is_frozen = outage % 2 == 0;
        match is_frozen {
            true => deployment.etcd.freeze(0).unwrap(),
            false => deployment.etcd.kill(0).unwrap(),
        }
        deployment.wait_for_refusals(2);
        assert!(began.elapsed() < NOTICED_WITHIN, "{:?}", began.elapsed());
        // What was under way by then may take longer.
        let before = names.map(|name| deployment.worker(name).progress.submitted());
        deployment.wait_until("what was sent before is answered", |deployment| {
            let mut before = names.iter().zip(&before);
            before.all(|(name, sent)| deployment.worker(name).progress.are_answered(sent))
        });
        let cpu = names.map(|name| {
            let worker = deployment.worker(name);
            worker.progress.take_slowest_refusal();
            worker.process.cpu_time().unwrap()
        });
        let observed = Instant::now();
        while observed.elapsed() < OBSERVED {
            deployment.wait_for_refusals(1);
        }
        let observed = observed.elapsed();
        for (name, before) in names.iter().zip(cpu) {
            let worker = deployment.worker(name);
            let slowest = worker.progress.take_slowest_refusal();
            assert!(slowest < Duration::from_secs(1), "{name}: {slowest:?}");
            let used = cpu_time(worker.process.pid()).unwrap() - before;
            assert!(used < observed / 5, "{name}: {used:?} of {observed:?}");
        }
        match is_frozen {
            true => deployment.etcd.thaw(0).unwrap(),
            false => deployment.etcd.restart(0).unwrap(),
        }
    }
    deployment.wait_for_commits(5);
    let checked = deployment.check();
    assert_eq!(checked.epoch, 1, "silence is no loss");
}

#[test]
fn lost_replies_leave_neither_gap_nor_double_and_nothing_undecided() {
    let Some(mut deployment) = Deployment::start() else {
        return;
    };
    let proxy = TcpProxy::start(deployment.etcd.address(0), 7).unwrap();
    deployment.task.endpoints = proxy.endpoint();
    deployment.start_workers(&["a", "b", "c", "d"]);
    let faults = ProxyFaults {
        lose: LostReplies::Every(10),
        reply: Reply::Http2Data,
        ..ProxyFaults::default()
    };
    proxy.set_faults(faults).unwrap();
    deployment.wait_for_commits(15 * u64::from(outages(1)));
    proxy.set_faults(ProxyFaults::default()).unwrap();
    assert!(proxy.counts().replies_lost > 0, "{:?}", proxy.counts());
    let checked = deployment.check();
    assert_eq!(checked.records, checked.last_seq, "numbers without a gap");
    assert_eq!(checked.epoch, 1);
}

/// Field case DM-13: everything hung once etcd had no space left.
#[test]
fn a_full_etcd_leaves_reads_alone_and_needs_no_restart_once_there_is_space() {
    const QUOTA: u64 = 16 * 1024 * 1024;
    /// What is left for the workers to fill: those who reach the quota are told that there is no space though their commits stand.
    const LEFT: u64 = 600_000;
    let cluster = Cluster::new().quota_bytes(QUOTA);
    let Some(mut deployment) = Deployment::start_with(cluster) else {
        return;
    };
    deployment.task.value_bytes = 20_000;
    // What the workers themselves leave in etcd stays well below the quota, however long they work.
    deployment.task.tuning.inline_budget_bytes = QUOTA / 4;
    let names = ["a", "b", "c"];
    deployment.start_workers(&names);
    for outage in 0..outages(1) {
        deployment.wait_for_commits(5);
        // Later the workers have used up their budget, and leave hardly anything in etcd.
        let goal = if outage == 0 { QUOTA - LEFT } else { QUOTA };
        fill(&deployment.etcd, goal);
        deployment.wait_for_refusals(3);
        let reads = names.map(|name| deployment.worker(name).progress.latest_reads);
        deployment.wait_until("the newest state is read", |deployment| {
            let mut reads = names.iter().zip(reads);
            reads.all(|(name, before)| deployment.worker(name).progress.latest_reads > before)
        });
        for name in names {
            let errors = deployment.worker(name).errors();
            assert!(
                errors.contains("etcd") && errors.contains("space"),
                "{errors}"
            );
        }
        let etcd = &deployment.etcd;
        etcd.etcdctl(&["del", "--prefix", "other/"]).unwrap();
        compact_history(etcd);
        etcd.etcdctl(&["defrag"]).unwrap();
        etcd.etcdctl(&["alarm", "disarm"]).unwrap();
        deployment.wait_for_commits(5);
    }
    let checked = deployment.check();
    assert_eq!(checked.epoch, 1);
}

/// Field cases DM-07 and DM-09: a reader hung for ever after etcd had been away, or after its history had been compacted past
/// where the reader was.
#[test]
fn a_process_cut_off_past_a_compaction_is_back_within_30_seconds_and_says_little() {
    const BACK_WITHIN: Duration = Duration::from_secs(30);
    const COMPLAINTS_MAX: usize = 10;
    let Some(mut deployment) = Deployment::start() else {
        return;
    };
    let proxy = TcpProxy::start(deployment.etcd.address(0), 7).unwrap();
    let endpoint = proxy.endpoint();
    deployment.begin_worker("far", |task| task.endpoints = endpoint);
    deployment.start_workers(&["near", "other"]);
    deployment.wait_until_open(&["far"]);
    let mut handles = None;
    for outage in 0..outages(2) {
        deployment.wait_for_commits(5);
        let before = deployment.worker("far").complaints().len();
        proxy.set_faults(ProxyFaults::black_hole()).unwrap();
        deployment.wait_for_commits_of(&["near", "other"], 50);
        deployment.worker("near").task.leave(File::Checkpoint, "");
        let number = format!("{} covers", outage + 1);
        deployment.wait_until("a checkpoint is written", |deployment| {
            let task = &deployment.worker("near").task;
            task.read(File::Checkpointed).starts_with(&number)
        });
        compact_history(&deployment.etcd);
        let seq = deployment.worker("near").progress.delivered_seq;
        proxy.set_faults(ProxyFaults::default()).unwrap();
        let began = Instant::now();
        deployment.wait_until("the far process has everything", |deployment| {
            deployment.worker("far").progress.delivered_seq >= seq
        });
        assert!(began.elapsed() < BACK_WITHIN, "{:?}", began.elapsed());
        deployment.wait_for_commits(5);
        let far = deployment.worker("far");
        let said = far.complaints().split_off(before);
        assert!(said.len() < COMPLAINTS_MAX, "{said:#?}");
        // Neither threads nor connections of the watches before are left.
        let now = [far.count("task"), far.count("fd")];
        let first = *handles.get_or_insert(now);
        let grown = now.iter().zip(first).any(|(now, first)| *now > first + 5);
        assert!(!grown, "threads and files: {first:?}, then {now:?}");
    }
    let checked = deployment.check();
    assert_eq!(checked.epoch, 1);
}

/// Puts values of others until etcd's database has so many bytes, or no space for another.
fn fill(etcd: &Etcd, bytes: u64) {
    let large = "x".repeat(100_000);
    let mut number = 0;
    while database_bytes(etcd) < bytes {
        if etcd
            .etcdctl(&["put", &format!("other/{number}"), &large])
            .is_err()
        {
            return; // the workers say whether it is for want of space
        }
        number += 1;
    }
}

/// Bytes of etcd's database.
fn database_bytes(etcd: &Etcd) -> u64 {
    let told = etcd.etcdctl(&["endpoint", "status", "-w", "json"]).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    told[0]["Status"]["dbSize"].as_u64().unwrap()
}
