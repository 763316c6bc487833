//! Test vectors of agola v0.7.

use super::*;
use crate::api::{Secret, Variable, WhenCondition};

#[test]
fn paths_are_taken_apart() {
    for path in ["/path", "path", "/path/", "path/", "//path/", "///path///"] {
        assert_eq!(path_segments(path), ["path"], "{path}");
    }
    for path in [
        "/path/to/file",
        "path/to/file",
        "/path/to/file/",
        "path/to/file/",
        "///path///to///file///",
    ] {
        assert_eq!(path_segments(path), ["path", "to", "file"], "{path}");
    }
}

#[test]
fn a_path_lies_below_its_parents() {
    for (parent, path, below, same_or_below) in [
        ("/", "/a", true, true),
        ("/a", "/a", false, true),
        ("/path/to", "/path/to/file", true, true),
        ("/path/to/", "/path/to/file", true, true),
        ("/path/to/f", "/path/to/file", false, false),
        ("/path/t", "/path/to/file", false, false),
        ("/path/to/file", "/path/to/file", false, true),
        ("/path/to/file", "/path/to/file2", false, false),
        ("/path/to/file", "/path/to/fil", false, false),
        // Not one that has the parent in its middle.
        ("/to", "/path/to/file", false, false),
    ] {
        assert_eq!(is_below(parent, path), below, "{parent} {path}");
        assert_eq!(
            is_same_or_below(parent, path),
            same_or_below,
            "{parent} {path}"
        );
    }
}

fn variable(name: &str, parent_path: &str) -> VariableResponse {
    VariableResponse {
        variable: Variable {
            name: name.to_owned(),
            ..Default::default()
        },
        parent_path: parent_path.to_owned(),
    }
}

fn secret(name: &str, parent_path: &str) -> SecretResponse {
    SecretResponse {
        secret: Secret {
            name: name.to_owned(),
            ..Default::default()
        },
        parent_path: parent_path.to_owned(),
    }
}

#[test]
fn the_first_variable_of_a_name_counts() {
    let given = vec![
        variable("var04", "org/org01/projectgroup02/projectgroup03/project02"),
        variable("var03", "org/org01/projectgroup01/project01"),
        variable("var02", "org/org01/projectgroup01/project01"),
        variable("var02", "org/org01/projectgroup01"),
        variable("var01", "org/org01/projectgroup01"),
        variable("var01", "org/org01"),
    ];
    let expected: Vec<_> = [0, 1, 2, 4].map(|place: usize| given[place].clone()).into();
    assert_eq!(effective_variables(given), expected);
    assert_eq!(effective_variables(Vec::new()), []);
}

#[test]
fn a_variable_means_the_nearest_secret_that_is_not_below_it() {
    let value = VariableValue {
        secret_name: "secret01".to_owned(),
        secret_var: "secretvar01".to_owned(),
        when: None,
    };
    let found = |place: &str, secrets: &[SecretResponse]| {
        secret_of(&value, place, secrets).map(|secret| secret.parent_path.clone())
    };
    assert_eq!(found("org/org01/projectgroup01/project01", &[]), None);
    let place = "org/org01/projectgroup01/projectgroup02";
    let deeper = secret(
        "secret01",
        "org/org01/projectgroup01/projectgroup02/project01",
    );
    let here = secret("secret01", place);
    let above = secret("secret01", "org/org01/projectgroup01");
    for (secrets, expected) in [
        (vec![secret("secret02", place)], None),
        (
            vec![secret(
                "secret02",
                "org/org01/projectgroup01/projectgroup03",
            )],
            None,
        ),
        (vec![deeper.clone()], None),
        (vec![deeper.clone(), here.clone()], Some(&here)),
        (vec![above.clone()], Some(&above)),
        (vec![deeper, here.clone(), above.clone()], Some(&here)),
    ] {
        let expected = expected.map(|secret| secret.parent_path.clone());
        assert_eq!(found(place, &secrets), expected, "{secrets:?}");
    }
}

/// Conditions as text: `=` for simple and `~` for regexp, then the pattern.
fn conditions(include: &[&str], exclude: &[&str]) -> Option<WhenConditions> {
    let parse = |texts: &[&str]| {
        let conditions = texts.iter().map(|text| WhenCondition {
            kind: Some(match text.starts_with('=') {
                true => WhenConditionType::Simple,
                false => WhenConditionType::Regexp,
            }),
            pattern: text[1..].to_owned(),
        });
        conditions.collect()
    };
    Some(WhenConditions {
        include: parse(include),
        exclude: parse(exclude),
    })
}

#[test]
fn a_value_applies_when_its_conditions_say_so() {
    let branch = |branch: &'static str| Reference {
        kind: RefType::Branch,
        branch,
        tag: "",
        name: "",
    };
    let on_branch = |include: &[&str], exclude: &[&str]| When {
        branch: conditions(include, exclude),
        ..Default::default()
    };
    assert!(applies(None, branch("master")).unwrap());
    for (include, exclude, name, expected) in [
        (&["="][..], &[][..], "master", false),
        (&["~"], &[], "master", true),
        (&["="], &[], "", false),
        (&["~"], &[], "", false),
        (&["=master"], &[], "master", true),
        (&["=master"], &[], "branch01", false),
        (&["~master"], &[], "master", true),
        (&["~master"], &[], "branch01", false),
        (&["~m.*"], &[], "master", true),
        (&["~m.*"], &[], "branch01", false),
        (&["~m.*"], &["=maste"], "master", true),
        (&["~m.*"], &["=master"], "master", false),
        (&["~m.*"], &["~mb.*"], "master", true),
        (&["~m.*"], &["~ma.*"], "master", false),
        (&["~m.*", "~b.*"], &["~b.*", "~c.*"], "master", true),
        (&["~m.*", "~b.*"], &["~b.*", "~ma.*"], "master", false),
    ] {
        let when = on_branch(include, exclude);
        let found = applies(Some(&when), branch(name)).unwrap();
        assert_eq!(found, expected, "{include:?} {exclude:?} {name:?}");
    }
    let tag_and_ref = When {
        tag: conditions(&["=master"], &[]),
        reference: conditions(&["=master"], &[]),
        branch: None,
    };
    assert!(!applies(Some(&tag_and_ref), branch("branch01")).unwrap());
    let both = |kind| Reference {
        kind,
        branch: "master",
        tag: "master",
        name: "",
    };
    let when = on_branch(&["=master"], &[]);
    assert!(!applies(Some(&when), both(RefType::Tag)).unwrap());
    let when = When {
        tag: conditions(&["=master"], &[]),
        ..Default::default()
    };
    assert!(!applies(Some(&when), both(RefType::Branch)).unwrap());
    assert!(applies(Some(&on_branch(&["~("], &[])), branch("master")).is_err());
}
