//! Archives that come as streams.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;

use super::*;

fn pieces(archive: &[u8]) -> Vec<Result<Bytes, io::Error>> {
    let pieces = archive.chunks(100);
    pieces
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_unpacked_and_its_failure_is_told() {
    let archive = Hand::new()
        .file("a", &"x".repeat(5_000))
        .file("b", "y")
        .end();
    let to = tempfile::tempdir().unwrap();
    let whole = stream::iter(pieces(&archive));
    unpack_stream(whole, to.path().to_owned(), options())
        .await
        .unwrap();
    assert_eq!(names(to.path()), "a b");
    let failure = || stream::iter([Err(io::Error::other("the connection broke"))]);
    // In the middle, and behind the end mark.
    for count in [20, pieces(&archive).len()] {
        let cut = stream::iter(pieces(&archive)).take(count).chain(failure());
        let error = unpack_stream(cut, to.path().to_owned(), options())
            .await
            .unwrap_err();
        let reason = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            reason.contains("the connection broke"),
            "{count}: {error}: {reason}"
        );
        assert!(!error.is_cancelled());
    }
    let ended = stream::iter(pieces(&archive)).take(20);
    let error = unpack_stream(ended, to.path().to_owned(), options())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("cut off"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_hangs_is_given_up_when_the_task_is_stopped() {
    let archive = Hand::new().file("a", &"x".repeat(5_000)).end();
    let to = tempfile::tempdir().unwrap();
    let stopped = options();
    let hanging = stream::iter(pieces(&archive))
        .take(20)
        .chain(stream::pending());
    let unpacking = unpack_stream(hanging, to.path().to_owned(), stopped.clone());
    let unpacking = tokio::spawn(unpacking);
    // It has begun.
    while !to.path().join("a").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stopped.cancelled.cancel();
    let done = tokio::time::timeout(Duration::from_secs(10), unpacking).await;
    assert!(done.unwrap().unwrap().unwrap_err().is_cancelled());
}
