//! Commits, reads, jobs and the list of processes while nothing fails.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use datamanager::testing::{ProxyFaults, TcpProxy};
use datamanager::{
    Durability, ErrorKind, EtcdOptions, ExportOptions, ImportOptions, LogKind, Mode, Outcome,
    ScanOptions,
};
use ost::{Fault, Operation};

use super::place::{Place, count_objects, ids, run, wait_until};

#[test]
fn processes_share_a_store_and_find_everything_again() {
    let Some(place) = Place::new() else {
        return;
    };
    run(async {
        let (first, second) = (place.open("first").await, place.open("second").await);
        for number in 0..20 {
            let store = if number % 2 == 0 { &first } else { &second };
            let value = format!("value {number}");
            let id = format!("{number}");
            store.put_raw("t", &id, value).await.unwrap();
        }
        for store in [&first, &second] {
            assert_eq!(ids(store).await.len(), 20);
        }
        let listed = first.instances().await.unwrap();
        let names: Vec<&str> = listed.iter().map(|listed| listed.name.as_str()).collect();
        assert_eq!(names, [first.instance(), second.instance()]);
        assert_eq!(listed[1].version, env!("CARGO_PKG_VERSION"));
        assert_eq!(listed[1].mode, Mode::Normal);
        first.close().await.unwrap();
        wait_until("closing takes the registration back", async || {
            second.instances().await.unwrap().len() == 1
        })
        .await;
        second.close().await.unwrap();
        assert_eq!(second.stats().log, LogKind::Etcd);

        let third = place.open("third").await;
        assert_eq!(third.count("t").await.unwrap(), 20);
        let reader = place.builder("reader").read_only().open().await.unwrap();
        third.put_raw("t", "20", "x").await.unwrap();
        wait_until("a reader follows", async || {
            reader.count("t").await.unwrap() == 21
        })
        .await;
        reader.close().await.unwrap();
        third.close().await.unwrap();
        let verification = place.builder("verify").verify().await.unwrap();
        assert!(verification.is_sound(), "{:?}", verification.damage);
        assert_eq!(verification.records, 21);
    });
}

/// One that had looked for the store just before another had made it was told that the prefix belongs to another store.
#[test]
fn of_first_starts_at_once_all_have_the_one_store_that_is_made() {
    const STARTS: usize = 6;
    let Some(place) = Place::new() else {
        return;
    };
    run(async {
        for round in 0..10 {
            let (prefix, ost) = (format!("/round/{round}"), ost::Ost::memory());
            let starts = (0..STARTS).map(|number| {
                let builder = place.builder_at(&prefix, ost.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(number as u64)).await;
                    builder.open().await
                })
            });
            let started = futures::future::join_all(starts.collect::<Vec<_>>()).await;
            let stores: Vec<_> = started
                .into_iter()
                .map(|start| start.unwrap().unwrap())
                .collect();
            let first = stores[0].stats().store;
            assert!(stores.iter().all(|store| store.stats().store == first));
            for store in stores {
                store.close().await.unwrap();
            }
        }
    });
}

/// How many requests of each of these kinds etcd has answered.
fn requests(place: &Place, methods: &[&str]) -> Vec<u64> {
    let mut stream = TcpStream::connect(place.etcd.address(0)).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.0\r\nHost: etcd\r\n\r\n")
        .unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).unwrap();
    let count = |method: &&str| -> u64 {
        let label = format!("grpc_method=\"{method}\"");
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with("grpc_server_handled_total") && line.contains(&label));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        format!("{:.0}", values.sum::<f64>()).parse().unwrap()
    };
    methods.iter().map(count).collect()
}

#[test]
fn one_round_trip_and_no_object_stand_before_an_acknowledgement() {
    const COMMITS: u64 = 50;
    let Some(mut place) = Place::new() else {
        return;
    };
    place.settings.flush_interval = Duration::from_secs(60);
    run(async {
        let store = place.open("a").await;
        store.put_raw("t", "warm", "x").await.unwrap();
        let (objects, before) = (
            place.objects.counts(),
            requests(&place, &["Txn", "Range", "Put"]),
        );
        for number in 0..COMMITS {
            let id = number.to_string();
            store.put_raw("t", &id, "x").await.unwrap();
        }
        let after = requests(&place, &["Txn", "Range", "Put"]);
        let asked = place.objects.counts().since(&objects).total();
        let of = |place: usize| after[place] - before[place];
        // One renewal of the registration may have come between.
        assert!(
            (COMMITS..=COMMITS + 1).contains(&of(0)),
            "{} transactions",
            of(0)
        );
        assert_eq!((of(1), of(2)), (0, 0), "no other requests");
        assert!(asked <= 1, "{asked} requests to the object storage");
        let writes = [Operation::Put, Operation::Create];
        let counts = place.objects.counts().since(&objects);
        assert_eq!(writes.map(|operation| counts.of(operation)), [0, 0]);
        store.close().await.unwrap();
    });
}

#[test]
fn a_large_record_goes_to_a_blob_once_and_is_read_by_all() {
    let Some(mut place) = Place::new() else {
        return;
    };
    // So that blobs alone are written while they are counted.
    place.settings.flush_interval = Duration::from_secs(60);
    place.settings.flush_bytes = 64 * 1024 * 1024;
    run(async {
        let (first, second) = (place.open("first").await, place.open("second").await);
        let large = vec![7; 300_000];
        first.put_raw("t", "large", large.clone()).await.unwrap();
        assert_eq!(count_objects(&place.ost, "blobs/").await, 1);
        let snapshot = second.latest_snapshot().await.unwrap();
        assert_eq!(
            snapshot.get_raw("t", "large").await.unwrap().unwrap(),
            large
        );

        // Both write at once: who loses its place does not upload again.
        let before = place.objects.counts();
        let write = async |store: &datamanager::DataManager, name: &str| {
            for number in 0..10 {
                let id = format!("{name}{number}");
                store.put_raw("t", &id, large.clone()).await.unwrap();
            }
        };
        futures::future::join(write(&first, "a"), write(&second, "b")).await;
        assert_eq!(count_objects(&place.ost, "blobs/").await, 21);
        let blobs = place.objects.counts().since(&before).bytes_written() / 300_000;
        assert_eq!(blobs, 20);
        first.checkpoint().await.unwrap();
        first.close().await.unwrap();
        second.close().await.unwrap();

        let third = place.open("third").await;
        assert_eq!(ids(&third).await.len(), 21);
        third.close().await.unwrap();
    });
}

#[test]
fn beyond_the_inline_budget_records_go_to_blobs_and_fail_clearly_without_an_object_storage() {
    let Some(mut place) = Place::new() else {
        return;
    };
    place.settings.inline_budget_bytes = 40_000;
    place.settings.maintain = false;
    run(async {
        let store = place.open("a").await;
        for number in 0..6 {
            let id = number.to_string();
            store.put_raw("t", &id, vec![1; 10_000]).await.unwrap();
        }
        let blobs = count_objects(&place.ost, "blobs/").await;
        assert_eq!(blobs, 3, "three records of 10 kB fit");
        place
            .faults
            .inject(Fault::on(Operation::Create).paths("*/blobs/*"));
        let refused = store.put_raw("t", "7", vec![1; 10_000]).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unavailable);
        assert!(
            refused.to_string().contains("40000 are allowed"),
            "{refused}"
        );
        place.faults.clear();
        // What data files hold is removed from etcd, and its history with it a while later.
        store.checkpoint().await.unwrap();
        store.put_raw("t", "7", "x").await.unwrap();
        assert_eq!(ids(&store).await.len(), 7);
        store.close().await.unwrap();
    });
}

#[test]
fn records_are_flushed_and_removed_from_etcd_once_data_files_hold_them() {
    let Some(mut place) = Place::new() else {
        return;
    };
    place.settings.flush_interval = Duration::from_millis(50);
    run(async {
        let store = place.open("a").await;
        for number in 0..30 {
            let id = number.to_string();
            store.put_raw("t", &id, "x").await.unwrap();
        }
        wait_until("the records are on the object storage", async || {
            let flushed = place.value("flushed");
            flushed.contains("\"seq\":30,")
        })
        .await;
        assert!(count_objects(&place.ost, "wal/").await < 30);
        let in_etcd = || {
            place
                .keys()
                .iter()
                .filter(|key| key.starts_with("wal/"))
                .count()
        };
        assert_eq!(in_etcd(), 30);
        store.checkpoint().await.unwrap();
        wait_until("the keys go", async || in_etcd() < 3).await;
        // Followers and records() read on.
        let cursor = store.cursor_before(1).await.unwrap();
        let mut follow = store.follow(cursor);
        for number in 0..30 {
            let next = follow.next().await.unwrap();
            assert_eq!(next.writes[0].id, number.to_string());
        }
        store.close().await.unwrap();
        let again = place.open("b").await;
        assert_eq!(ids(&again).await.len(), 30);
        again.close().await.unwrap();
    });
}

/// The process that opened the store next flushed again what lay behind the data files in an object that began before them, so
/// that records were there twice.
#[test]
fn a_flusher_goes_on_behind_an_object_that_data_files_cover_in_part() {
    let Some(mut place) = Place::new() else {
        return;
    };
    place.settings.flush_interval = Duration::from_secs(60);
    place.settings.maintain = false;
    run(async {
        let store = place.open("a").await;
        for number in 0..10 {
            let id = format!("a{number}");
            store.put_raw("t", &id, "x").await.unwrap();
        }
        // Its manifest covers the eleventh record. Nothing is flushed before it is created, and everything then.
        place
            .faults
            .inject(Fault::on(Operation::Create).paths("*/wal/*").times(1));
        let job = tokio::spawn({
            let store = store.clone();
            async move { store.checkpoint().await }
        });
        wait_until("the flusher has tried", async || {
            place.faults.injected() > 0
        })
        .await;
        for number in 0..10 {
            let id = format!("b{number}");
            store.put_raw("t", &id, "x").await.unwrap();
        }
        job.await.unwrap().unwrap();
        let covered = store.stats().covered.seq;
        store.close().await.unwrap();

        let store = place.open("b").await;
        assert!(
            store.stats().flushed.seq > covered,
            "an object goes on behind it"
        );
        store.put_raw("t", "c", "x").await.unwrap();
        store.close().await.unwrap();
        let verification = place.builder("v").verify().await.unwrap();
        assert!(verification.is_sound(), "{:?}", verification.damage);
        assert_eq!(verification.records, store.position().seq);
        let store = place.open("c").await;
        assert_eq!(ids(&store).await.len(), 21);
        store.close().await.unwrap();
    });
}

#[test]
fn with_durability_object_storage_an_acknowledged_commit_is_on_it() {
    let Some(mut place) = Place::new() else {
        return;
    };
    place.settings.durability = Durability::ObjectStorage;
    place.settings.flush_interval = Duration::from_secs(60);
    place.settings.commit_timeout = Duration::from_secs(2);
    run(async {
        let store = place.open("a").await;
        for number in 1..=3 {
            let id = number.to_string();
            store.put_raw("t", &id, "x").await.unwrap();
            assert_eq!(count_objects(&place.ost, "wal/").await, number);
        }
        place
            .faults
            .inject(Fault::on(Operation::Create).paths("*/wal/*"));
        let unknown = store.put_raw("t", "4", "x").await.unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::Unknown);
        let id = unknown.commit_id().unwrap();
        place.faults.clear();
        assert_eq!(store.outcome(id).await.unwrap(), Outcome::Committed);
        store.close().await.unwrap();
        assert_eq!(count_objects(&place.ost, "wal/").await, 4);
    });
}

/// Field case DM-17: keys that were to expire never did, as their time was given to etcd in a wrong unit.
#[test]
fn a_process_that_vanishes_leaves_the_list_within_15_seconds() {
    let Some(place) = Place::new() else {
        return;
    };
    let gone = tokio::runtime::Runtime::new().unwrap();
    let vanishing = gone.block_on(place.open("vanishing"));
    run(async {
        let store = place.open("staying").await;
        assert_eq!(store.instances().await.unwrap().len(), 2);
        let leases = place.etcd.etcdctl(&["lease", "list"]).unwrap();
        let leases: Vec<&str> = leases.lines().filter(|line| !line.contains(' ')).collect();
        assert_eq!(leases.len(), 2);
        for lease in leases {
            let told = place.etcd.etcdctl(&["lease", "timetolive", lease]).unwrap();
            assert!(told.contains("granted with TTL(10s)"), "{told}");
        }
        gone.shutdown_background();
        let began = Instant::now();
        wait_until("it leaves the list", async || {
            store.instances().await.unwrap().len() == 1
        })
        .await;
        assert!(began.elapsed() < Duration::from_secs(15));
        store.put_raw("t", "1", "x").await.unwrap();
        store.close().await.unwrap();
    });
    drop(vanishing);
}

#[test]
fn maintenance_and_an_import_reach_all_processes_and_operators_see_it_in_etcd() {
    let Some(place) = Place::new() else {
        return;
    };
    run(async {
        let (first, second) = (place.open("first").await, place.open("second").await);
        first.put_raw("t", "old", "x").await.unwrap();
        let mut export = first.export(ExportOptions::new()).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = export.next().await.unwrap() {
            bytes.extend_from_slice(&piece);
        }
        second.put_raw("t", "newer", "x").await.unwrap();
        let since = first.maintenance_on().await.unwrap();
        let shown = place.value("maintenance");
        assert!(shown.contains(&format!("\"seq\":{}", since.seq)), "{shown}");
        assert!(shown.contains(first.instance()), "{shown}");
        second.wait_for(since).await.unwrap();
        let refused = second.put_raw("t", "1", "x").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Maintenance);

        let input = std::io::Cursor::new(bytes);
        let report = first.import(input, ImportOptions::new()).await.unwrap();
        assert_eq!((report.entries, report.epoch), (1, 2));
        wait_until("the other process goes on", async || {
            second.stats().epoch == 2
        })
        .await;
        assert_eq!(ids(&second).await, ["old"]);
        second.maintenance_off(false).await.unwrap();
        assert_eq!(place.value("maintenance"), "");
        second.put_raw("t", "after", "x").await.unwrap();
        assert_eq!(ids(&first).await, ["after", "old"]);
        assert!(place.value("head").contains("\"epoch\":2"));
        first.close().await.unwrap();
        second.close().await.unwrap();

        // The imported state holds, also without etcd's keys.
        place.wipe_keys();
        let store = place.open("third").await;
        wait_until("the log is recovered", async || store.stats().epoch == 3).await;
        assert_eq!(ids(&store).await, ["after", "old"]);
        store.close().await.unwrap();
    });
}

/// Field case IE-04: the status said that maintenance was on, though a process had not entered it yet.
#[test]
fn a_process_that_is_not_in_maintenance_yet_is_shown_so_and_holds_up_an_import() {
    let Some(mut place) = Place::new() else {
        return;
    };
    place.settings.import_wait_max = Duration::from_secs(1);
    let proxy = TcpProxy::start(place.etcd.address(0), 7).unwrap();
    run(async {
        let options = EtcdOptions::new(&proxy.endpoint(), &place.prefix).unwrap();
        let far = place.builder("far").etcd(options).open().await.unwrap();
        let near = place.open("near").await;
        near.put_raw("t", "1", "x").await.unwrap();
        let mut export = near.export(ExportOptions::new()).await.unwrap();
        let mut bytes = Vec::new();
        while let Some(piece) = export.next().await.unwrap() {
            bytes.extend_from_slice(&piece);
        }
        proxy.set_faults(ProxyFaults::black_hole()).unwrap();
        near.maintenance_on().await.unwrap();
        let modes = async || {
            let listed = near.instances().await.unwrap();
            let modes = listed.into_iter().map(|listed| listed.mode);
            modes.collect::<Vec<Mode>>()
        };
        assert_eq!(modes().await, [Mode::Normal, Mode::Maintenance]);
        let input = std::io::Cursor::new(bytes.clone());
        let error = near.import(input, ImportOptions::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.to_string().contains(far.instance()), "{error}");
        proxy.cut();
        proxy.set_faults(ProxyFaults::default()).unwrap();
        wait_until("both are in maintenance", async || {
            modes().await == [Mode::Maintenance, Mode::Maintenance]
        })
        .await;
        let input = std::io::Cursor::new(bytes);
        near.import(input, ImportOptions::new()).await.unwrap();
        far.close().await.unwrap();
        near.close().await.unwrap();
    });
}

#[test]
fn a_store_moves_to_etcd_and_back_and_to_etcd_again() {
    let Some(place) = Place::new() else {
        return;
    };
    let plain =
        || datamanager::Builder::from_ost(place.ost.clone()).settings(place.settings.clone());
    run(async {
        let store = plain().open().await.unwrap();
        store.put_raw("t", "1", "x").await.unwrap();
        store.close().await.unwrap();
        let refused = place.builder("a").open().await.unwrap_err();
        assert!(refused.to_string().contains("log=object"), "{refused}");

        for (to, epoch) in [(LogKind::Etcd, 2), (LogKind::Object, 3), (LogKind::Etcd, 4)] {
            place.builder("a").switch_log(to).await.unwrap();
            let builder = match to {
                LogKind::Etcd => place.builder("a"),
                _ => plain(),
            };
            let store = builder.open().await.unwrap();
            let stats = store.stats();
            assert_eq!((stats.log, stats.epoch), (to, epoch));
            let id = format!("in epoch {epoch}");
            store.put_raw("t", &id, "x").await.unwrap();
            assert_eq!(ids(&store).await.len(), usize::try_from(epoch).unwrap());
            store.close().await.unwrap();
        }
        let refused = plain().open().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert!(refused.to_string().contains("endpoints"), "{refused}");
        let verification = place.builder("v").verify().await.unwrap();
        assert!(verification.is_sound(), "{:?}", verification.damage);
        let store = place.open("b").await;
        let mut scan = store.scan_raw("t", &ScanOptions::new()).unwrap();
        let mut count = 0;
        while scan.next().await.unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, 4);
        store.close().await.unwrap();
    });
}

#[test]
fn two_busy_writers_share_the_log_and_lose_nothing() {
    const SECONDS: u64 = 3;
    let Some(place) = Place::new() else {
        return;
    };
    run(async {
        let (first, second) = (place.open("first").await, place.open("second").await);
        let write = async |store: &datamanager::DataManager, name: &str| {
            let (began, mut count) = (Instant::now(), 0_u64);
            while began.elapsed() < Duration::from_secs(SECONDS) {
                let id = format!("{name}{count}");
                store.put_raw("t", &id, "x").await.unwrap();
                count += 1;
            }
            count
        };
        let writers = [("a", first.clone()), ("b", second.clone())]
            .map(|(name, store)| tokio::spawn(async move { write(&store, name).await }));
        let counts = futures::future::join_all(writers).await;
        let counts: Vec<u64> = counts.into_iter().map(Result::unwrap).collect();
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(least * 3 >= *most, "{counts:?}");
        let total = usize::try_from(counts.iter().sum::<u64>()).unwrap();
        assert_eq!(ids(&first).await.len(), total);
        first.close().await.unwrap();
        second.close().await.unwrap();
    });
}
