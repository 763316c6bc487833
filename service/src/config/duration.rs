//! Durations as Go writes them.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

const ACCEPTED: &str =
    "a duration is expected, such as 300ms, 12h or 1h30m, in units ns, us, ms, s, m and h";

/// A duration in a configuration: `300ms`, `1h30m`; a number without a unit is nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub Duration);

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<GoDuration, D::Error> {
        deserializer
            .deserialize_any(DurationVisitor)
            .map(GoDuration)
    }
}

/// Reads a `Duration` field, with `#[serde(deserialize_with = "go_duration")]`.
///
/// # Errors
/// No duration as Go writes them, or a negative one.
pub fn go_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(DurationVisitor)
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a duration")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Duration, E> {
        Ok(Duration::ZERO)
    }

    fn visit_u64<E: de::Error>(self, nanoseconds: u64) -> Result<Duration, E> {
        Ok(Duration::from_nanos(nanoseconds))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).ok_or_else(|| E::custom(ACCEPTED))
    }
}

/// Numbers with units, one after the other; a fraction may stand in each.
fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut nanoseconds: u128 = 0;
    while !rest.is_empty() {
        let (number, behind) = split(rest, |character| {
            character.is_ascii_digit() || character == '.'
        });
        let (unit, behind) = split(behind, |character| {
            !character.is_ascii_digit() && character != '.'
        });
        let unit: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        nanoseconds = nanoseconds.checked_add(scaled(number, unit)?)?;
        rest = behind;
    }
    u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|character| !belongs(character));
    text.split_at(end.unwrap_or(text.len()))
}

/// `number`, which may have a fraction, times `unit`; what is smaller than one is dropped.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |text: &str| match text {
        "" => Some(0),
        _ => text.parse::<u64>().ok().map(u128::from),
    };
    let whole = digits(whole)?.checked_mul(unit)?;
    // More digits than a nanosecond needs of an hour do not count.
    let fraction = &fraction[..fraction.len().min(15)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    whole.checked_add(digits(fraction)? * unit / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, expected) in [
            ("0", Duration::ZERO),
            ("0s", Duration::ZERO),
            ("1ns", Duration::from_nanos(1)),
            ("5us", Duration::from_micros(5)),
            ("5µs", Duration::from_micros(5)),
            ("300ms", Duration::from_millis(300)),
            ("1h30m", Duration::from_secs(5_400)),
            ("168h", Duration::from_secs(168 * 3_600)),
            ("1.5s", Duration::from_millis(1_500)),
            (".5s", Duration::from_millis(500)),
            ("1.s", Duration::from_secs(1)),
            ("1.0000000000000000001h", Duration::from_secs(3_600)),
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "1",
            "12",
            "1d",
            "s",
            ".s",
            "1h30",
            "-1s",
            "1 s",
            "1..5s",
            "1S",
            "99999999999999h",
            "99999999999999999999999999999999999999999999s",
            "é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
