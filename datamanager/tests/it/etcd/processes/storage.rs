//! An object storage that is away, and jobs whose process stands still.

use std::time::{Duration, Instant};

use datamanager::testing::{ProxyFaults, TcpProxy};

use super::deployment::Deployment;
use super::outages;
use super::task::{File, Task};

/// A store on an S3 service that is reached through the proxy.
fn start_through_proxy() -> Option<(Deployment, TcpProxy)> {
    let mut deployment = Deployment::start()?;
    deployment.use_s3();
    let server = deployment.s3.as_ref().unwrap().address();
    let proxy = TcpProxy::start(server, 7).unwrap();
    reach_through(&proxy, &mut deployment.task, &server.to_string());
    Some((deployment, proxy))
}

fn reach_through(proxy: &TcpProxy, task: &mut Task, server: &str) {
    task.url = task.url.replace(server, &proxy.address().to_string());
}

/// Nothing listens any more, or nobody answers.
fn take_away(proxy: &TcpProxy, is_silent: bool) {
    let refused = ProxyFaults {
        refuse: true,
        ..ProxyFaults::default()
    };
    let faults = match is_silent {
        true => ProxyFaults::black_hole(),
        false => refused,
    };
    proxy.set_faults(faults).unwrap();
    if !is_silent {
        proxy.cut();
    }
}

fn wait_until_flushed(deployment: &mut Deployment) {
    let seq_in = |value: String| -> u64 {
        let behind = value.split("\"seq\":").nth(1).unwrap_or("0");
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    let head = seq_in(deployment.value("head"));
    deployment.wait_until("all is flushed", |deployment| {
        seq_in(deployment.value("flushed")) >= head
    });
}

/// A look for a recovery that took as long as the object storage was silent held up every commit, and the renewal of the
/// registration with it, so that nothing could be appended after a while.
#[test]
fn commits_go_on_for_longer_than_a_lease_while_the_object_storage_is_silent() {
    const LEASE: Duration = Duration::from_secs(10);
    let Some((mut deployment, proxy)) = start_through_proxy() else {
        return;
    };
    deployment.task.pause = Duration::from_millis(100);
    deployment.start_workers(&["a", "b"]);
    for outage in 0..outages(1) {
        deployment.wait_for_commits(5);
        take_away(&proxy, outage % 2 == 0);
        let began = Instant::now();
        while began.elapsed() < LEASE + Duration::from_secs(3) {
            deployment.wait_for_commits(1);
        }
        for name in ["a", "b"] {
            let errors = deployment.worker(name).errors();
            assert!(errors.is_empty(), "{errors}");
        }
        proxy.set_faults(ProxyFaults::default()).unwrap();
        proxy.cut();
        wait_until_flushed(&mut deployment);
    }
    let checked = deployment.check();
    assert_eq!(checked.records, checked.last_seq);
}

/// Commits waited until it was not known any more what had become of them, though nothing had been sent to etcd.
#[test]
fn beyond_the_inline_budget_commits_fail_clearly_while_the_object_storage_is_away() {
    const BUDGET: u64 = 60_000;
    let Some((mut deployment, proxy)) = start_through_proxy() else {
        return;
    };
    deployment.task.value_bytes = 1_000;
    deployment.task.tuning.inline_budget_bytes = BUDGET;
    deployment.task.tuning.commit_timeout = Duration::from_secs(3);
    deployment.start_workers(&["a", "b"]);
    for outage in 0..outages(1) {
        deployment.wait_for_commits(5);
        // When an outage ends, the time of a commit may be over that was sent a moment before.
        let before = ["a", "b"].map(|name| deployment.worker(name).errors().len());
        take_away(&proxy, outage % 2 == 1);
        if outage == 0 {
            deployment.wait_for_commits(3);
        }
        deployment.wait_for_refusals(1);
        let errors = ["a", "b"].into_iter().zip(before);
        let errors: Vec<String> = errors
            .map(|(name, before)| deployment.worker(name).errors().split_off(before))
            .collect();
        for errors in &errors {
            let causes = [
                format!("{BUDGET} are allowed, and the object storage takes none"),
                // The content of a record of the other one, which had just been stored.
                "what other processes have committed meanwhile cannot be read yet".to_owned(),
                "what it rests on cannot be read yet".to_owned(),
            ];
            let mut lines = errors.lines();
            let is_clear = |line: &str| causes.iter().any(|cause| line.contains(cause));
            assert!(lines.any(is_clear), "{errors}");
            assert!(!errors.contains("unknown"), "{errors}");
        }
        proxy.set_faults(ProxyFaults::default()).unwrap();
        proxy.cut();
        deployment.wait_for_commits(5);
    }
    wait_until_flushed(&mut deployment);
    let checked = deployment.check();
    assert_eq!(checked.records, checked.last_seq);
}

/// Field case DM-11: two had the claim for the checkpoint after a long pause. The first stands still in the middle of writing,
/// for longer than its claim counts.
#[test]
fn a_checkpoint_stopped_for_longer_than_its_claim_drops_nothing_that_others_have_written() {
    let Some(mut deployment) = Deployment::start() else {
        return;
    };
    deployment.use_s3();
    deployment.task.tuning.maintain = false;
    deployment.task.tuning.job_claim_max = Duration::from_secs(1);
    let server = deployment.s3.as_ref().unwrap().address();
    let proxy = TcpProxy::start(server, 7).unwrap();
    let server = server.to_string();
    deployment.begin_worker("stopped", |task| reach_through(&proxy, task, &server));
    deployment.start_workers(&["a", "b"]);
    deployment.wait_until_open(&["stopped"]);
    let mut written = [0, 0];
    for stop in 0..outages(1) {
        deployment.wait_for_commits(10);
        // Slow enough that it is met between the beginning and the end of its work.
        let delay = Duration::from_millis(400);
        let faults = ProxyFaults {
            delay: delay..=delay,
            ..ProxyFaults::default()
        };
        proxy.set_faults(faults).unwrap();
        deployment
            .worker("stopped")
            .task
            .leave(File::Checkpoint, "");
        let begun = usize::try_from(stop).unwrap() * 3 + 1;
        deployment.wait_until("the checkpoint begins", |deployment| {
            deployment.jobs_begun() >= begun
        });
        deployment.pause("stopped");
        for (place, name) in ["a", "b"].iter().enumerate() {
            deployment.wait_for_commits(5);
            deployment.worker(name).task.leave(File::Checkpoint, "");
            written[place] += 1;
            let number = format!("{} covers", written[place]);
            deployment.wait_until("another checkpoint is written", |deployment| {
                let task = &deployment.worker(name).task;
                task.read(File::Checkpointed).starts_with(&number)
            });
        }
        proxy.set_faults(ProxyFaults::default()).unwrap();
        deployment.resume("stopped");
        let number = format!("{} ", stop + 1);
        deployment.wait_until("the stopped one is told", |deployment| {
            let task = &deployment.worker("stopped").task;
            task.read(File::Checkpointed).starts_with(&number)
        });
        let told = deployment.worker("stopped").task.read(File::Checkpointed);
        assert!(told.contains("unavailable"), "{told}");
    }
    let covered = deployment.worker("b").task.read(File::Checkpointed);
    let covered: u64 = covered.rsplit(' ').next().unwrap().parse().unwrap();
    let checked = deployment.check();
    assert!(
        checked.covered >= covered,
        "{} is less than {covered}",
        checked.covered
    );
}
