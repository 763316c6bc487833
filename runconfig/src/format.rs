//! Formats of definitions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a definition is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// YAML 1.1.
    Yaml,
    /// JSON, which is read as YAML.
    Json,
    /// A jsonnet program: a value, or a function of `ctx`.
    Jsonnet,
    /// A starlark program with a function `main(ctx)`.
    Starlark,
}

/// The files in the directory `.agola` that a definition may stand in. The first that is there counts.
pub const FILE_NAMES: [(&str, Format); 4] = [
    ("config.star", Format::Starlark),
    ("config.jsonnet", Format::Jsonnet),
    ("config.json", Format::Json),
    ("config.yml", Format::Yaml),
];

impl Format {
    /// All of them.
    pub const ALL: [Format; 4] = [
        Format::Yaml,
        Format::Json,
        Format::Jsonnet,
        Format::Starlark,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Yaml => "yaml",
            Format::Json => "json",
            Format::Jsonnet => "jsonnet",
            Format::Starlark => "starlark",
        }
    }

    /// Whether it is a program that has to be evaluated.
    pub fn is_program(self) -> bool {
        matches!(self, Format::Jsonnet | Format::Starlark)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A name of a format that there is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFormat(String);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name: String = self.0.chars().take(40).collect();
        write!(
            formatter,
            "{name:?} is no format of definitions: yaml, json, jsonnet, starlark"
        )
    }
}

impl std::error::Error for UnknownFormat {}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Format, UnknownFormat> {
        let mut formats = Format::ALL.into_iter();
        let format = formats.find(|format| format.as_str() == name);
        format.ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}
