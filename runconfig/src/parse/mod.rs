//! From a text to a definition, with all that can be wrong with it.
//!
//! Everything is looked at once, and what is wrong is noted with its place. Where something is wrong, an empty value takes its
//! place, so that the rest can be looked at too. Unknown keys are ignored.

mod depend;
mod graph;
mod quantity;
mod run;
mod scalar;
mod step;
#[cfg(test)]
mod tests;
mod value;
mod walk;
mod when;

use configstore::api::When;
use service::yaml::{self, Limits, Node};

use crate::definition::Definition;
use crate::error::{Error, Fault};
use walk::{At, Faults};
use when::Patterns;

/// Bytes of a definition in YAML or JSON, at most; of a program and of what it makes, too.
pub const CONTENT_BYTES_MAX: usize = 1024 * 1024;
/// More than this is no definition that anyone has written. A value takes five bytes in it, all aliases written out.
const LIMITS: Limits = Limits {
    depth_max: 64,
    nodes_max: 200_000,
    text_bytes_max: 4 * CONTENT_BYTES_MAX,
};
/// Runs of a definition, at most: each of them may be made at once.
const RUNS_MAX: usize = 1_000;

/// Reads a definition in YAML or JSON.
///
/// Takes at most a few seconds, whatever the text is.
///
/// # Errors
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid): something is wrong with it.
pub fn parse(content: &str) -> Result<Definition, Error> {
    parse_with(content, true)
}

/// The same; `has_lines` is whether anyone has written the lines.
pub(crate) fn parse_with(content: &str, has_lines: bool) -> Result<Definition, Error> {
    let invalid = |fault| Error::invalid(vec![fault]);
    if content.len() > CONTENT_BYTES_MAX {
        return Err(invalid(too_long(content.len())));
    }
    let document = yaml::first_document(content, LIMITS);
    let document = document.map_err(|error| {
        invalid(Fault {
            line: has_lines.then_some(error.line),
            key: String::new(),
            message: error.message,
        })
    })?;
    let no_runs = || invalid(Fault::of_all("there are no runs"));
    let root = document.ok_or_else(no_runs)?;
    let mut reader = Reader::new(has_lines);
    let definition = reader.definition(At::root(&root));
    reader.finish(definition)
}

/// Reads conditions as they stand below the key `when`, from a part of any document. Nothing: they are always met.
///
/// # Errors
/// [`ErrorKind::Invalid`](crate::ErrorKind::Invalid): something is wrong with them.
pub fn parse_when(node: &Node) -> Result<Option<When>, Error> {
    let mut reader = Reader::new(true);
    let when = reader.when(Some(At::root(node)));
    reader.finish(when)
}

pub(crate) fn too_long(bytes: usize) -> Fault {
    let message = format!("there are {bytes} bytes, and at most {CONTENT_BYTES_MAX} are read");
    Fault::of_all(message)
}

struct Reader {
    faults: Faults,
    patterns: Patterns,
}

impl Reader {
    fn new(has_lines: bool) -> Reader {
        Reader {
            faults: Faults::new(has_lines),
            patterns: Patterns::default(),
        }
    }

    /// What was read, if nothing is wrong.
    fn finish<T>(self, value: T) -> Result<T, Error> {
        let faults = self.faults.finish();
        match faults.is_empty() {
            true => Ok(value),
            false => Err(Error::invalid(faults)),
        }
    }

    fn definition(&mut self, at: At<'_>) -> Definition {
        if at.is_null() {
            self.faults.add(at, "there are no runs");
            return Definition::default();
        }
        let Some(fields) = self.faults.fields(at) else {
            return Definition::default();
        };
        let runs = self.faults.list(fields.get("runs"));
        if runs.len() == 0 && self.faults.count() == 0 {
            let place = fields.get("runs").unwrap_or(at);
            self.faults.add(place, "there are no runs");
        }
        if runs.len() > RUNS_MAX {
            let message = format!(
                "there are {} runs, and at most {RUNS_MAX} are accepted",
                runs.len()
            );
            self.faults.add(fields.get("runs").unwrap_or(at), message);
            return Definition::default();
        }
        Definition {
            docker_registries_auth: self.registries(fields.get("docker_registries_auth")),
            runs: self.runs(runs),
        }
    }
}
