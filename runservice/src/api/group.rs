//! Paths of groups of runs.

use std::fmt;
use std::str::FromStr;

/// The path of a group of runs: `/project/<id>/branch/<name>` and the like. It begins with a slash, has two elements or more,
/// and none of them is empty. A slash within a name is escaped as in a URL.
///
/// A group contains all whose paths begin with its own, element by element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(String);

/// A text that is no path of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidGroup {
    text: String,
    expected: &'static str,
}

impl fmt::Display for InvalidGroup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.text.chars().take(64).collect();
        write!(
            formatter,
            "{shown:?} is no path of a group: {}",
            self.expected
        )
    }
}

impl std::error::Error for InvalidGroup {}

impl Group {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The second element, the id of a project or a user. Runs are counted by it, and it is what keys of caches begin with.
    pub fn root_name(&self) -> &str {
        // There are two elements.
        self.0.split('/').nth(2).unwrap_or_default()
    }

    /// Whether it is `other` or lies in it. What is no path of a group contains nothing but itself and what lies below it, too;
    /// a slash at its end does not count.
    pub fn is_within(&self, other: &str) -> bool {
        is_within(&self.0, other)
    }
}

/// Whether the path `group` is `other` or lies below it.
pub(crate) fn is_within(group: &str, other: &str) -> bool {
    let other = other.strip_suffix('/').unwrap_or(other);
    group
        .strip_prefix(other)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl FromStr for Group {
    type Err = InvalidGroup;

    fn from_str(text: &str) -> Result<Group, InvalidGroup> {
        let invalid = |expected| {
            Err(InvalidGroup {
                text: text.to_owned(),
                expected,
            })
        };
        let Some(elements) = text.strip_prefix('/') else {
            return invalid("it has to begin with a slash");
        };
        let mut count = 0;
        for element in elements.split('/') {
            if element.is_empty() {
                return invalid("an element is empty");
            }
            count += 1;
        }
        match count >= 2 {
            true => Ok(Group(text.to_owned())),
            false => invalid("two elements or more are expected, as in /project/<id>"),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_a_root_and_is_within_what_its_path_begins_with() {
        let group: Group = "/project/p1/branch/feature%2Fx%20y".parse().unwrap();
        assert_eq!(group.root_name(), "p1");
        for outer in [
            "/project/p1/branch/feature%2Fx%20y",
            "/project/p1/branch/feature%2Fx%20y/",
            "/project/p1/branch",
            "/project/p1",
            "/project",
            "/",
        ] {
            assert!(group.is_within(outer), "{outer}");
        }
        for other in [
            "/project/p",
            "/project/P1",
            "/project/p_",
            "/project/p1/branch/feature",
            "/project/p1/branch/featureXX2Fx%20y",
            "/project/p1/branch/%",
            "/project/p1/branch/feature%2Fx%20y/more",
            "project/p1",
        ] {
            assert!(!group.is_within(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_path_of_a_group_is_refused() {
        assert!("/user/u1".parse::<Group>().is_ok());
        for text in [
            "",
            "/",
            "project/p1",
            "/project",
            "/project/",
            "//p1",
            "/project//branch",
            "/project/p1/",
        ] {
            assert!(text.parse::<Group>().is_err(), "{text:?}");
        }
    }
}
