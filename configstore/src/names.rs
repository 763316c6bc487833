//! Names, ids and paths: what they look like, and telling them apart.

/// Bytes of a name, at most: they are parts of keys. agola has no bound.
pub(crate) const NAME_BYTES_MAX: usize = 512;

/// Whether `text` can be the name of an object: letters, digits and single dashes between them, beginning with a letter, two
/// characters or more, and no UUID.
pub(crate) fn check_name(text: &str) -> Result<(), String> {
    let shown = || text.chars().take(64).collect::<String>();
    let expected = "a name has at least two characters, which are letters (a-z, A-Z), digits and single dashes between \
                    them; it begins with a letter";
    if text.is_empty() {
        return Err("the name is empty".to_owned());
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(format!(
            "the name {:?}... has {} bytes: at most {NAME_BYTES_MAX} are accepted",
            shown(),
            text.len()
        ));
    }
    let bytes = text.as_bytes();
    let begins = bytes.first().is_some_and(u8::is_ascii_alphabetic);
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    if bytes.len() < 2
        || !begins
        || !bytes.iter().all(fits)
        || text.contains("--")
        || text.ends_with('-')
    {
        return Err(format!(
            "the name {:?} is not accepted: {expected}",
            shown()
        ));
    }
    if is_uuid(text) {
        return Err(format!("the name {:?} looks like an id", shown()));
    }
    Ok(())
}

/// Whether `text` is a UUID in one of the spellings that agola knows: with dashes or without, plain, in braces, or behind
/// `urn:uuid:`.
pub(crate) fn is_uuid(text: &str) -> bool {
    let inner = text.strip_prefix("urn:uuid:").or_else(|| {
        let inner = text.strip_prefix('{')?;
        inner.strip_suffix('}')
    });
    let bytes = inner.unwrap_or(text).as_bytes();
    const DASHES: [usize; 4] = [8, 13, 18, 23];
    match bytes.len() {
        32 => bytes.iter().all(u8::is_ascii_hexdigit),
        36 => bytes
            .iter()
            .enumerate()
            .all(|(place, byte)| match DASHES.contains(&place) {
                true => *byte == b'-',
                false => byte.is_ascii_hexdigit(),
            }),
        _ => false,
    }
}

/// Whether a reference to a project or a project group is a path; otherwise it is an id.
pub(crate) fn is_path(reference: &str) -> bool {
    reference.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_accepted_as_agola_accepts_them() {
        let long = "a".repeat(300);
        for name in [
            "bar",
            "foo-bar",
            "foo-bar-baz",
            "foo1",
            "foo-1",
            "foo-1-bar",
            "f12oo-bar33",
            "cba7b810-9dad-11d1-80b4-00c04fd430c",
            "cba7b810-9dad-11d1-80b4000c04fd430c8",
            "cba7b8109dad11d180b400c04fd430c89",
            "cba7b8109dad11d180b400c04fd430c",
            "ab",
            "a1",
            &long,
        ] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let too_long = "a".repeat(NAME_BYTES_MAX + 1);
        for name in [
            "",
            "foo bar",
            " foo bar",
            "foo bar ",
            "-bar",
            "bar-",
            "-foo-bar",
            "foo-bar-",
            "foo--bar",
            "foo.bar",
            "foo_bar",
            "foo#bar",
            "1foobar",
            "cba7b810-9dad-11d1-80b4-00c04fd430c8",
            "{cba7b810-9dad-11d1-80b4-00c04fd430c8}",
            "urn:uuid:cba7b810-9dad-11d1-80b4-00c04fd430c8",
            "cba7b8109dad11d180b400c04fd430c8",
            "CBA7b8109dad11d180b400c04fd430c8",
            "a",
            "añb",
            "a/b",
            "a\n",
            &too_long,
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }
}
