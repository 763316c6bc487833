//! Local directories: what other tools, other processes and the disk do to them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use futures::TryStreamExt;
use ost::{Create, ErrorKind, ObjectPath, Ost};

fn path(key: &str) -> ObjectPath {
    ObjectPath::parse(key).unwrap()
}

async fn keys(ost: &Ost) -> Vec<String> {
    ost.list("", None)
        .map_ok(|meta| meta.path.to_string())
        .try_collect()
        .await
        .unwrap()
}

#[tokio::test]
async fn reading_a_missing_directory_makes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("missing");
    let ost = Ost::local(&root).unwrap();
    assert_eq!(
        ost.get(&path("x")).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(keys(&ost).await.is_empty());
    assert!(ost.list_level("").await.unwrap().prefixes.is_empty());
    ost.delete(&path("x")).await.unwrap();
    assert_eq!(ost.sweep().await.unwrap(), 0);
    assert!(!root.exists());
}

#[tokio::test]
async fn os_02_every_listed_file_of_another_tool_is_readable() {
    let directory = tempfile::tempdir().unwrap();
    let names: [&[u8]; 9] = [
        b"L%3ABC",
        b"plain",
        b"a b",
        b"not\xffutf8",
        b"line\nbreak",
        b"x#1",
        b"dot.",
        b"back\\slash",
        b"%zz",
    ];
    for name in names {
        fs::write(directory.path().join(OsStr::from_bytes(name)), "content").unwrap();
    }
    let ost = Ost::local(directory.path()).unwrap();
    assert_eq!(keys(&ost).await, ["%zz", "L%3ABC", "a b", "plain"]);
    for key in keys(&ost).await {
        assert_eq!(ost.get(&path(&key)).await.unwrap(), "content");
    }
}

#[tokio::test]
async fn links_are_followed_but_not_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let ost = Ost::local(directory.path()).unwrap();
    ost.put(&path("a/x"), "x".into()).await.unwrap();
    fs::write(other.path().join("y"), "y").unwrap();
    let link = |target: &Path, name: &str| {
        std::os::unix::fs::symlink(target, directory.path().join(name)).unwrap();
    };
    link(directory.path(), "a/loop");
    link(Path::new("."), "a/self");
    link(other.path(), "b");
    link(Path::new("nowhere"), "broken");
    assert_eq!(keys(&ost).await, ["a/x", "b/y"]);
    assert_eq!(ost.get(&path("b/y")).await.unwrap(), "y");
}

#[tokio::test]
async fn pipes_are_no_objects() {
    let directory = tempfile::tempdir().unwrap();
    let is_made = Command::new("mkfifo")
        .arg(directory.path().join("pipe"))
        .status();
    if !is_made.is_ok_and(|status| status.success()) {
        println!("skipped: mkfifo is not there");
        return;
    }
    let ost = Ost::local(directory.path()).unwrap();
    assert!(keys(&ost).await.is_empty());
    assert_eq!(
        ost.get(&path("pipe")).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        ost.reader(&path("pipe")).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn os_15_readers_see_the_old_or_the_new_object_and_no_unfinished_file() {
    let directory = tempfile::tempdir().unwrap();
    let ost = Ost::local(directory.path()).unwrap();
    let (old, new) = (vec![b'o'; 1_000_000], vec![b'n'; 3_000_000]);
    ost.put(&path("x"), old.clone().into()).await.unwrap();
    static DONE: AtomicBool = AtomicBool::new(false);
    let writing = tokio::spawn({
        let (ost, old, new) = (ost.clone(), old.clone(), new.clone());
        async move {
            for content in [&new, &old].into_iter().cycle().take(16) {
                ost.put(&path("x"), content.clone().into()).await.unwrap();
                let mut writer = ost.writer(&path("x")).await.unwrap();
                for _ in 0..20 {
                    writer.write(vec![b's'; 1_000_000].into()).await.unwrap();
                }
                writer.abort().await;
            }
            DONE.store(true, Ordering::SeqCst);
        }
    });
    let mut seen = [0; 2];
    while !DONE.load(Ordering::SeqCst) {
        let content = ost.get(&path("x")).await.unwrap();
        assert!(
            content == old || content == new,
            "{} bytes of something else",
            content.len()
        );
        seen[usize::from(content == new)] += 1;
        assert_eq!(keys(&ost).await, ["x"]);
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
    assert!(seen[0] + seen[1] > 0);
}

#[tokio::test]
async fn readers_outlive_the_object() {
    let directory = tempfile::tempdir().unwrap();
    let ost = Ost::local(directory.path()).unwrap();
    ost.put(&path("x"), "0123456789".into()).await.unwrap();
    let reader = ost.reader(&path("x")).await.unwrap();
    ost.put(&path("x"), "other".into()).await.unwrap();
    ost.delete(&path("x")).await.unwrap();
    assert_eq!(reader.read(2..5).await.unwrap(), "234");
}

#[tokio::test]
async fn file_that_got_shorter_is_corrupt() {
    let directory = tempfile::tempdir().unwrap();
    let ost = Ost::local(directory.path()).unwrap();
    ost.put(&path("x"), "0123456789".into()).await.unwrap();
    let reader = ost.reader(&path("x")).await.unwrap();
    fs::File::options()
        .write(true)
        .open(directory.path().join("x"))
        .unwrap()
        .set_len(3)
        .unwrap();
    assert_eq!(
        reader.read(2..5).await.unwrap_err().kind(),
        ErrorKind::Corrupt
    );
}

/// Mounts a small file system of its own; `None`, with a word about it, where that is not allowed.
struct Mount<'directory>(&'directory Path);

impl Mount<'_> {
    #[expect(
        clippy::print_stdout,
        reason = "whoever runs the test has to see that it was skipped"
    )]
    fn new<'directory>(directory: &'directory Path, size: &str) -> Option<Mount<'directory>> {
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", size, "tmpfs"])
            .arg(directory)
            .stderr(Stdio::null());
        if mount.status().is_ok_and(|status| status.success()) {
            return Some(Mount(directory));
        }
        println!("skipped: this user cannot mount a tmpfs");
        None
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0).status().unwrap();
    }
}

#[tokio::test]
async fn os_13_mount_inside_the_directory_is_written_to() {
    let directory = tempfile::tempdir().unwrap();
    let inner = directory.path().join("inner/mount");
    fs::create_dir_all(&inner).unwrap();
    let Some(_mount) = Mount::new(&inner, "size=1m") else {
        return;
    };
    let ost = Ost::local(directory.path()).unwrap();
    for key in ["x", "inner/y", "inner/mount/z", "inner/mount/deep/er/z"] {
        ost.put(&path(key), key.into()).await.unwrap();
        assert_eq!(
            ost.create(&path(key), "other".into()).await.unwrap(),
            Create::Exists
        );
        assert_eq!(ost.get(&path(key)).await.unwrap(), key);
        ost.delete(&path(key)).await.unwrap();
        assert_eq!(
            ost.create(&path(key), key.into()).await.unwrap(),
            Create::Created
        );
    }
    assert_eq!(
        keys(&ost).await,
        ["inner/mount/deep/er/z", "inner/mount/z", "inner/y", "x"]
    );
}

#[tokio::test]
async fn os_16_full_disk_leaves_the_key_and_works_again_later() {
    let directory = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::new(directory.path(), "size=4m") else {
        return;
    };
    let ost = Ost::local(directory.path()).unwrap();
    ost.put(&path("x"), "old".into()).await.unwrap();
    ost.put(&path("filler"), vec![1; 3_000_000].into())
        .await
        .unwrap();
    let large = bytes::Bytes::from(vec![2; 2_000_000]);

    let error = ost.put(&path("x"), large.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let error = ost.create(&path("new/x"), large.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    let mut writer = ost.writer(&path("x")).await.unwrap();
    let mut written = Ok(());
    for _ in 0..20 {
        written = written.and(writer.write(large.clone()).await);
    }
    assert_eq!(written.unwrap_err().kind(), ErrorKind::Unavailable);
    drop(writer);

    assert_eq!(ost.get(&path("x")).await.unwrap(), "old");
    assert_eq!(keys(&ost).await, ["filler", "x"]);
    assert_eq!(
        fs::read_dir(directory.path().join(".ost-staging"))
            .unwrap()
            .count(),
        0
    );
    ost.delete(&path("filler")).await.unwrap();
    ost.put(&path("x"), large.clone()).await.unwrap();
    assert_eq!(ost.get(&path("x")).await.unwrap(), large);
}

/// What the test below starts in a process of its own: a writer that never finishes.
#[tokio::test]
async fn unfinished_writer_process() {
    let Some(directory) = std::env::var_os("OST_TEST_UNFINISHED_WRITER") else {
        return;
    };
    let ost = Ost::local(&directory).unwrap();
    let mut writer = ost.writer(&path("x")).await.unwrap();
    writer.write(vec![1; 40_000_000].into()).await.unwrap();
    ost.put(&path("ready"), "".into()).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn sweep_waits_for_the_writer_process_to_die() {
    let directory = tempfile::tempdir().unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "local::unfinished_writer_process"])
        .env("OST_TEST_UNFINISHED_WRITER", directory.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let ost = Ost::local(directory.path()).unwrap();
    while ost.head(&path("ready")).await.is_err() {
        assert!(
            process.try_wait().unwrap().is_none(),
            "the writer has ended"
        );
        tokio::task::yield_now().await;
    }
    let staged = || {
        fs::read_dir(directory.path().join(".ost-staging"))
            .unwrap()
            .count()
    };
    assert_eq!(ost.sweep().await.unwrap(), 0, "its writer runs");
    assert_eq!(staged(), 1);
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(ost.sweep().await.unwrap(), 1);
    assert_eq!(staged(), 0);
    assert_eq!(keys(&ost).await, ["ready"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn create_is_won_once_among_handles_and_threads() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let key = path(&format!("wal/{round}"));
        let writers: Vec<_> = (0..16)
            .map(|writer| {
                let (ost, key) = (Ost::local(directory.path()).unwrap(), key.clone());
                tokio::spawn(
                    async move { ost.create(&key, format!("{writer}").into()).await.unwrap() },
                )
            })
            .collect();
        let mut winners = Vec::new();
        for (writer, task) in writers.into_iter().enumerate() {
            if task.await.unwrap() == Create::Created {
                winners.push(writer);
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        let content = fs::read_to_string(directory.path().join(key.as_str())).unwrap();
        assert_eq!(content, winners[0].to_string());
    }
}
