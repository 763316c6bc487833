//! The formats that an export can have.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// How the entries of an export are written down. Either may be compressed with zstd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportFormat {
    /// This program's own: a header, one line of JSON for each entry, and a trailer that shows a file that was cut off
    /// or altered. Internal entries are included.
    #[default]
    Native,
    /// What agola v0.7 writes and reads: JSON objects one after the other, without internal entries. A file that was
    /// cut off between two of them looks whole.
    Agola,
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ExportFormat::Native => "native",
            ExportFormat::Agola => "agola",
        })
    }
}

impl FromStr for ExportFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<ExportFormat, Error> {
        match text {
            "native" => Ok(ExportFormat::Native),
            "agola" => Ok(ExportFormat::Agola),
            _ => Err(Error::invalid(format!(
                "export format {text:?} is not known: \"native\" and \"agola\" are accepted"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_parsed_from_their_own_text_alone() {
        for format in [ExportFormat::Native, ExportFormat::Agola] {
            assert_eq!(format.to_string().parse::<ExportFormat>().unwrap(), format);
        }
        let error = "Native".parse::<ExportFormat>().unwrap_err();
        assert!(
            error.to_string().contains("\"native\" and \"agola\""),
            "{error}"
        );
    }
}
