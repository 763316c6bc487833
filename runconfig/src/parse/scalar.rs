//! What plain scalars are, by the rules of YAML 1.1 as agola's library reads them.

/// A scalar without quotes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
}

impl<'a> Scalar<'a> {
    pub(super) fn of(text: &'a str) -> Scalar<'a> {
        match text {
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
                return Scalar::Bool(true);
            }
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False"
            | "FALSE" => {
                return Scalar::Bool(false);
            }
            ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
                return Scalar::Float(f64::INFINITY);
            }
            "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
            _ => {}
        }
        let begins_as_number =
            |first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.');
        if !text.starts_with(begins_as_number) {
            return Scalar::Text(text);
        }
        let digits = text.replace('_', "");
        match integer(&digits).or_else(|| float(&digits)) {
            Some(number) => number,
            None => Scalar::Text(text),
        }
    }

    /// What it becomes where a text is expected.
    pub(super) fn to_text(&self) -> String {
        match self {
            Scalar::Bool(value) => value.to_string(),
            Scalar::Integer(value) => value.to_string(),
            Scalar::Float(value) => float_text(*value),
            Scalar::Text(text) => (*text).to_owned(),
        }
    }
}

/// Only those that fit 64 bits, signed or not.
fn integer<'a>(text: &str) -> Option<Scalar<'a>> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // No second sign.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    let fits = i64::try_from(value).is_ok() || u64::try_from(value).is_ok();
    fits.then_some(Scalar::Integer(value))
}

fn float<'a>(text: &str) -> Option<Scalar<'a>> {
    // Rust reads names of numbers too.
    let is_digits =
        |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
    if !text.bytes().all(is_digits) || !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    value.is_finite().then_some(Scalar::Float(value))
}

/// The shortest text of a number, with an exponent if that is below -4 or above 20.
fn float_text(value: f64) -> String {
    const EXPONENT_MIN: i32 = -4;
    const EXPONENT_MAX: i32 = 20;
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (EXPONENT_MIN..=EXPONENT_MAX).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_become_what_the_format_says() {
        for (text, expected) in [
            ("12", "12"),
            ("yes", "true"),
            ("Off", "false"),
            ("1.10", "1.1"),
            ("010", "8"),
            ("08", "8"),
            ("1_000", "1000"),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("-12", "-12"),
            ("+12", "12"),
            ("1e3", "1000"),
            ("1e30", "1e+30"),
            ("0.00001", "1e-05"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "18446744073709552000"),
            ("2001-01-01", "2001-01-01"),
            ("1.2.3", "1.2.3"),
            ("-", "-"),
            (".", "."),
            ("+-1", "+-1"),
            ("0x", "0x"),
            ("1 000", "1 000"),
            ("yEs", "yEs"),
            ("inf", "inf"),
            (".inf", "+Inf"),
            ("1é", "1é"),
        ] {
            assert_eq!(Scalar::of(text).to_text(), expected, "{text}");
        }
    }
}
