//! Paths of requests, whose parts may be any text.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Error, ErrorKind};

/// All but what stands for itself in every part of a URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The path and the query of a request.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    text: String,
    has_query: bool,
    is_sendable: bool,
}

impl Path {
    /// A path with these segments. Each is escaped: a slash in it divides nothing.
    pub(crate) fn of<'a>(segments: impl IntoIterator<Item = &'a str>) -> Path {
        let mut path = Path {
            text: String::new(),
            has_query: false,
            is_sendable: true,
        };
        for segment in segments {
            // Clients and proxies take these out, and an empty one is no part of any route.
            path.is_sendable &= !matches!(segment, "" | "." | "..");
            path.text.push('/');
            path.text.extend(utf8_percent_encode(segment, ESCAPED));
        }
        path
    }

    /// With more segments behind it.
    pub(crate) fn then<'a>(mut self, segments: impl IntoIterator<Item = &'a str>) -> Path {
        let more = Path::of(segments);
        self.text.push_str(&more.text);
        self.is_sendable &= more.is_sendable;
        self
    }

    /// With a parameter of the query.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Path {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.text.push_str(name);
        self.text.push('=');
        self.text.extend(utf8_percent_encode(value, ESCAPED));
        self
    }

    /// With a parameter that is a flag, if it is set.
    pub(crate) fn flag(self, name: &str, is_set: bool) -> Path {
        match is_set {
            true => self.query(name, ""),
            false => self,
        }
    }

    /// With a parameter, if there is a value for it.
    pub(crate) fn optional(self, name: &str, value: Option<impl ToString>) -> Path {
        match value {
            Some(value) => self.query(name, &value.to_string()),
            None => self,
        }
    }

    pub(crate) fn checked(&self) -> Result<&str, Error> {
        match self.is_sendable {
            true => Ok(&self.text),
            false => {
                let message = "nothing has a name that is empty, \".\" or \"..\"";
                Err(Error::new(ErrorKind::NotFound, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_escaped_by_itself() {
        let path = Path::of(["projects", "org/ä b/c%2Fd?e#f+g"])
            .then(["runs"])
            .query("start", "a&b=c")
            .flag("asc", true)
            .flag("tree", false)
            .optional("limit", Some(3))
            .optional("no", None::<&str>);
        assert_eq!(
            path.checked().unwrap(),
            "/projects/org%2F%C3%A4%20b%2Fc%252Fd%3Fe%23f%2Bg/runs?start=a%26b%3Dc&asc=&limit=3"
        );
        for segment in ["", ".", ".."] {
            assert!(Path::of(["users"]).then([segment]).checked().is_err());
        }
    }
}
