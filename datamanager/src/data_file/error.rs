//! What can go wrong with a data file.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// A piece of a file that does not read as the format says, before it is known which file it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// Offset in the file of the block, section or field.
    pub(crate) offset: u64,
    /// What is wrong there.
    pub(crate) what: Cow<'static, str>,
}

impl Damage {
    /// `what` is wrong at `offset`.
    pub(crate) fn new(offset: u64, what: impl Into<Cow<'static, str>>) -> Damage {
        Damage {
            offset,
            what: what.into(),
        }
    }

    /// Names the file.
    pub(crate) fn in_file(self, path: impl fmt::Display) -> DataFileError {
        DataFileError::Corrupt {
            path: path.to_string(),
            offset: self.offset,
            what: self.what,
        }
    }
}

/// Why an operation on a data file failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum DataFileError {
    /// The bytes in storage are not what was written. Reading again does not help.
    Corrupt {
        /// The object.
        path: String,
        /// Offset in it, in bytes, of the damaged block, section or field.
        offset: u64,
        /// What is wrong there.
        what: Cow<'static, str>,
    },
    /// The object storage failed.
    Object {
        /// What was tried, on which object.
        what: String,
        /// Its own word on it.
        source: ost::Error,
    },
    /// The caller asked for something that the format or this version cannot do.
    Invalid(String),
}

impl fmt::Display for DataFileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataFileError::Corrupt { path, offset, what } => {
                write!(
                    formatter,
                    "data file \"{path}\" is damaged at offset {offset}: {what}"
                )
            }
            DataFileError::Object { what, .. } => formatter.write_str(what),
            DataFileError::Invalid(what) => formatter.write_str(what),
        }
    }
}

impl Error for DataFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            DataFileError::Object { source, .. } => Some(source),
            DataFileError::Corrupt { .. } | DataFileError::Invalid(_) => None,
        }
    }
}
