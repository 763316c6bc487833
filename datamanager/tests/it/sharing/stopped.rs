//! Processes that are stopped in the middle of a commit.

use super::*;

/// A process is stopped `pause_after` after it began to raise the counter, and goes on when the record that would have
/// been next to its own is long gone. Returns whether it was told that its commit stands, and whether it then stored a
/// record where another one had stood.
fn stopped_run(seed: u64, pause_after: Option<Duration>) -> (bool, bool) {
    let mut site = Site::new(seed);
    site.keep_nothing();
    site.settings.maintain = false;
    let (a, b) = (site.process("a"), site.process("b"));
    site.run(async || {
        let (sleeper, store) = (site.open(&a).await, site.open(&b).await);
        increment(&store, "before").await.unwrap();
        sleeper.wait_for(store.position()).await.unwrap();
        let next_seq = store.position().seq + 1;
        let next_key = format!("base/wal/0000000001/{next_seq:020}.wal");
        let mut listener = store.follow_new();
        let handle = sleeper.clone();
        let answer = a.run("client", async move { increment(&handle, "a").await });
        if let Some(pause_after) = pause_after {
            b.sleep(pause_after).await;
        }
        a.pause();
        b.sleep(Duration::from_millis(20)).await;
        let mut others = 0;
        for number in 0..20 {
            let marker = format!("b-{number}");
            while increment(&store, &marker).await.is_err() {}
            others += 1;
        }
        // The newest three manifests are kept, so all of them have to cover the record.
        for _ in 0..4 {
            store.put_raw("other", "1", "").await.unwrap();
            store.checkpoint().await.unwrap();
        }
        store.collect_garbage().await.unwrap();
        b.sleep(HEAD_CONFIRM_MAX * 4).await;
        store.collect_garbage().await.unwrap();
        assert_eq!(site.objects.content(&next_key), None, "the record is gone");

        a.resume();
        let result = answer.await.unwrap();
        let stored_again = site.objects.content(&next_key).is_some();
        let marker = store.latest_snapshot().await.unwrap();
        let stands = marker.get_raw("marker", "a").await.unwrap().is_some();
        match &result {
            Ok(_) => assert!(stands, "seed {seed}: it was acknowledged"),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                assert!(!stands, "seed {seed}: {error:?}");
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unknown, "seed {seed}: {error:?}");
                let expected = match stands {
                    true => Outcome::Committed,
                    false => Outcome::NotCommitted,
                };
                let outcome = store.outcome(error.commit_id().unwrap()).await.unwrap();
                assert!(outcome == expected || outcome == Outcome::TooOld);
            }
        }
        if stored_again {
            let removed = listener.next().await.unwrap();
            assert_eq!(removed.position.seq, next_seq);
            let fresh = site.open(&site.process("fresh")).await;
            check_stray(&fresh, next_seq, removed.cursor).await;
            fresh.close().await.unwrap();
            let report = site.builder(&b).verify().await.unwrap();
            assert!(report.is_sound(), "seed {seed}: {report:?}");
            let key = next_key.strip_prefix("base/").unwrap();
            assert_eq!(report.strays, [key], "seed {seed}");
        }
        let expected = 1 + others + u64::from(stands);
        assert_eq!(counter(&store).await, expected, "seed {seed}");
        assert_eq!(counter(&sleeper).await, expected, "seed {seed}");
        increment(&sleeper, "after").await.unwrap();
        assert_eq!(counter(&store).await, expected + 1, "seed {seed}");
        // What was stored where a record had been removed is garbage, and goes like it.
        store.collect_garbage().await.unwrap();
        assert_eq!(site.objects.content(&next_key), None, "seed {seed}");
        sleeper.close().await.unwrap();
        store.close().await.unwrap();
        let report = site.builder(&b).verify().await.unwrap();
        assert!(report.is_sound(), "seed {seed}: {report:?}");
        assert_eq!(report.strays, [""; 0], "seed {seed}");
        (result.is_ok(), stored_again)
    })
}

/// What a record is to those who read the log that was stored where `cursor` had stood, which is gone.
async fn check_stray(store: &DataManager, seq: u64, cursor: Cursor) {
    let records: Vec<RecordInfo> = store.records(1).try_collect().await.unwrap();
    let strays = records.iter().filter(|record| !record.in_chain);
    let strays: Vec<u64> = strays.map(|record| record.position.seq).collect();
    assert_eq!(strays, [seq]);
    assert_eq!(records.last().unwrap().position, store.position());
    let error = store.follow(cursor).next().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compacted, "{error:?}");
    let error = store.cursor_before(seq).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compacted, "{error:?}");
}

/// A listener that began before the first record got what a process that had been stopped for long stored as a first
/// record when the real one had been removed: a transaction that was never committed.
#[test]
fn what_is_stored_where_a_record_was_removed_reaches_no_listener() {
    let mut stored_again = 0;
    for seed in 1..=20 {
        let mut site = Site::new(seed);
        site.keep_nothing();
        site.settings.maintain = false;
        site.settings.follow_bytes_max = 1;
        let (a, b) = (site.process("a"), site.process("b"));
        site.run(async || {
            let (sleeper, store) = (site.open(&a).await, site.open(&b).await);
            let start = store.follow_new().cursor();
            let handle = sleeper.clone();
            let answer = a.run("client", async move { increment(&handle, "a").await });
            if seed % 4 == 0 {
                b.sleep(Duration::from_micros(seed * 100)).await;
            }
            a.pause();
            for number in 0..4 {
                increment_until_done(&store, &format!("b-{number}")).await;
                store.checkpoint().await.unwrap();
            }
            store.collect_garbage().await.unwrap();
            b.sleep(HEAD_CONFIRM_MAX * 4).await;
            store.collect_garbage().await.unwrap();
            let first_key = "base/wal/0000000001/00000000000000000001.wal";
            assert_eq!(site.objects.content(first_key), None);
            a.resume();
            let answer = answer.await.unwrap();
            stored_again += u32::from(site.objects.content(first_key).is_some());
            for listening in [&store, &sleeper] {
                let error = listening.follow(start).next().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Compacted, "{error:?}: {answer:?}");
            }
            sleeper.close().await.unwrap();
            store.close().await.unwrap();
        });
    }
    assert!(stored_again > 3, "{stored_again} were stored again");
}

/// What such a process leaves behind was reported as damage, by the verification and by `dm wal`, until it was collected.
#[test]
fn a_process_stopped_past_the_retention_acknowledges_nothing_that_was_not_committed() {
    let (mut acknowledged, mut stored_again) = (0, 0);
    for seed in 1..=30 {
        let pause_after = match seed % 3 {
            0 => None,
            _ => Some(Duration::from_micros(seed * 400)),
        };
        let (was_acknowledged, was_stored_again) = stopped_run(seed, pause_after);
        acknowledged += u32::from(was_acknowledged);
        stored_again += u32::from(was_stored_again);
    }
    assert!(
        acknowledged > 0,
        "some were stopped after they had committed"
    );
    assert!(
        stored_again > 0,
        "some went on where a record had been removed"
    );
}

/// It still believes what it knew before, so what was appended and covered since must not be removed.
#[test]
fn a_process_stopped_for_a_moment_finds_what_was_appended_meanwhile() {
    let mut lost = 0;
    for seed in 1..=20 {
        let mut site = Site::new(seed);
        site.keep_nothing();
        site.settings.maintain = false;
        let (a, b) = (site.process("a"), site.process("b"));
        site.run(async || {
            let (sleeper, store) = (site.open(&a).await, site.open(&b).await);
            increment(&store, "before").await.unwrap();
            sleeper.wait_for(store.position()).await.unwrap();
            let confirmed_at = b.steady_time();
            let handle = sleeper.clone();
            let answer = a.run("client", async move { increment(&handle, "a").await });
            b.sleep(Duration::from_micros(seed * 200)).await;
            a.pause();
            for number in 0..4 {
                let marker = format!("b-{number}");
                while increment(&store, &marker).await.is_err() {}
                store.checkpoint().await.unwrap();
            }
            store.collect_garbage().await.unwrap();
            store.collect_garbage().await.unwrap();
            assert!(b.steady_time() - confirmed_at < HEAD_CONFIRM_MAX);
            a.resume();
            let result = answer.await.unwrap();
            let snapshot = store.latest_snapshot().await.unwrap();
            let stands = snapshot.get_raw("marker", "a").await.unwrap().is_some();
            assert_eq!(result.is_ok(), stands, "seed {seed}: {result:?}");
            lost += u32::from(!stands);
            assert_eq!(counter(&store).await, 5 + u64::from(stands), "seed {seed}");
            sleeper.close().await.unwrap();
            store.close().await.unwrap();
        });
    }
    assert!(lost > 0, "some were stopped before they had committed");
}

#[test]
fn a_create_whose_answer_took_longer_than_is_believed_is_looked_up() {
    let site = Site::new(1);
    let process = site.process("a");
    site.run(async || {
        let store = site.open(&process).await;
        let creates = || {
            site.objects
                .request_count("a", Operation::Create, "base/wal/")
        };
        let lists = || {
            let count = |prefix| site.objects.request_count("a", Operation::List, prefix);
            (count("base/epochs/"), count("base/manifests/"))
        };
        store.put_raw("note", "1", "soon").await.unwrap();
        site.objects.reset_requests();
        store.put_raw("note", "2", "soon").await.unwrap();
        assert_eq!(
            (creates(), lists()),
            (1, (0, 0)),
            "what is young is believed"
        );

        site.objects.reset_requests();
        let late = HEAD_CONFIRM_MAX;
        site.objects.set_delay(late..=late);
        let commit = store.put_raw("note", "3", "late");
        let calm_down = async {
            while creates() == 0 {
                process.sleep(Duration::from_millis(1)).await;
            }
            let soon = Duration::from_millis(1);
            site.objects.set_delay(soon..=soon);
        };
        let (committed, ()) = join(commit, calm_down).await;
        assert_eq!(committed.unwrap().position, store.position());
        assert_eq!((creates(), lists()), (1, (1, 1)));
        store.close().await.unwrap();
    });
}
