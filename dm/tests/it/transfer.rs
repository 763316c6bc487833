//! Export, import, maintenance, and a backup by copying files, as an operator does them.

use std::path::{Path, PathBuf};

use crate::support::{Place, Random, documents, number_from, run};

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn an_export_comes_back_in_both_formats_over_other_data() {
    let source = Place::new();
    let input = documents(3, 400);
    source
        .dm_with_input(&["load", "city", "-", "--id", "auto"], input.as_bytes())
        .done();
    for arguments in [
        &["--format", "native"][..],
        &["--format", "agola"],
        &["--format", "native", "--zstd"],
        &["--format", "agola", "--zstd"],
    ] {
        let target = Place::new();
        let file = target.store().with_extension("export");
        let export = [&["export", "-o", shown(&file)][..], arguments].concat();
        let exported = source.dm(&export);
        exported.done();
        // No bar is drawn where nobody looks.
        let stderr = exported.stderr();
        assert!(stderr.starts_with("dm: 400 entries exported"), "{stderr:?}");
        assert_eq!(
            stderr.matches(['\n', '\r', '\u{1b}']).count(),
            1,
            "{stderr:?}"
        );
        source.dm(&export).fails_with(2, &["is there already"]);
        target.dm_with_input(&["put", "old", "1"], b"x").done();
        target
            .dm(&["import", shown(&file)])
            .fails_with(1, &["not in maintenance"]);
        target.dm(&["maintenance", "on"]).done();
        target.dm(&["import", shown(&file)]).done();
        target
            .dm_with_input(&["put", "old", "1"], b"x")
            .fails_with(1, &["in maintenance since"]);
        target.dm(&["maintenance", "off"]).done();
        assert_eq!(target.dm(&["scan", "city"]).done(), input);
        assert_eq!(target.dm(&["types"]).done(), "city\n");
        target.dm(&["verify"]).done();
        target.dm_with_input(&["put", "old", "1"], b"x").done();
    }
}

#[test]
fn a_cut_or_foreign_file_is_refused_and_the_old_data_stays() {
    let place = Place::new();
    let input = documents(4, 50);
    place
        .dm_with_input(&["load", "t", "-"], input.as_bytes())
        .done();
    let exported = place.dm(&["export"]).done();
    place.dm(&["maintenance", "on"]).done();
    let cut = &exported.as_bytes()[..exported.len() / 2];
    for (bytes, part) in [(cut, "cut off"), (b"<html>".as_slice(), "HTML")] {
        place
            .dm_with_input(&["import", "-"], bytes)
            .fails_with(1, &[part]);
    }
    place.dm(&["maintenance", "off"]).done();
    assert_eq!(place.dm(&["scan", "t"]).done(), input);
}

/// The moments are drawn; whatever they are, the store holds the one or the other.
#[test]
fn an_import_that_is_killed_leaves_the_old_or_the_new_data() {
    let rounds = number_from("DM_SOAK_ROUNDS", 10).min(30);
    let seed = number_from("DM_SEED", u64::from(std::process::id()));
    println!("DM_SEED={seed}");
    let mut random = Random::new(seed);
    let source = Place::new();
    let new = documents(5, 3_000);
    source
        .dm_with_input(&["load", "t", "-"], new.as_bytes())
        .done();
    let file = source.store().with_extension("export");
    source.dm(&["export", "-o", shown(&file)]).done();
    let place = Place::new();
    let old = documents(6, 100);
    place
        .dm_with_input(&["load", "t", "-"], old.as_bytes())
        .done();
    place.dm(&["maintenance", "on"]).done();
    for _ in 0..rounds {
        let mut import = place.start(&["import", shown(&file)]);
        std::thread::sleep(std::time::Duration::from_micros(
            random.below(120_000) as u64
        ));
        import.kill();
        drop(import);
        let found = place.dm(&["scan", "t"]).done();
        assert!(found == old || found == new, "seed {seed}");
        place.dm(&["verify"]).done();
    }
    place.dm(&["import", shown(&file)]).done();
    assert_eq!(place.dm(&["scan", "t"]).done(), new);
    place.dm(&["maintenance", "off", "--force"]).done();
}

#[test]
fn an_export_passes_over_damage_if_it_is_told_to_and_names_it() {
    let place = Place::new();
    let input = documents(8, 2_000);
    place
        .dm_with_input(&["load", "t", "-"], input.as_bytes())
        .done();
    place.dm(&["checkpoint"]).done();
    place.dm_with_input(&["put", "u", "1"], b"whole").done();
    place.dm(&["checkpoint"]).done();
    let files = std::fs::read_dir(place.store().join("data")).unwrap();
    let files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    let size = |path: &&PathBuf| std::fs::metadata(path).unwrap().len();
    let damaged = files.iter().max_by_key(size).unwrap();
    let mut content = std::fs::read(damaged).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(damaged, content).unwrap();

    let name = damaged.file_name().unwrap().to_str().unwrap();
    let file = place.store().with_extension("export");
    let export = ["export", "-o", shown(&file)];
    place.dm(&export).fails_with(1, &[name]);
    assert!(!file.exists());
    let skipped = place.dm(&[&export[..], &["--skip-damaged"]].concat());
    skipped.done();
    let stderr = skipped.stderr();
    let mut notes = stderr.lines().filter(|line| line.contains("passed over: "));
    assert!(
        notes.next().is_some_and(|note| note.contains(name)),
        "{stderr}"
    );

    let copy = Place::new();
    copy.dm(&["maintenance", "on"]).done();
    copy.dm(&["import", shown(&file)]).done();
    assert_eq!(copy.dm(&["get", "u", "1"]).done(), "whole");
    let rest = copy.dm(&["scan", "t"]).done();
    let lines: std::collections::HashSet<&str> = input.lines().collect();
    assert!(rest.lines().all(|line| lines.contains(line)));
    let count = rest.lines().count();
    assert!(count > 0 && count < 2_000, "{count}");
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Field case IE-12: a restore that was described and never tried. The steps are those of the README.
#[test]
fn a_backup_of_a_pinned_manifest_restores_the_store() {
    for log in ["file", "object"] {
        let place = Place::new();
        let input = documents(7, 200);
        let load = ["--log", log, "load", "t", "-"];
        place.dm_with_input(&load, input.as_bytes()).done();
        place.dm(&["checkpoint"]).done();
        place.dm_with_input(&["put", "u", "late"], b"late").done();
        let pinned = place.dm(&["pin", "backup", "--for", "1d", "--json"]).done();
        let pin: serde_json::Value = serde_json::from_str(&pinned).unwrap();
        let epoch = format!("epochs/{:010}.json", pin["epoch"].as_u64().unwrap());
        let manifest = format!(
            "manifests/{:010}/{:020}.json",
            pin["epoch"].as_u64().unwrap(),
            pin["manifest"].as_u64().unwrap()
        );
        let (store, backup) = (place.store(), place.store().with_extension("backup"));
        copy_directory(&store.join("data"), &backup.join("data"));
        // What is committed meanwhile may or may not be in the copy.
        place.dm_with_input(&["put", "u", "later"], b"later").done();
        for file in [manifest.as_str(), epoch.as_str(), "store.json"] {
            let to: PathBuf = backup.join(file);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(store.join(file), to).unwrap();
        }
        copy_directory(&store.join("wal"), &backup.join("wal"));
        place.dm(&["unpin", "backup"]).done();
        std::fs::remove_dir_all(&store).unwrap();

        run(&backup, &["verify"], b"").done();
        assert_eq!(run(&backup, &["scan", "t"], b"").done(), input);
        assert_eq!(run(&backup, &["get", "u", "late"], b"").done(), "late");
        run(&backup, &["put", "u", "new"], b"new").done();
    }
}

#[test]
fn the_log_moves_to_objects_and_several_writers_open_the_store() {
    let place = Place::new();
    place.dm_with_input(&["put", "t", "1"], b"one").done();
    place
        .dm(&["--log", "object", "get", "t", "1"])
        .fails_with(1, &["has log=file", "switch-log"]);
    place.dm(&["switch-log", "object"]).done();
    place.dm(&["switch-log", "object"]).failed(1);
    let mut writer = place.start(&["load", "u", "-", "--batch", "1", "--json"]);
    writer.write(b"{\"a\":1}\n");
    writer.line().unwrap();
    place.dm_with_input(&["put", "t", "2"], b"two").done();
    let status = place.dm(&["status"]).done();
    assert!(status.contains("log                  object\n"), "{status}");
    assert!(status.contains("open in"), "{status}");
    place
        .dm(&["switch-log", "file"])
        .fails_with(1, &["other processes have the store open"]);
    assert_eq!(writer.finish(), 0);
    place.dm(&["switch-log", "file"]).done();
    assert_eq!(place.dm(&["count", "t"]).done(), "2\n");
    assert_eq!(place.dm(&["count", "u"]).done(), "1\n");
    place.dm(&["upgrade"]).done();
}
