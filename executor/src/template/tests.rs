//! Tests of keys.

use super::*;

const SHA_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn expand(text: &str) -> Result<String, TemplateError> {
    let files = BTreeMap::from([
        ("go.sum".to_owned(), b"abc".to_vec()),
        ("empty".to_owned(), Vec::new()),
    ]);
    let environment = BTreeMap::from([
        ("BRANCH".to_owned(), "main".to_owned()),
        ("BRACES".to_owned(), "{{ os }}".to_owned()),
    ]);
    let facts = Facts {
        files: &files,
        environment: &environment,
        os: "linux",
        arch: "amd64",
        now: "2024-03-05T23:59:59.000000123Z".parse().unwrap(),
    };
    Template::parse(text)?.expand(&facts)
}

#[test]
fn all_functions_give_what_they_are_documented_to() {
    let sha =
        format!("{SHA_OF_ABC}-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (text, expected) in [
        ("", ""),
        ("plain", "plain"),
        ("cache-{{ arch }}", "cache-amd64"),
        ("{{os}}-{{arch}}", "linux-amd64"),
        (
            r#"{{ md5sum "go.sum" }}"#,
            "900150983cd24fb0d6963f7d28e17f72",
        ),
        (r#"{{ sha256sum "go.sum" }}-{{sha256sum `empty`}}"#, &sha),
        (r#"{{ env "BRANCH" }}|{{ env "NONE" }}|"#, "main||"),
        (r#"{{ env "BRACES" }}"#, "{{ os }}"),
        ("{{ year }}.{{ month }}.{{ day }}", "2024.03.05"),
        ("{{ unixtime }}", "1709683199000000123"),
        ("a {{- os -}} b", "alinuxb"),
        ("a {{- os }} b", "alinux b"),
        ("a{{/* nothing */}}b{{- /* nothing */ -}} c", "abc"),
        (r#"{{ "{{" }}}} {{ "a\"b\\\t" }}"#, "{{}} a\"b\\\t"),
        ("{{ `}}` }}", "}}"),
        ("one } two }} three {", "one } two }} three {"),
        ("ä{{\n os\t}}ö", "älinuxö"),
    ] {
        assert_eq!(expand(text).as_deref(), Ok(expected), "{text:?}");
    }
}

#[test]
fn what_is_no_template_is_refused_with_a_reason() {
    for (text, reason) in [
        ("{{", "closing braces"),
        ("{{ }}", "nothing between"),
        ("{{ os", "closing braces"),
        ("{{ os } }", "not expected"),
        ("{{ .Branch }}", "'.' is not expected"),
        ("{{ $x }}", "not expected"),
        (r#"{{ "go.sum" | md5sum }}"#, "'|' is not expected"),
        ("{{ if os }}", "stands where"),
        ("{{ nothing }}", "no function \"nothing\""),
        ("{{ md5sum }}", "one argument, not 0"),
        (r#"{{ md5sum "a" "b" }}"#, "one argument, not 2"),
        (r#"{{ os "a" }}"#, "no argument"),
        (r#"{{ "a" "b" }}"#, "no function"),
        (r#"{{ md5sum "a }}"#, "does not end"),
        ("{{ md5sum `a }}", "does not end"),
        (r#"{{ md5sum "a\q" }}"#, "escape"),
        ("{{ /* os }}", "does not end"),
        ("{{ /* a */ os }}", "behind a comment"),
        (r#"{{ md5sum "missing" }}"#, "\"missing\" is not there"),
        ("{{-os}}", "not expected"),
    ] {
        let error = expand(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text:?}: {error}");
    }
    assert!(Template::parse(&"x".repeat(TEMPLATE_BYTES_MAX)).is_ok());
    assert!(Template::parse(&"x".repeat(TEMPLATE_BYTES_MAX + 1)).is_err());
}

#[test]
fn the_files_that_are_needed_are_known_before_and_have_a_bound() {
    let text = r#"{{ md5sum "a" }}{{ env "b" }}{{ sha256sum "c d" }}{{ os }}"#;
    let template = Template::parse(text).unwrap();
    assert_eq!(template.files().collect::<Vec<_>>(), ["a", "c d"]);
    let template = Template::parse(r#"{{ md5sum "a" }}"#).unwrap();
    let bytes_max = usize::try_from(FILE_BYTES_MAX).unwrap();
    for (bytes, is_right) in [(bytes_max, true), (bytes_max + 1, false)] {
        let files = BTreeMap::from([("a".to_owned(), vec![b'x'; bytes])]);
        let facts = Facts {
            files: &files,
            environment: &BTreeMap::new(),
            os: "linux",
            arch: go_arch(),
            now: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(template.expand(&facts).is_ok(), is_right, "{bytes}");
    }
}

/// Nothing that a user may write makes it panic.
#[test]
fn any_text_gives_a_key_or_a_reason() {
    let parts = [
        "{{", "}}", "-", " ", "\"", "`", "\\", "os", "md5sum", "/*", "*/", "ä", "x",
    ];
    let mut state: u64 = 1;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..8 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let place = usize::try_from(state >> 33).unwrap() % parts.len();
            text.push_str(parts[place]);
        }
        let _ = expand(&text);
    }
}
