//! Amounts of bytes, as Kubernetes writes quantities: `1Gi`, `500M`, `1.5e3`.

/// Bytes, rounded up.
pub(super) fn bytes(text: &str) -> Result<i64, String> {
    let refused = || {
        format!(
            "{:?} is no amount of bytes: 1Gi, 500M and 1000 are some",
            text.chars().take(40).collect::<String>()
        )
    };
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let end = unsigned.find(|character: char| !character.is_ascii_digit() && character != '.');
    let (number, suffix) = unsigned.split_at(end.unwrap_or(unsigned.len()));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    let fraction_digits = u32::try_from(fraction.len()).map_err(|_| refused())?;
    // Empty, more than one point, or more digits than are ever needed.
    let digits: u128 = match digits.len() {
        1..=24 => digits.parse().map_err(|_| refused())?,
        _ => return Err(refused()),
    };
    let (factor, divisor) = scale(suffix).ok_or_else(refused)?;
    let divisor = 10_u128
        .checked_pow(fraction_digits)
        .and_then(|tens| tens.checked_mul(divisor))
        .ok_or_else(refused)?;
    let bytes = digits.checked_mul(factor).ok_or_else(refused)?;
    i64::try_from(bytes.div_ceil(divisor)).map_err(|_| refused())
}

/// What a number with this suffix is multiplied with, and then divided by.
fn scale(suffix: &str) -> Option<(u128, u128)> {
    let binary = |power: u32| Some((1 << (10 * power), 1));
    let decimal = |power: i32| {
        let size = 10_u128.checked_pow(power.unsigned_abs())?;
        Some(if power < 0 { (1, size) } else { (size, 1) })
    };
    match suffix {
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        _ => decimal(suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn quantities_are_rounded_up_to_bytes() {
        for (text, expected) in [
            ("0", 0),
            ("1000", 1_000),
            ("+5", 5),
            ("1Gi", 1_073_741_824),
            ("500M", 500_000_000),
            ("1.5Ki", 1_536),
            (".5k", 500),
            ("1.", 1),
            ("1500m", 2),
            ("1n", 1),
            ("12e3", 12_000),
            ("12E-1", 2),
            ("8.9E", 8_900_000_000_000_000_000),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            ".",
            "-1",
            "1.2.3",
            "1gi",
            "1 Gi",
            "Gi",
            "1e",
            "e3",
            "8Ei",
            "1e999",
            "1e-999",
            "1e99999999999",
            "1234567890123456789012345",
            "1é",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
