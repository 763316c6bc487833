//! Manifests that are pinned.

use super::*;

#[test]
fn a_pinned_manifest_and_its_files_stay_until_it_is_unpinned() {
    let mut host = quiet(29);
    host.settings.data_file_bytes_max = 100;
    host.run(async |store| {
        let round = async |value: &str| {
            for number in 0..5 {
                store
                    .put_raw("item", &format!("{number}"), value.to_owned())
                    .await
                    .unwrap();
            }
            store.checkpoint().await.unwrap();
            store.compact().await.unwrap();
        };
        round("1").await;
        let pin = store.pin("backup", None).await.unwrap();
        let pinned = keys(&host.ost, "data/").await;
        for value in ["2", "3", "4"] {
            round(value).await;
            store.collect_garbage().await.unwrap();
        }
        let files = keys(&host.ost, "data/").await;
        assert!(pin_files_are_there(&files, &pinned), "{files:?} {pinned:?}");
        assert!(
            keys(&host.ost, "manifests/")
                .await
                .contains(&pin.manifest_key())
        );
        assert_eq!(store.pins().await.unwrap(), [pin]);
        store.unpin("backup").await.unwrap();
        assert_eq!(
            store.unpin("backup").await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(
            store.pin("a/b", None).await.unwrap_err().kind(),
            ErrorKind::Invalid
        );
        store.collect_garbage().await.unwrap();
        let files = keys(&host.ost, "data/").await;
        assert!(!pin_files_are_there(&files, &pinned));
    });
}

fn pin_files_are_there(files: &[String], pinned: &[String]) -> bool {
    // What the compaction before the pin had made garbage already is not kept.
    pinned.last().is_some_and(|file| files.contains(file))
}

/// Its term was over before it had begun: it was counted from the time of a process whose clock was behind the storage's.
#[test]
fn a_pin_of_a_process_whose_clock_is_behind_keeps_its_manifest() {
    // The simulated clock is that of a day long ago, and the storage's is not.
    quiet(36).run(async |store| {
        store.put_raw("item", "a", "0").await.unwrap();
        store.checkpoint().await.unwrap();
        let term = Duration::from_secs(600);
        let pin = store.pin("held", Some(term)).await.unwrap();
        for _ in 0..5 {
            store.put_raw("item", "a", "0").await.unwrap();
            store.checkpoint().await.unwrap();
        }
        let report = store.collect_garbage().await.unwrap();
        assert!(!report.manifests.is_empty(), "{report:?}");
        assert!(!report.manifests.contains(&pin.manifest_key()));
    });
}

#[test]
fn a_pin_whose_term_is_over_keeps_nothing_and_is_no_damage() {
    let host = quiet(35);
    let process = host.process();
    host.simulation
        .run_until(async {
            let store = host.open(&process).await.unwrap();
            store.put_raw("item", "a", "0").await.unwrap();
            store
                .pin("short", Some(Duration::from_millis(1)))
                .await
                .unwrap();
            for _ in 0..5 {
                store.put_raw("item", "a", "0").await.unwrap();
                store.checkpoint().await.unwrap();
            }
            store.collect_garbage().await.unwrap();
            process.shift_wall_clock(10_000);
            assert!(host.builder(&process).verify().await.unwrap().is_sound());
            store.close().await.unwrap();
        })
        .unwrap();
}
