//! Keys with all kinds of characters and lengths.

use super::failure::Case;
use super::{Abilities, Failure};
use crate::{ErrorKind, ObjectPath, Ost};

/// Characters that services, file systems or URLs treat in a way of their own.
const CHARACTERS: [&str; 42] = [
    " ", "!", "\"", "#", "$", "%", "&", "'", "(", ")", "*", "+", ",", "-", ".", ":", ";", "<", "=",
    ">", "?", "@", "[", "]", "^", "_", "`", "{", "|", "}", "~", "%20", "%2F", "%25", "%zz", "ä",
    "e\u{301}", "ß", "漢字", "🦀", "\u{200d}", "..",
];

/// Keys that some backend would store under another name.
const REFUSED: [&str; 21] = [
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    "//a",
    "a//",
    ".",
    "..",
    "a/.",
    "a/..",
    "./a",
    "../a",
    "a/../b",
    "a\0b",
    "a\nb",
    "a\u{7f}",
    "a\\b",
    "a#1",
    "x/.ost-staging/y",
    "a.",
];

/// What is put under a key is got, listed and deleted under the same key, whatever its characters.
///
/// # Errors
/// A key that comes back changed, or not.
pub async fn keys_come_back_as_given(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "keys_come_back_as_given").await?;
    let mut keys: Vec<String> = CHARACTERS.iter().map(|c| format!("x{c}y")).collect();
    keys.extend(CHARACTERS.iter().map(|c| format!("d{c}d/x{c}y")));
    keys.sort();
    keys.dedup();
    case.put_all(&keys).await?;
    case.same("list", case.keys("", None).await?, keys.clone())?;
    for key in &keys {
        case.expect(key, key).await?;
        case.same(
            "list of its own prefix",
            case.keys(key, None).await?,
            vec![key.clone()],
        )?;
    }
    for key in &keys {
        let path = case.path(key)?;
        case.ok("delete", case.ost.delete(&path).await)?;
        let kind = case.ost.head(&path).await.err().map(|error| error.kind());
        case.same("head after delete", kind, Some(ErrorKind::NotFound))?;
    }
    case.clean_up().await
}

/// A key that could not be kept apart from another one is refused, and so is such a prefix.
///
/// # Errors
/// A key that was taken.
pub async fn odd_keys_are_refused(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "odd_keys_are_refused").await?;
    for key in REFUSED {
        let kind = ObjectPath::parse(key).err().map(|error| error.kind());
        case.same(&format!("key {key:?}"), kind, Some(ErrorKind::Invalid))?;
    }
    case.put("a/b", "1").await?;
    for prefix in ["/", "/a", "a//", "../", "a/../a/"] {
        let level = case
            .ost
            .list_level(prefix)
            .await
            .err()
            .map(|error| error.kind());
        case.same(
            &format!("level {prefix:?}"),
            level,
            Some(ErrorKind::Invalid),
        )?;
        let listed = case.keys(prefix, None).await;
        case.check(listed.is_err(), || {
            format!("the prefix {prefix:?} was listed")
        })?;
    }
    case.clean_up().await
}

/// Segments up to the backend's limit and keys up to 1024 bytes work; longer ones are refused and leave nothing.
///
/// # Errors
/// A key within the limits that failed, or one beyond that did not.
pub async fn keys_of_any_length_work_or_are_refused(
    ost: &Ost,
    abilities: &Abilities,
) -> Result<(), Failure> {
    let case = Case::begin(ost, "keys_of_any_length_work_or_are_refused").await?;
    for length in [200, 240, 250, 255, 256, 1024, 1025] {
        for key in ["k".repeat(length), "漢".repeat(length / 3)] {
            match ObjectPath::parse(&key) {
                Ok(_) if key.len() <= abilities.segment_bytes_max => {
                    case.put(&key, "long").await?;
                    case.expect(&key, "long").await?;
                    case.same("list", case.keys("", None).await?, vec![key.clone()])?;
                    case.clean_up().await?;
                }
                Ok(_) => case.check(key.len() <= 255, || {
                    format!("a segment of {length} bytes was taken")
                })?,
                Err(error) => {
                    case.check(key.len() > 255, || {
                        format!("a segment of {length} bytes: {error}")
                    })?;
                }
            }
        }
    }
    // The base path and its slash count.
    let room = 1024 - case.ost.base_path().len() - 1;
    let segment = format!("{}/", "s".repeat(99));
    let longest: String = segment
        .repeat(11)
        .chars()
        .take(room - 1)
        .collect::<String>()
        + "x";
    let longest = longest.replace("/x", "xx");
    case.put(&longest, "longest").await?;
    case.expect(&longest, "longest").await?;
    if let Ok(path) = ObjectPath::parse(&format!("{longest}x")) {
        let kind = case
            .ost
            .put(&path, "too long".into())
            .await
            .err()
            .map(|error| error.kind());
        case.same("put beyond 1024 bytes", kind, Some(ErrorKind::Invalid))?;
    }
    case.same("list", case.keys("", None).await?, vec![longest])?;
    case.clean_up().await
}

/// Where `a` and `a/b` cannot both be there, the second write fails and the first object stays.
///
/// # Errors
/// An object that was lost or changed.
pub async fn object_and_deeper_object_both_stay(
    ost: &Ost,
    abilities: &Abilities,
) -> Result<(), Failure> {
    let case = Case::begin(ost, "object_and_deeper_object_both_stay").await?;
    for (first, second) in [("a", "a/b"), ("c/d", "c")] {
        case.put(first, first).await?;
        let put = case.ost.put(&case.path(second)?, second.into()).await;
        let created = case.ost.create(&case.path(second)?, "other".into()).await;
        if abilities.holds_deeper_keys {
            case.ok("put beside", put)?;
            case.ok("create beside", created).map(drop)?;
            case.expect(second, second).await?;
        } else {
            let kinds = (
                put.err().map(|error| error.kind()),
                created.err().map(|error| error.kind()),
            );
            let invalid = Some(ErrorKind::Invalid);
            case.same(
                &format!("put and create of {second:?}"),
                kinds,
                (invalid, invalid),
            )?;
            let kind = case
                .ost
                .get(&case.path(second)?)
                .await
                .err()
                .map(|error| error.kind());
            case.same(
                &format!("get of {second:?}"),
                kind,
                Some(ErrorKind::NotFound),
            )?;
            case.ok("delete", case.ost.delete(&case.path(second)?).await)?;
        }
        case.expect(first, first).await?;
    }
    let expected = if abilities.holds_deeper_keys {
        vec!["a", "a/b", "c", "c/d"]
    } else {
        vec!["a", "c/d"]
    };
    case.same(
        "list",
        case.keys("", None).await?,
        expected.iter().map(|key| key.to_string()).collect(),
    )?;
    case.clean_up().await
}

/// `p`, `/p` and `p/` are one base path; `pp` and `p/q` are others, or lie below.
///
/// # Errors
/// An object seen from the wrong base path.
pub async fn base_paths_keep_apart(ost: &Ost) -> Result<(), Failure> {
    let case = Case::begin(ost, "base_paths_keep_apart").await?;
    let at = |base_path: &str| case.ok("base path", case.ost.with_base_path(base_path));
    let key = case.path("x")?;
    for base_path in ["p", "pp", "p/q"] {
        let content = base_path.to_owned();
        case.ok("put", at(base_path)?.put(&key, content.into()).await)?;
    }
    for (base_path, expected) in [
        ("p", "p"),
        ("/p", "p"),
        ("p/", "p"),
        ("/p/", "p"),
        ("pp", "pp"),
        ("p/q", "p/q"),
    ] {
        let got = case.ok("get", at(base_path)?.get(&key).await)?;
        case.check(got == expected.as_bytes(), || {
            format!("{base_path:?} gives {got:?}")
        })?;
    }
    for base_path in ["p//q", "..", "p/../pp", "p\0"] {
        let kind = case
            .ost
            .with_base_path(base_path)
            .err()
            .map(|error| error.kind());
        case.same(
            &format!("base path {base_path:?}"),
            kind,
            Some(ErrorKind::Invalid),
        )?;
    }
    case.same(
        "list",
        case.keys("", None).await?,
        ["p/q/x", "p/x", "pp/x"].map(String::from).to_vec(),
    )?;
    let below = Case::begin(&at("p")?, "cleaner").await?;
    below.put("y", "y").await?;
    below.clean_up().await?;
    case.same(
        "list",
        case.keys("", None).await?,
        ["p/q/x", "p/x", "pp/x"].map(String::from).to_vec(),
    )?;
    case.clean_up().await
}
