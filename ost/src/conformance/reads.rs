//! Whole objects and ranges.

use super::Failure;
use super::failure::Case;
use crate::{ErrorKind, Ost};

/// What is not there is [`ErrorKind::NotFound`], for every kind of read.
///
/// # Errors
/// Another answer.
pub async fn absent_objects_are_not_found(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "absent_objects_are_not_found").await?;
    case.put("there/x", "1").await?;
    for key in ["absent", "there", "there/y", "there/x/y", "absent/x"] {
        let path = case.path(key)?;
        let kinds = [
            case.ost.get(&path).await.err().map(|error| error.kind()),
            case.ost
                .get_range(&path, 0..1)
                .await
                .err()
                .map(|error| error.kind()),
            case.ost
                .get_range(&path, 0..0)
                .await
                .err()
                .map(|error| error.kind()),
            case.ost.head(&path).await.err().map(|error| error.kind()),
            case.ost.reader(&path).await.err().map(|error| error.kind()),
            case.ost
                .get_stream(&path)
                .await
                .err()
                .map(|error| error.kind()),
        ];
        case.same(
            &format!("reads of {key:?}"),
            kinds,
            [Some(ErrorKind::NotFound); 6],
        )?;
    }
    case.clean_up().await
}

/// A range gives the bytes that are there: fewer at the end, none beyond it or in an empty object.
///
/// # Errors
/// Other bytes, or an error.
pub async fn ranges_give_what_is_there(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "ranges_give_what_is_there").await?;
    for content in ["", "0", "0123456789"] {
        case.put("x", content).await?;
        case.expect("x", content).await?;
        let path = case.path("x")?;
        let size = case.ok("head", case.ost.head(&path).await)?.size;
        case.same("size", size, content.len() as u64)?;
        for start in [0_usize, 1, 5, 9, 10, 11, 1000] {
            for end in [0_usize, 1, 5, 10, 11, 1000, usize::MAX >> 1] {
                let range = start as u64..end as u64;
                let got = case.ok("get range", case.ost.get_range(&path, range.clone()).await)?;
                let expected = content
                    .get(start..end.min(content.len()))
                    .unwrap_or_default();
                case.check(got == expected.as_bytes(), || {
                    format!("{range:?} of {content:?} gives {got:?}")
                })?;
            }
        }
    }
    case.clean_up().await
}

/// A reader gives the ranges that [`Ost::get_range`] gives, and knows the size.
///
/// # Errors
/// Other bytes, or an error.
pub async fn readers_read_ranges(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "readers_read_ranges").await?;
    let content: Vec<u8> = (0..1_000_000_u32)
        .map(|number| (number % 251).to_le_bytes()[0])
        .collect();
    let path = case.path("x")?;
    case.ok("put", case.ost.put(&path, content.clone().into()).await)?;
    let reader = case.ok("reader", case.ost.reader(&path).await)?;
    case.same("size", reader.size(), 1_000_000)?;
    for (start, end) in [
        (0, 1),
        (0, 4096),
        (65_536, 69_632),
        (0, 1_000_000),
        (999_999, 2_000_000),
        (5, 5),
    ] {
        let got = case.ok("read", reader.read(start as u64..end as u64).await)?;
        let expected = content
            .get(start..end.min(content.len()))
            .unwrap_or_default();
        case.check(got == expected, || {
            format!("{start}..{end} gives {} other bytes", got.len())
        })?;
    }
    let beyond = case.ok("read", reader.read(1_000_000..2_000_000).await)?;
    case.check(beyond.is_empty(), || "bytes beyond the end".to_owned())?;
    case.put("empty", "").await?;
    let reader = case.ok("reader", case.ost.reader(&case.path("empty")?).await)?;
    let got = case.ok("read", reader.read(0..100).await)?;
    case.check(got.is_empty() && reader.size() == 0, || {
        "bytes in an empty object".to_owned()
    })?;
    case.clean_up().await
}
