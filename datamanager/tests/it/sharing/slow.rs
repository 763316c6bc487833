//! Storages that are slow, and processes and jobs that are overtaken by others.

use super::*;

/// It asked again and again, deeper each time, for as long as the storage was slow.
#[test]
fn a_storage_slower_than_is_believed_is_unavailable_and_not_asked_for_ever() {
    let mut site = Site::new(70);
    site.settings.maintain = false;
    let (a, b) = (site.process("a"), site.process("b"));
    site.run(async || {
        let store = site.open(&a).await;
        increment(&store, "before").await.unwrap();
        let usual = Duration::from_millis(5)..=Duration::from_millis(20);
        site.objects
            .set_delay(HEAD_CONFIRM_MAX * 6 / 5..=HEAD_CONFIRM_MAX * 3 / 2);
        let error = store.latest_snapshot().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.chain().contains("head_confirm_max"), "{error:?}");
        site.objects.set_delay(usual);
        b.sleep(Duration::from_secs(10)).await;
        increment_until_done(&store, "after").await;
        assert_eq!(counter(&store).await, 2);
        store.close().await.unwrap();
    });
}

#[test]
fn a_process_whose_clock_is_far_ahead_raises_no_times_and_says_so() {
    const MINUTE_MS: i64 = 60_000;
    captured_log::start();
    let said = || captured_log::lines_of("clock-ahead-");
    let site = Site::new(90);
    let (right, wrong) = (site.process("right"), site.process("wrong"));
    site.run(async || {
        wrong.shift_wall_clock(4 * MINUTE_MS);
        let store = site.open(&right).await;
        let builder = site.builder(&wrong).name("clock-ahead");
        let ahead = builder.clone().open().await.unwrap();
        let times = async |store: &DataManager| {
            increment_until_done(store, &format!("at {}", store.position())).await;
            store.stats().time
        };
        // A few minutes are nothing unusual.
        let late = times(&ahead).await;
        assert!(late.saturating_since(right.wall_time()) > Duration::from_secs(200));
        assert_eq!(said(), [""; 0]);
        right.sleep(Duration::from_secs(600)).await;
        let last = times(&store).await;

        // It is put forward while the store is open.
        wrong.shift_wall_clock(2 * MINUTE_MS);
        right.sleep(Duration::from_secs(30)).await;
        assert_eq!(times(&ahead).await, last);
        assert_eq!(times(&ahead).await, last);
        assert_eq!(said().len(), 1, "{:?}", said());
        assert!(said()[0].contains("clock is ahead of the object storage's"));
        assert!(times(&store).await > last, "others raise it");

        // It is put right again, and forward before the store is opened.
        wrong.shift_wall_clock(-6 * MINUTE_MS);
        let last = times(&ahead).await;
        assert!(last.saturating_since(right.wall_time()) < Duration::from_secs(1));
        ahead.close().await.unwrap();
        wrong.shift_wall_clock(6 * MINUTE_MS);
        let ahead = builder.open().await.unwrap();
        assert_eq!(said().len(), 2, "{:?}", said());
        right.sleep(Duration::from_secs(30)).await;
        assert_eq!(times(&ahead).await, last);
        ahead.close().await.unwrap();
        store.close().await.unwrap();
    });
}

/// A process that was stopped each time between listing the manifests and reading the newest one said that it was not
/// found: a collector had removed it, and there were newer ones.
#[test]
fn manifests_that_are_removed_while_a_process_stands_still_are_looked_for_again() {
    for stops in 1..=8 {
        let mut site = Site::new(70 + stops);
        site.keep_nothing();
        site.settings.maintain = false;
        let (a, b) = (site.process("a"), site.process("b"));
        site.run(async || {
            let store = site.open(&a).await;
            let builder = site.builder(&b);
            let opening = b.run("open", async move { builder.open().await });
            let opened = stop_after_lists(&site, &store, &b, stops, opening).await;
            let other = opened.unwrap();
            increment(&other, "b").await.unwrap();
            let handle = other.clone();
            let checkpoint = b.run("checkpoint", async move { handle.checkpoint().await });
            let result = stop_after_lists(&site, &store, &b, stops, checkpoint).await;
            if let Err(error) = result {
                // The others were faster.
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
            }
            assert_eq!(counter(&store).await, 1);
            store.close().await.unwrap();
            other.close().await.unwrap();
        });
    }
}

/// Stops `process` the first `stops` times that it has listed manifests, and replaces all of these before it goes on.
async fn stop_after_lists<T>(
    site: &Site,
    store: &DataManager,
    process: &SimulatedEnvironment,
    stops: u64,
    work: impl Future<Output = Option<T>>,
) -> T {
    let lists = || {
        let name = process.name();
        let operation = Operation::List;
        site.objects
            .request_count(name, operation, "base/manifests/")
    };
    let replace = async {
        for _ in 0..stops {
            let before = lists();
            while lists() == before {
                let moment = Duration::from_micros(100);
                site.objects.environment().sleep(moment).await;
            }
            process.pause();
            for _ in 0..4 {
                store.put_raw("other", "1", "").await.unwrap();
                store.checkpoint().await.unwrap();
            }
            store.collect_garbage().await.unwrap();
            process.resume();
        }
        std::future::pending::<()>().await;
    };
    match futures::future::select(Box::pin(work), Box::pin(replace)).await {
        futures::future::Either::Left((done, _)) => done.unwrap(),
        futures::future::Either::Right(_) => unreachable!("it goes on for ever"),
    }
}

/// The upkeep of a process took a job that was run by hand for one that had been cut off, and gave it up.
#[test]
fn jobs_run_by_hand_and_the_upkeep_of_their_process_leave_each_other_alone() {
    for seed in 1..=5 {
        let site = Site::new(seed).with_busy_jobs();
        let process = site.process("a");
        site.run(async || {
            let store = site.open(&process).await;
            let writes = async {
                for number in 0..600 {
                    let id = format!("{:03}", number % 100);
                    store.put_raw("note", &id, "text").await.unwrap();
                }
            };
            let jobs = async {
                let mut jobs = 0;
                while store.position().seq < 600 {
                    store.compact().await.unwrap();
                    jobs += store.compact_as_due().await.unwrap().jobs;
                    jobs += u64::from(store.checkpoint().await.unwrap().files > 0);
                }
                jobs
            };
            let ((), jobs) = join(writes, jobs).await;
            assert!(jobs > 0, "some had something to do");
            store.close().await.unwrap();
        });
    }
}

/// It said that a file was not found, which for a job has no meaning.
#[test]
fn a_job_whose_files_were_collected_says_that_it_came_to_nothing() {
    let mut site = Site::new(3);
    site.keep_nothing();
    site.settings.maintain = false;
    site.settings.job_claim_max = Duration::from_secs(10);
    let (a, b) = (site.process("a"), site.process("b"));
    site.run(async || {
        let (store, other) = (site.open(&a).await, site.open(&b).await);
        increment(&store, "a").await.unwrap();
        other.latest_snapshot().await.unwrap();
        let has_asked = async |operation, prefix: &str| {
            let asked = || site.objects.request_count("b", operation, prefix);
            let before = asked();
            while asked() == before {
                a.sleep(Duration::from_micros(100)).await;
            }
        };
        let handle = other.clone();
        let job = b.run("checkpoint", async move { handle.checkpoint().await });
        // It looks for its files before a manifest names them, and gets the answer when they are gone.
        has_asked(Operation::Put, "base/data/").await;
        has_asked(Operation::Get, "base/manifests/").await;
        let late = Duration::from_secs(40);
        site.objects.set_delay(late..=late);
        has_asked(Operation::Head, "base/data/").await;
        let soon = Duration::from_millis(1);
        site.objects.set_delay(soon..=soon);
        for _ in 0..2 {
            store.collect_garbage().await.unwrap();
            a.sleep(Duration::from_secs(11)).await;
        }
        store.checkpoint().await.unwrap();
        store.collect_garbage().await.unwrap();
        let error = job.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.chain().contains("no object"), "{error:?}");
        store.close().await.unwrap();
        other.close().await.unwrap();
    });
}

/// A process that began anew, and was slow in it while others merged the files of the manifest that it had read, took that
/// for damage and served nothing any more.
#[test]
fn files_that_are_merged_while_a_process_begins_anew_are_no_damage() {
    let mut site = Site::new(4);
    site.keep_nothing();
    site.settings.maintain = false;
    let (a, b) = (site.process("a"), site.process("b"));
    site.run(async || {
        let (store, other) = (site.open(&a).await, site.open(&b).await);
        let grow = async || {
            for _ in 0..4 {
                increment(&store, "a").await.unwrap();
                store.checkpoint().await.unwrap();
                store.compact().await.unwrap();
            }
            store.collect_garbage().await.unwrap();
        };
        b.pause();
        grow().await;
        a.sleep(HEAD_CONFIRM_MAX * 4).await;
        store.collect_garbage().await.unwrap();
        b.resume();
        let has_asked = async |operation, prefix: &str| {
            let asked = || site.objects.request_count("b", operation, prefix);
            let before = asked();
            while asked() == before {
                a.sleep(Duration::from_micros(100)).await;
            }
        };
        let handle = other.clone();
        let snapshot = b.run("read", async move { handle.latest_snapshot().await });
        has_asked(Operation::Get, "base/manifests/").await;
        let late = HEAD_CONFIRM_MAX / 3;
        site.objects.set_delay(late..=late);
        has_asked(Operation::List, "base/data/").await;
        let soon = Duration::from_millis(1);
        site.objects.set_delay(soon..=soon);
        grow().await;
        drop(snapshot.await.unwrap().unwrap());
        assert_eq!(counter(&other).await, 8);
        store.close().await.unwrap();
        other.close().await.unwrap();
    });
}
