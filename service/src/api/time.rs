//! Times, written as Go writes them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment and the offset of the clock that told it. Text form: RFC 3339 with up to nanoseconds, without zeros at the end.
///
/// The default is the zero time of Go, `0001-01-01T00:00:00Z`, which stands for "no time".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    timestamp: Timestamp,
    offset: Offset,
}

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTime {
    text: String,
}

impl fmt::Display for InvalidTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.text.chars().take(64).collect();
        write!(formatter, "{shown:?} is no time as in RFC 3339")
    }
}

impl std::error::Error for InvalidTime {}

/// `0001-01-01T00:00:00Z` in seconds.
const ZERO_SECONDS: i64 = -62_135_596_800;

impl Default for Time {
    fn default() -> Time {
        Time::utc(Timestamp::constant(ZERO_SECONDS, 0))
    }
}

impl Time {
    /// What the clock of this machine says.
    pub fn now() -> Time {
        Time::utc(Timestamp::now())
    }

    fn utc(timestamp: Timestamp) -> Time {
        Time {
            timestamp,
            offset: Offset::UTC,
        }
    }

    /// Whether it is the zero time.
    pub fn is_zero(self) -> bool {
        self.timestamp == Time::default().timestamp
    }

    /// The moment.
    pub fn timestamp(self) -> Timestamp {
        self.timestamp
    }
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Time {
        Time::utc(timestamp)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zoned = self
            .timestamp
            .to_zoned_datetime(TimeZone::fixed(self.offset));
        write!(formatter, "{}", zoned.strftime("%Y-%m-%dT%H:%M:%S%.f"))?;
        match self.offset == Offset::UTC {
            true => formatter.write_str("Z"),
            false => write!(formatter, "{}", zoned.strftime("%:z")),
        }
    }
}

impl FromStr for Time {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Time, InvalidTime> {
        let invalid = || InvalidTime {
            text: text.to_owned(),
        };
        let offset = offset_of(text).ok_or_else(invalid)?;
        let timestamp: Timestamp = text.parse().map_err(|_| invalid())?;
        Ok(Time { timestamp, offset })
    }
}

/// The offset at the end of a text that has the shape of RFC 3339; what it says is for the parser of times to judge.
fn offset_of(text: &str) -> Option<Offset> {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd";
    let (head, tail) = text.as_bytes().split_at_checked(SHAPE.len())?;
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    };
    if !head.iter().zip(SHAPE).all(fits) {
        return None;
    }
    let zone = match tail.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit());
            let digits = digits.count();
            fraction.get(digits..).filter(|_| digits > 0)?
        }
        None => tail,
    };
    if zone == b"Z" {
        return Some(Offset::UTC);
    }
    let [sign, h1, h2, b':', m1, m2] = zone else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(10);
    let minutes = (digit(h1)? * 10 + digit(h2)?) * 60 + digit(m1)? * 10 + digit(m2)?;
    let seconds = i32::try_from(minutes * 60).ok()?;
    match sign {
        b'+' => Offset::from_seconds(seconds).ok(),
        b'-' => Offset::from_seconds(-seconds).ok(),
        _ => None,
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "server")]
impl utoipa::PartialSchema for Time {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(
                utoipa::openapi::KnownFormat::DateTime,
            )))
            .into()
    }
}

#[cfg(feature = "server")]
impl utoipa::ToSchema for Time {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        for (text, written) in [
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("2020-02-29T23:59:59.120Z", "2020-02-29T23:59:59.12Z"),
            (
                "2020-01-02T03:04:05.123456789+02:00",
                "2020-01-02T03:04:05.123456789+02:00",
            ),
            ("2020-01-02T03:04:05-03:30", "2020-01-02T03:04:05-03:30"),
            ("2020-01-02T03:04:05.000+00:00", "2020-01-02T03:04:05Z"),
        ] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), written, "{text}");
        }
        assert_eq!(Time::default().to_string(), "0001-01-01T00:00:00Z");
        assert!(Time::default().is_zero());
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2020-01-02",
            "2020-01-02 03:04:05Z",
            "2020-01-02t03:04:05Z",
            "2020-01-02T03:04:05",
            "2020-01-02T03:04:05.Z",
            "2020-01-02T03:04:05+0200",
            "2020-01-02T03:04:05+99:99",
            "2020-13-02T03:04:05Z",
            "2020-02-30T03:04:05Z",
            "2020-01-02T03:04:05Z[UTC]",
            "ü020-01-02T03:04:05Z",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text:?}");
        }
    }
}
