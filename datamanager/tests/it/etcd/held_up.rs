//! Commits that wait for the object storage before anything of them is sent to etcd.

use std::time::Duration;

use datamanager::ErrorKind;
use datamanager::testing::SimulatedEtcd;
use futures::future::join_all;

use crate::site::Site;

/// What was written to blobs before it was sent counted as sent already. A caller whose time was over meanwhile was told that
/// it is unknown what has become of the commit, though etcd had never heard of it.
#[test]
fn a_commit_that_was_not_sent_yet_can_still_be_taken_back() {
    let mut site = Site::new(1);
    site.settings.inline_budget_bytes = 1;
    site.settings.batch_transactions_max = 1;
    site.settings.commit_timeout = Duration::from_secs(3);
    let etcd = SimulatedEtcd::new(&site.simulation);
    etcd.set_delay(Duration::from_millis(1)..=Duration::from_millis(1));
    site.run(async || {
        let process = site.process("a");
        let builder = site.builder(&process).etcd(etcd.options(&process, "/dm"));
        let store = builder.open().await.unwrap();
        let before = store.position();
        let hour = Duration::from_secs(3_600);
        site.objects.set_delay(hour..=hour);
        // Each waits for a third of the time, one after the other.
        let ids = ["0", "1", "2", "3", "4", "5"];
        let commits = join_all(ids.map(|id| store.put_raw("t", id, "x"))).await;
        for (number, committed) in commits.into_iter().enumerate() {
            let error = committed.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{number}: {error}");
        }
        site.objects.set_delay(Duration::ZERO..=Duration::ZERO);
        let committed = store.put_raw("t", "last", "x").await.unwrap();
        assert_eq!(committed.position.seq, before.seq + 1);
        let snapshot = store.latest_snapshot().await.unwrap();
        assert!(snapshot.get_raw("t", "5").await.unwrap().is_none());
        store.close().await.unwrap();
    });
}
