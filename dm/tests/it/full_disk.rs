//! Disks that are full or read-only. They are mounted for the test, which needs root; elsewhere the tests say so.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Place, documents, run};

/// A small file system in memory, unmounted when dropped.
struct SmallDisk {
    directory: tempfile::TempDir,
}

impl SmallDisk {
    /// `None`, and a reason is printed, where nothing can be mounted.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn mount(kibibytes: u32) -> Option<SmallDisk> {
        let directory = tempfile::tempdir().unwrap();
        let options = format!("size={kibibytes}k");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(directory.path())
            .output();
        match mount {
            Ok(output) if output.status.success() => Some(SmallDisk { directory }),
            Ok(output) => {
                let reason = String::from_utf8_lossy(&output.stderr).into_owned();
                eprintln!("skipped: cannot mount a tmpfs: {reason}");
                None
            }
            Err(error) => {
                eprintln!("skipped: cannot run mount: {error}");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(self.directory.path())
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join("store")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.directory.path()).status();
    }
}

fn scan(store: &Path) -> String {
    run(store, &["scan", "t"], b"").done()
}

#[test]
fn full_disk_keeps_what_was_acknowledged_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount(1024) else {
        return;
    };
    let store = disk.store();
    let input = documents(10, 20_000);
    let loaded = run(
        &store,
        &["load", "t", "-", "--batch", "100", "--json"],
        input.as_bytes(),
    );
    let acknowledged = loaded.stdout().lines().count() * 100;
    assert!(acknowledged > 0);
    loaded.fails_with(
        1,
        &[
            &format!("rows 1 to {acknowledged} are stored, later ones are not"),
            &format!("rows {} to {}", acknowledged + 1, acknowledged + 100),
            "No space left on device",
        ],
    );
    let lines: Vec<&str> = input.split_inclusive('\n').collect();
    assert!(scan(&store) == lines[..acknowledged].concat());
    assert_eq!(run(&store, &["verify"], b"").code(), 0);

    disk.remount("size=16m");
    assert!(scan(&store) == lines[..acknowledged].concat());
    run(&store, &["load", "u", "-"], input.as_bytes()).done();
    assert_eq!(run(&store, &["count", "u"], b"").done(), "20000\n");
    run(&store, &["verify"], b"").done();
}

#[test]
fn disk_without_any_room_gets_an_error_and_no_half_made_store() {
    let Some(disk) = SmallDisk::mount(16) else {
        return;
    };
    let filler = disk.directory.path().join("filler");
    let _ = std::fs::write(&filler, vec![1; 64 * 1024]);
    let store = disk.store();
    run(&store, &["put", "t", "x"], b"1").failed(1);
    std::fs::remove_file(filler).unwrap();
    disk.remount("size=1m");
    run(&store, &["put", "t", "x"], b"1").done();
    assert_eq!(scan(&store), "1\n");
}

#[test]
fn read_only_mount_is_read_and_not_written() {
    let Some(disk) = SmallDisk::mount(1024) else {
        return;
    };
    let store = disk.store();
    run(&store, &["put", "t", "x"], b"1").done();
    disk.remount("ro");
    for arguments in [
        &["put", "t", "x"][..],
        &["delete", "t", "x"],
        &["load", "t", "-"],
    ] {
        run(&store, arguments, b"2")
            .fails_with(1, &[&store.display().to_string(), "Read-only file system"]);
    }
    let elsewhere = disk.directory.path().join("elsewhere");
    run(&elsewhere, &["put", "t", "x"], b"1").fails_with(1, &["Read-only file system"]);
    assert_eq!(scan(&store), "1\n");
    assert_eq!(run(&store, &["get", "t", "x"], b"").done(), "1");
    assert_eq!(run(&store, &["count", "t"], b"").done(), "1\n");
    run(&store, &["status"], b"").done();
    assert_eq!(run(&store, &["wal"], b"").done().lines().count(), 1);
    let verify = run(&store, &["verify"], b"").done();
    assert!(
        verify.contains("create-if-absent     not tried\n"),
        "{verify}"
    );
}

/// Field case IE-06: an export that ran out of room left a file that looked like a whole one.
#[test]
fn export_to_a_full_disk_fails_and_leaves_no_file() {
    let Some(disk) = SmallDisk::mount(1024) else {
        return;
    };
    let place = Place::new();
    let input = documents(11, 20_000);
    place
        .dm_with_input(&["load", "t", "-"], input.as_bytes())
        .done();
    let file = disk.directory.path().join("store.export");
    let shown = file.to_str().unwrap();
    for format in ["native", "agola"] {
        place
            .dm(&["export", "-o", shown, "--format", format])
            .fails_with(1, &[shown, "No space left on device"]);
        let left = std::fs::read_dir(disk.directory.path()).unwrap();
        assert_eq!(left.count(), 0, "{format}");
    }
    disk.remount("size=16m");
    place.dm(&["export", "-o", shown]).done();
    let copy = Place::new();
    copy.dm(&["maintenance", "on"]).done();
    copy.dm(&["import", shown]).done();
    assert!(scan(&copy.store()) == input);
}
