//! An etcd that has lost the log: wiped, restored, or another one.

use std::time::Duration;

use datamanager::testing::{Etcd, EtcdOptions as Cluster, TcpProxy};

use super::deployment::Deployment;
use super::outages;
use super::task::File;

/// Nothing is flushed but on demand.
fn start_without_flushes() -> Option<Deployment> {
    let mut deployment = Deployment::start()?;
    deployment.task.tuning.flush_interval = Duration::from_secs(60);
    // What asks for a flush by itself.
    deployment.task.tuning.maintain = false;
    Some(deployment)
}

/// The clients of all workers stand still, and have been told what became of their commits.
fn let_rest(deployment: &mut Deployment, names: &[&str]) {
    for name in names {
        deployment.worker(name).task.leave(File::Rest, "");
    }
    let mut before = None;
    deployment.wait_until("the workers rest", |deployment| {
        std::thread::sleep(Duration::from_millis(50));
        let now: Vec<(u64, usize)> = names
            .iter()
            .map(|name| {
                let progress = &deployment.worker(name).progress;
                (progress.recorded_bytes(), progress.under_way())
            })
            .collect();
        let is_over = now.iter().all(|(_, under_way)| *under_way == 0);
        before.replace(now.clone()) == Some(now) && is_over
    });
}

fn let_go_on(deployment: &mut Deployment, names: &[&str]) {
    for name in names {
        deployment.worker(name).task.take(File::Rest);
    }
}

/// Field case DM-03: after a loss of etcd leftovers were mixed with new keys. All of its data goes, all keys of the store, or
/// one that everything hangs on.
#[test]
fn three_processes_lose_no_commit_when_etcd_is_wiped_though_none_was_flushed() {
    let Some(mut deployment) = start_without_flushes() else {
        return;
    };
    deployment.start_workers(&["a", "b", "c"]);
    let losses = outages(3);
    for loss in 0..losses {
        deployment.wait_for_commits(10);
        if loss == 0 {
            assert!(
                deployment.objects("wal/").is_empty(),
                "all is in etcd alone"
            );
        }
        match loss % 3 {
            0 => deployment.etcd.wipe().unwrap(),
            1 => deployment.remove_keys(""),
            _ => deployment.remove_keys("head"),
        }
        deployment.wait_for_epoch(loss + 2);
    }
    let checked = deployment.check();
    assert_eq!(checked.epoch, losses + 1);
}

/// Field case DM-03, with nobody there: those that open the store next find that out at once, and one recovery counts. Without
/// the records, which the object storage has, nothing is lost.
#[test]
fn an_etcd_wiped_while_no_process_runs_is_recovered_by_all_that_start_at_once() {
    let Some(mut deployment) = Deployment::start() else {
        return;
    };
    let losses = outages(2);
    let mut epoch = 1;
    for loss in 0..=losses {
        let names = ["a", "b", "c"].map(|name| format!("{name}{loss}"));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        deployment.start_workers(&names);
        deployment.wait_for_commits(10);
        if loss == losses {
            break;
        }
        deployment.end();
        match loss % 3 {
            0 => deployment.remove_keys("wal/"),
            1 => deployment.etcd.wipe().unwrap(),
            _ => deployment.remove_keys(""),
        }
        epoch += u32::from(loss % 3 != 0);
    }
    let checked = deployment.check();
    assert_eq!(checked.epoch, epoch);
}

/// What is acknowledged is in etcd, whoever is killed: a process that goes and comes again has everything.
#[test]
fn processes_that_are_killed_leave_everything_to_the_others_and_to_those_that_come() {
    let Some(mut deployment) = start_without_flushes() else {
        return;
    };
    deployment.start_workers(&["staying", "first0"]);
    for round in 0..outages(2) {
        deployment.wait_for_commits(10);
        deployment.kill(&format!("first{round}"));
        deployment.start_workers(&[&format!("first{}", round + 1)]);
    }
    deployment.wait_for_commits(5);
    let checked = deployment.check();
    assert_eq!(checked.epoch, 1);
    assert_eq!(checked.records, checked.last_seq);
}

#[test]
fn one_of_three_processes_that_meets_an_empty_etcd_is_told_and_the_others_go_on() {
    let Some(mut deployment) = Deployment::start() else {
        return;
    };
    // The others look every 5 seconds whether somebody recovers the log.
    deployment.task.tuning.recovery_wait = Duration::from_secs(20);
    let proxy = TcpProxy::start(deployment.etcd.address(0), 7).unwrap();
    let endpoint = proxy.endpoint();
    deployment.begin_worker("astray", |task| task.endpoints = endpoint);
    deployment.start_workers(&["a", "b"]);
    deployment.wait_until_open(&["astray"]);
    deployment.wait_for_commits(10);
    let other = Etcd::start(Cluster::new().flag("--initial-cluster-token=other")).unwrap();
    proxy.set_target(other.address(0)).unwrap();
    proxy.cut();
    let told = deployment.wait_until_refused("astray");
    assert!(told.contains("lives in cluster"), "{told}");
    deployment.wait_for_commits_of(&["a", "b"], 10);
    // It works again where it belongs.
    proxy.set_target(deployment.etcd.address(0)).unwrap();
    let endpoint = proxy.endpoint();
    deployment.begin_worker("back", |task| task.endpoints = endpoint);
    deployment.wait_until_open(&["back"]);
    deployment.wait_for_commits_of(&["a", "b", "back"], 5);
    let checked = deployment.check();
    assert_eq!(checked.epoch, 1, "the log was alive all the time");
}

/// While the processes that recover wait for one that is silent, etcd is lost once more.
#[test]
fn an_etcd_that_is_wiped_again_while_it_is_recovered_loses_nothing() {
    let Some(mut deployment) = start_without_flushes() else {
        return;
    };
    deployment.task.tuning.recovery_wait = Duration::from_secs(8);
    deployment.start_workers(&["a", "b", "silent"]);
    deployment.wait_for_commits(10);
    deployment.pause("silent");
    // What the silent one had appended the others have got by now.
    deployment.wait_for_commits(5);
    deployment.etcd.wipe().unwrap();
    deployment.wait_until("the recovery is announced", |deployment| {
        !deployment.objects("recovery/").is_empty()
    });
    deployment.etcd.wipe().unwrap();
    deployment.resume("silent");
    deployment.wait_for_epoch(2);
    let checked = deployment.check();
    assert!((2..=3).contains(&checked.epoch), "epoch {}", checked.epoch);
}

#[test]
fn an_etcd_restored_to_fifty_commits_ago_loses_nothing_that_processes_hold() {
    let Some(mut deployment) = start_without_flushes() else {
        return;
    };
    let names = ["a", "b", "c"];
    deployment.start_workers(&names);
    let losses = outages(1);
    for loss in 0..losses {
        deployment.wait_for_commits(5);
        let backup = deployment.directory().join(format!("running{loss}"));
        deployment.etcd.save_snapshot(&backup).unwrap();
        deployment.wait_for_commits(50 / 3 + 1);
        deployment.etcd.restore_snapshot(&backup).unwrap();
        deployment.wait_for_epoch(loss + 2);
    }
    let checked = deployment.check();
    assert_eq!(checked.epoch, losses + 1);
}

#[test]
fn an_etcd_restored_to_fifty_commits_ago_is_found_by_processes_that_start() {
    let Some(mut deployment) = Deployment::start() else {
        return;
    };
    let losses = outages(1);
    deployment.start_workers(&["a0", "b0"]);
    for loss in 0..losses {
        deployment.wait_for_commits(5);
        let backup = deployment.directory().join(format!("stopped{loss}"));
        deployment.etcd.save_snapshot(&backup).unwrap();
        deployment.wait_for_commits(25);
        deployment.end();
        deployment.etcd.restore_snapshot(&backup).unwrap();
        let next = loss + 1;
        deployment.start_workers(&[&format!("a{next}"), &format!("b{next}")]);
    }
    deployment.wait_for_commits(5);
    let checked = deployment.check();
    assert_eq!(checked.epoch, losses + 1);
}

/// Field case DM-02: a store was rebuilt with a hole, as a record in the middle was missing. Its process has gone, nothing else
/// holds it.
#[test]
fn a_store_whose_log_has_a_hole_is_refused_by_name_and_left_alone() {
    let Some(mut deployment) = Deployment::start() else {
        return;
    };
    deployment.task.clients = 1;
    deployment.task.tuning.flush_interval = Duration::from_millis(50);
    deployment.task.tuning.maintain = false;
    deployment.start_workers(&["a"]);
    deployment.wait_until("some objects are there", |deployment| {
        deployment.objects("wal/").len() >= 4
    });
    let_rest(&mut deployment, &["a"]);
    let_go_on(&mut deployment, &["a"]);
    deployment.end();
    let objects = deployment.objects("wal/");
    let lost = &objects[objects.len() / 2];
    let path = deployment.directory().join("objects").join(lost);
    let kept = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    deployment.etcd.wipe().unwrap();
    let seq: u64 = lost.rsplit('/').next().unwrap()[..20].parse().unwrap();
    let before = deployment.everything();
    let error = deployment.open_once("b").unwrap_err();
    assert_eq!(error.kind(), datamanager::ErrorKind::Corrupt, "{error:?}");
    let text = error.chain();
    assert!(text.contains(&format!("record {seq} of epoch 1")), "{text}");
    assert_eq!(deployment.everything(), before, "nothing was written");
    // With the record back it is recovered.
    std::fs::write(&path, kept).unwrap();
    deployment.start_workers(&["c"]);
    deployment.wait_for_epoch(2);
    let checked = deployment.check();
    assert_eq!(checked.epoch, 2);
}
