//! Lists.

use super::failure::Case;
use super::{Abilities, Failure};
use crate::Ost;

/// The numbers of the case about order.
const NUMBERS: u64 = 300;

/// Lists are in byte order of the whole key, whatever order the objects were made in.
///
/// # Errors
/// Another order.
pub async fn lists_are_in_byte_order(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "lists_are_in_byte_order").await?;
    let mut keys: Vec<String> = [
        "aA", "a/b", "a0", "a-b", "a.b", "a/b-c/d", "a/b.c", "a/b0", "a b", "ä", "b", "A", "a%b",
        "🦀", "\u{fffd}",
    ]
    .map(String::from)
    .to_vec();
    let mut number = 17_u64;
    let numbers: Vec<String> = (0..NUMBERS)
        .map(|_| {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            format!("wal/{:020}", number >> 20)
        })
        .collect();
    keys.extend(numbers.iter().cloned());
    case.put_all(&keys).await?;
    keys.sort();
    case.same("list", case.keys("", None).await?, keys)?;
    let last = case.keys("wal/", None).await?.pop();
    case.same("last", last, numbers.into_iter().max())?;
    case.clean_up().await
}

/// A list begins behind the key it is told, whether that key is there or not.
///
/// # Errors
/// Too many or too few keys.
pub async fn lists_begin_after_a_key(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "lists_begin_after_a_key").await?;
    let keys = ["a-b", "a.b", "a/b", "a/c/d", "a/e", "a0", "b/f", "c"]
        .map(String::from)
        .to_vec();
    case.put_all(&keys).await?;
    let afters = [
        "",
        "a",
        "a-",
        "a-b",
        "a.b",
        "a/",
        "a/b",
        "a/b0",
        "a/c",
        "a/c/",
        "a/c/d",
        "a/c/d/e",
        "a/d",
        "a0",
        "b",
        "b/",
        "b//",
        "b/f",
        "c",
        "d",
        "/",
        "..",
        "a\0",
        "\u{10ffff}",
    ];
    for after in afters {
        let expected: Vec<String> = keys
            .iter()
            .filter(|key| key.as_str() > after)
            .cloned()
            .collect();
        case.same(
            &format!("after {after:?}"),
            case.keys("", Some(after)).await?,
            expected,
        )?;
        let in_a = keys
            .iter()
            .filter(|key| key.as_str() > after && key.starts_with("a/"))
            .cloned();
        case.same(
            &format!("in a/ after {after:?}"),
            case.keys("a/", Some(after)).await?,
            in_a.collect(),
        )?;
    }
    case.clean_up().await
}

/// A prefix is a prefix of the key's text: it may end within a segment, and one that ends in a slash is no other
/// segment's.
///
/// # Errors
/// Too many or too few keys.
pub async fn lists_begin_with_a_prefix(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "lists_begin_with_a_prefix").await?;
    let keys = ["p/a", "p/ab", "p/ac/d", "p/b", "pp/a", "pq"]
        .map(String::from)
        .to_vec();
    case.put_all(&keys).await?;
    for prefix in [
        "", "p", "p/", "p/a", "p/ab", "p/ac/", "p/b", "pp", "pp/", "q", "q/r/", "p/ac/d", "p/ac/d/",
    ] {
        let expected = keys
            .iter()
            .filter(|key| key.starts_with(prefix))
            .cloned()
            .collect();
        case.same(
            &format!("prefix {prefix:?}"),
            case.keys(prefix, None).await?,
            expected,
        )?;
    }
    case.clean_up().await
}

/// A list of more than a backend's page is whole, and goes on from any key.
///
/// # Errors
/// Too many or too few keys.
pub async fn lists_are_whole(ost: &Ost, abilities: &Abilities) -> Result<(), Failure> {
    let case = Case::begin(ost, "lists_are_whole").await?;
    let keys: Vec<String> = (0..abilities.many)
        .map(|number| format!("data/{number:08}"))
        .collect();
    case.put_all(&keys).await?;
    case.same("list", case.keys("data/", None).await?, keys.clone())?;
    for start in [0, 999, 1000, 1001]
        .into_iter()
        .filter(|start| *start < keys.len())
    {
        let listed = case.keys("data/", Some(&keys[start])).await?;
        case.same(
            &format!("list after {start}"),
            listed.len(),
            keys.len() - start - 1,
        )?;
    }
    let level = case.ok("list level", case.ost.list_level("data/").await)?;
    case.same("objects of the level", level.objects.len(), keys.len())?;
    case.clean_up().await
}

/// One level shows its objects, and one prefix for all that is deeper; none for what was deleted.
///
/// # Errors
/// Another level.
pub async fn level_shows_objects_and_prefixes(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "level_shows_objects_and_prefixes").await?;
    let keys = ["a-b", "a/b", "a/c/d", "a/c/e", "a0", "b/f/g", "gone/x"].map(String::from);
    case.put_all(&keys).await?;
    case.ok("delete", case.ost.delete(&case.path("gone/x")?).await)?;
    let expected: [(&str, &[&str], &[&str]); 7] = [
        ("", &["a/", "b/"], &["a-b", "a0"]),
        ("a", &["a/"], &["a-b", "a0"]),
        ("a/", &["a/c/"], &["a/b"]),
        ("a/c", &["a/c/"], &[]),
        ("a/c/", &[], &["a/c/d", "a/c/e"]),
        ("b/", &["b/f/"], &[]),
        ("none/", &[], &[]),
    ];
    for (prefix, prefixes, objects) in expected {
        let level = case.ok("list level", case.ost.list_level(prefix).await)?;
        let listed: Vec<String> = level
            .objects
            .iter()
            .map(|meta| meta.path.to_string())
            .collect();
        let wanted = |keys: &[&str]| keys.iter().map(|key| key.to_string()).collect::<Vec<_>>();
        case.same(
            &format!("prefixes of {prefix:?}"),
            level.prefixes,
            wanted(prefixes),
        )?;
        case.same(&format!("objects of {prefix:?}"), listed, wanted(objects))?;
    }
    case.clean_up().await
}
