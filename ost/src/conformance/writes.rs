//! Puts, streams and deletes.

use bytes::Bytes;
use futures::TryStreamExt;

use super::failure::Case;
use super::{Abilities, Failure};
use crate::{ErrorKind, Ost};

/// A put takes the place of what was there.
///
/// # Errors
/// Other content than the last put's.
pub async fn put_replaces(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "put_replaces").await?;
    for content in ["first", "", "a longer third"] {
        case.put("a/b", content).await?;
        case.expect("a/b", content).await?;
        let stream = case.ok("get stream", case.ost.get_stream(&case.path("a/b")?).await)?;
        let pieces: Vec<Bytes> = case.ok("get stream", stream.try_collect().await)?;
        case.same("stream", pieces.concat(), content.as_bytes().to_vec())?;
    }
    case.same("list", case.keys("", None).await?, vec!["a/b".to_owned()])?;
    case.clean_up().await
}

/// A stream is stored whole whatever its size and the size of its pieces, and is not there before its end.
///
/// # Errors
/// Another size or content.
pub async fn streams_of_any_size_are_stored(
    ost: &Ost,
    abilities: &Abilities,
) -> Result<(), Failure> {
    let case = Case::begin(ost, "streams_of_any_size_are_stored").await?;
    let path = case.path("stream")?;
    let part = 8 * 1024 * 1024;
    let sizes = [
        0,
        1,
        5,
        10,
        65_537,
        part - 1,
        part,
        part + 1,
        abilities.stream_bytes_max,
    ];
    for size in sizes
        .into_iter()
        .filter(|size| *size <= abilities.stream_bytes_max)
    {
        for piece_bytes in [(size / 3).max(1), size.max(1)] {
            let content = Bytes::from(content(size));
            let mut writer = case.ok("writer", case.ost.writer(&path).await)?;
            for start in (0..size).step_by(piece_bytes) {
                let piece = content.slice(start..size.min(start + piece_bytes));
                case.ok("write", writer.write(piece).await)?;
            }
            let early = case.ost.head(&path).await.err().map(|error| error.kind());
            case.same("head before the end", early, Some(ErrorKind::NotFound))?;
            case.check(case.keys("", None).await?.is_empty(), || {
                "an unfinished object is listed".into()
            })?;
            case.same(
                "size told",
                case.ok("finish", writer.finish().await)?,
                size as u64,
            )?;
            let got = case.ok("get", case.ost.get(&path).await)?;
            case.check(got == content, || {
                format!("{size} bytes came back as {} others", got.len())
            })?;
            case.ok("delete", case.ost.delete(&path).await)?;
        }
    }
    case.clean_up().await
}

/// A stream that is aborted or dropped leaves the key as it was.
///
/// # Errors
/// A changed key.
pub async fn unfinished_streams_leave_nothing(
    ost: &Ost,
    abilities: &Abilities,
) -> Result<(), Failure> {
    let case = Case::begin(ost, "unfinished_streams_leave_nothing").await?;
    case.put("old", "old").await?;
    for key in ["old", "new", "deep/new"] {
        for is_aborted in [true, false] {
            let mut writer = case.ok("writer", case.ost.writer(&case.path(key)?).await)?;
            let content = Bytes::from(content(abilities.stream_bytes_max));
            case.ok("write", writer.write(content).await)?;
            if is_aborted {
                writer.abort().await;
            } else {
                drop(writer);
            }
        }
    }
    case.expect("old", "old").await?;
    case.same("list", case.keys("", None).await?, vec!["old".to_owned()])?;
    case.clean_up().await
}

/// Deleting what is not there is no error.
///
/// # Errors
/// An error.
pub async fn delete_of_absent_is_ok(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "delete_of_absent_is_ok").await?;
    case.put("a/b", "1").await?;
    for key in ["absent", "a", "a/c", "a/b/c", "absent/x", "a/b", "a/b"] {
        case.ok(
            &format!("delete of {key:?}"),
            case.ost.delete(&case.path(key)?).await,
        )?;
    }
    case.clean_up().await
}

fn content(size: usize) -> Vec<u8> {
    // A length that is no power of two, so that a part in the wrong place shows.
    let mut content = (0..=250).collect::<Vec<u8>>().repeat(size / 251 + 1);
    content.truncate(size);
    content
}
