//! Run definitions that are sent.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use gateway_client::api::{DefinitionFormat, RunDefinition};

use super::input::{self, Source};
use crate::exit::Reason;

/// Bytes of a definition. The gateway takes fewer.
const DEFINITION_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A format.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    Yaml,
    Json,
    Jsonnet,
    Starlark,
}

/// A run definition in a file.
#[derive(Debug, Args)]
pub(super) struct DefinitionArgs {
    /// The file with the run definition; - is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,

    /// How the definition is written, if the file's name does not end with .yml, .yaml, .json, .jsonnet or .star; standard
    /// input is yaml if nothing is said
    #[arg(long, value_enum, requires = "file")]
    format: Option<Format>,
}

impl DefinitionArgs {
    /// The definition, if a file was named.
    pub(super) fn read(&self) -> anyhow::Result<Option<RunDefinition>> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let source = Source::of(file);
        let format = match (self.format, &source) {
            (Some(format), _) => format,
            (None, Source::StandardInput) => Format::Yaml,
            (None, Source::File(path)) => format_of(path)?,
        };
        Ok(Some(RunDefinition {
            format: Some(format.into()),
            content: input::read_text(&source, DEFINITION_BYTES_MAX)?,
        }))
    }
}

fn format_of(path: &Path) -> Result<Format, Reason> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    match ending {
        Some("yml" | "yaml") => Ok(Format::Yaml),
        Some("json") => Ok(Format::Json),
        Some("jsonnet") => Ok(Format::Jsonnet),
        Some("star") => Ok(Format::Starlark),
        _ => Err(Reason::usage(format!(
            "the name of {} does not say how the definition is written: --format does",
            path.display()
        ))),
    }
}

impl From<Format> for DefinitionFormat {
    fn from(format: Format) -> DefinitionFormat {
        match format {
            Format::Yaml => DefinitionFormat::Yaml,
            Format::Json => DefinitionFormat::Json,
            Format::Jsonnet => DefinitionFormat::Jsonnet,
            Format::Starlark => DefinitionFormat::Starlark,
        }
    }
}
