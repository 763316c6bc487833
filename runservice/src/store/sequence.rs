//! Ids and numbers that are counted.

use datamanager::Document;
use serde::{Deserialize, Serialize};

/// The sequence of the ids of runs.
pub(crate) const RUN_SEQUENCE: &str = "run";
/// The sequence of the ids of events.
pub(crate) const EVENT_SEQUENCE: &str = "runevent";

/// How many ids were given out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SequenceDocument {
    /// Of what.
    pub(crate) id: String,
    /// What tells these ids from those that were given out before the store was replaced: seconds since the Unix epoch.
    pub(crate) epoch: u64,
    pub(crate) count: u64,
}

impl Document for SequenceDocument {
    const TYPE: &'static str = "sequence";

    fn id(&self) -> &str {
        &self.id
    }
}

impl SequenceDocument {
    /// The id with a number of it.
    pub(crate) fn at(&self, count: u64) -> SequenceId {
        SequenceId {
            epoch: self.epoch,
            count,
        }
    }
}

/// Text form: both numbers in base 32 with 13 digits, and a dash between them. Later ids are greater texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SequenceId {
    pub(crate) epoch: u64,
    pub(crate) count: u64,
}

const DIGITS: usize = 13;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

impl std::fmt::Display for SequenceId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (epoch, count) = (base_32(self.epoch), base_32(self.count));
        write!(formatter, "{epoch}-{count}")
    }
}

impl SequenceId {
    /// `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<SequenceId> {
        let (epoch, count) = text.split_once('-')?;
        let is_number =
            |text: &str| text.len() == DIGITS && text.bytes().all(|byte| ALPHABET.contains(&byte));
        if !is_number(epoch) || !is_number(count) {
            return None;
        }
        Some(SequenceId {
            epoch: u64::from_str_radix(epoch, 32).ok()?,
            count: u64::from_str_radix(count, 32).ok()?,
        })
    }
}

fn base_32(mut number: u64) -> String {
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        let value = usize::try_from(number % 32).unwrap_or_default();
        *digit = ALPHABET.get(value).copied().unwrap_or(b'0');
        number /= 32;
    }
    digits.iter().copied().map(char::from).collect()
}

/// The number of the newest run of a root group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CounterDocument {
    /// The root group.
    pub(crate) id: String,
    pub(crate) value: u64,
}

impl Document for CounterDocument {
    const TYPE: &'static str = "runcounter";

    fn id(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_agola_in_text_order() {
        let first = SequenceId {
            epoch: 1_646_000_000,
            count: 1,
        };
        assert_eq!(first.to_string(), "0000001h1nts0-0000000000001");
        assert_eq!(
            SequenceId::parse("0000001h1nts0-0000000000001"),
            Some(first)
        );
        let last = SequenceId {
            epoch: u64::MAX,
            count: u64::MAX,
        };
        assert_eq!(SequenceId::parse(&last.to_string()), Some(last));
        assert!(first.to_string() < SequenceId { count: 32, ..first }.to_string());
        for text in [
            "",
            "-",
            "0000001h1nts0",
            "0000001h1nts0-000000000000",
            "0000001h1nts0-000000000000w",
            "0000001h1nts0-00000000000001",
            "0000001h1nts0-+000000000001",
            "vvvvvvvvvvvvv-0000000000001",
        ] {
            assert_eq!(SequenceId::parse(text), None, "{text}");
        }
    }
}
