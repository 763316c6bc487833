//! Which requests fail, and how.

use std::error::Error as StdError;
use std::fmt;

use object_store::path::Path;

use super::Operation;
use crate::ErrorKind;

/// A rule of a [`FaultInjectingStore`](super::FaultInjectingStore): the requests that fail, when, and how.
///
/// Without further calls every request of the operation fails before it has an effect, as
/// [`ErrorKind::Unavailable`].
///
/// ```
/// use ost::{ErrorKind, Fault, Operation};
/// // The third create of a WAL is done, but its answer is lost.
/// Fault::on(Operation::Create).paths("*/wal/*").nth(3).after_effect();
/// // One request in a hundred is refused, whatever it is.
/// Fault::on_any().probability(0.01).kind(ErrorKind::Denied);
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    operation: Option<Operation>,
    pattern: Option<String>,
    after_effect: bool,
    kind: Option<ErrorKind>,
    first: u64,
    count: u64,
    probability: f64,
    /// The matching requests so far.
    seen: u64,
}

impl Fault {
    /// Requests of one kind.
    pub fn on(operation: Operation) -> Fault {
        Fault {
            operation: Some(operation),
            ..Fault::on_any()
        }
    }

    /// Requests of every kind.
    pub fn on_any() -> Fault {
        Fault {
            operation: None,
            pattern: None,
            after_effect: false,
            kind: None,
            first: 1,
            count: u64::MAX,
            probability: 1.0,
            seen: 0,
        }
    }

    /// Only on keys like `pattern`, in which `*` stands for any characters, slashes too. The key is the backend's,
    /// with the base path; a list's is its prefix.
    pub fn paths(mut self, pattern: &str) -> Fault {
        self.pattern = Some(pattern.to_owned());
        self
    }

    /// Does what was asked and then fails, as when the answer gets lost. A create or an upload's end then gives
    /// [`ErrorKind::Unknown`]. A get gives half of its content before it fails, a list all of its entries.
    pub fn after_effect(mut self) -> Fault {
        self.after_effect = true;
        self
    }

    /// How it fails.
    pub fn kind(mut self, kind: ErrorKind) -> Fault {
        self.kind = Some(kind);
        self
    }

    /// Only the matching request with this number, from 1.
    pub fn nth(mut self, number: u64) -> Fault {
        (self.first, self.count) = (number, 1);
        self
    }

    /// Only the first `count` matching requests.
    pub fn times(mut self, count: u64) -> Fault {
        self.count = count;
        self
    }

    /// Only this share of the matching requests, 0 to 1, drawn with the store's seed.
    pub fn probability(mut self, probability: f64) -> Fault {
        self.probability = probability;
        self
    }

    /// Decides about one request; `draw` gives a number of at least 0 and less than 1.
    pub(super) fn strike(
        &mut self,
        operation: Operation,
        location: &Path,
        draw: impl FnOnce() -> f64,
    ) -> Option<Strike> {
        if self.operation.is_some_and(|wanted| wanted != operation) {
            return None;
        }
        if self
            .pattern
            .as_deref()
            .is_some_and(|pattern| !matches(pattern, location.as_ref()))
        {
            return None;
        }
        self.seen += 1;
        if self.seen < self.first || self.seen - self.first >= self.count {
            return None;
        }
        if self.probability < 1.0 && draw() >= self.probability {
            return None;
        }
        let makes_object = matches!(operation, Operation::Create | Operation::Complete);
        let kind = match self.kind {
            Some(kind) => kind,
            None if self.after_effect && makes_object => ErrorKind::Unknown,
            None => ErrorKind::Unavailable,
        };
        let fault = InjectedFault { operation, kind };
        Some(Strike {
            after_effect: self.after_effect,
            fault,
        })
    }
}

/// A request that is to fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strike {
    pub(super) after_effect: bool,
    pub(super) fault: InjectedFault,
}

/// The cause of an error that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InjectedFault {
    operation: Operation,
    pub(crate) kind: ErrorKind,
}

impl InjectedFault {
    pub(super) fn error(self, location: &Path) -> object_store::Error {
        let (path, source) = (location.to_string(), Box::new(self));
        match self.kind {
            ErrorKind::NotFound => object_store::Error::NotFound { path, source },
            ErrorKind::Denied => object_store::Error::PermissionDenied { path, source },
            _ => object_store::Error::Generic {
                store: "FaultInjectingStore",
                source,
            },
        }
    }
}

impl fmt::Display for InjectedFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "injected fault of a {}: {}",
            self.operation, self.kind
        )
    }
}

impl StdError for InjectedFault {}

/// Whether `text` is like `pattern`, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(first) = pieces.next() else {
        return text.is_empty();
    };
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "a/b", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab/c", true),
            ("*/wal/*", "p/wal/1", true),
            ("*/wal/*", "wal/1", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
