//! Paths of requests, whose parts may be any text.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Error;

/// All but what stands for itself in every part of a URL.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The path and query of a request, below `/api/v1alpha`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    text: String,
    has_query: bool,
    is_sendable: bool,
}

impl Path {
    /// The path with these segments, each of which is escaped: a slash within one does not divide it.
    pub fn of<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Path {
        let mut path = Path {
            text: String::new(),
            has_query: false,
            is_sendable: true,
        };
        for segment in segments {
            let segment = segment.as_ref();
            // Clients and proxies take these out, escaped or not; an empty one is no part of any route.
            path.is_sendable &= !matches!(segment, "" | "." | "..");
            path.text.push('/');
            path.text.extend(utf8_percent_encode(segment, ESCAPED));
        }
        path
    }

    /// With a parameter of the query.
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Path {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.text.extend(utf8_percent_encode(name, ESCAPED));
        self.text.push('=');
        let value = utf8_percent_encode(value.as_ref(), ESCAPED);
        self.text.extend(value);
        self
    }

    /// With a parameter, if there is a value for it.
    pub fn optional(self, name: &str, value: Option<impl AsRef<str>>) -> Path {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    pub(super) fn checked(&self) -> Result<&str, Error> {
        match self.is_sendable {
            true => Ok(&self.text),
            false => Err(Error::not_found(
                "nothing has a name that is empty, \".\" or \"..\"",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_is_escaped_by_itself() {
        let path = Path::of(["projects", "org/ä b/c%2Fd?e#f+g"])
            .query("start", "a&b=c")
            .query("x", "");
        assert_eq!(
            path.checked().unwrap(),
            "/projects/org%2F%C3%A4%20b%2Fc%252Fd%3Fe%23f%2Bg?start=a%26b%3Dc&x="
        );
        let path = Path::of(["a-b.c_d~e"]).optional("no", None::<&str>);
        assert_eq!(path.checked().unwrap(), "/a-b.c_d~e");
        for segment in ["", ".", ".."] {
            assert!(Path::of(["users", segment]).checked().is_err());
        }
    }
}
