//! Where logs, workspace archives and caches are.
//!
//! Source: `docs/formats.md`, section "runservice".

use ost::{ErrorKind, ObjectPath, Ost};

use crate::Error;

/// All logs lie below it.
pub(crate) const LOGS: &str = "logs/";
/// All workspace archives lie below it.
pub(crate) const ARCHIVES: &str = "workspacearchives/";
/// All caches lie below it.
pub(crate) const CACHES: &str = "caches/";

/// One log or workspace archive of a task. Runs that share a task share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Part {
    SetupLog,
    StepLog(usize),
    Archive(u32),
}

impl Part {
    /// Where it is stored.
    pub(crate) fn path(self, task_id: &str) -> Result<ObjectPath, Error> {
        path(&match self {
            Part::SetupLog => format!("{LOGS}{task_id}/data/setup.log"),
            Part::StepLog(step) => format!("{LOGS}{task_id}/data/steps/{step}.log"),
            Part::Archive(step) => format!("{ARCHIVES}{task_id}/data/{step}.tar"),
        })
    }

    /// The path and query with which an executor is asked for it.
    pub(crate) fn query(self) -> (&'static str, Vec<(&'static str, String)>) {
        match self {
            Part::SetupLog => ("executor/logs", vec![("setup", String::new())]),
            Part::StepLog(step) => ("executor/logs", vec![("step", step.to_string())]),
            Part::Archive(step) => ("executor/archives", vec![("step", step.to_string())]),
        }
    }
}

/// What tells that a run has logs, or archives, of a task.
pub(crate) fn markers(task_id: &str, run_id: &str) -> Result<[ObjectPath; 2], Error> {
    Ok([
        path(&format!("{LOGS}{task_id}/runs/{run_id}"))?,
        path(&format!("{ARCHIVES}{task_id}/runs/{run_id}"))?,
    ])
}

/// Where a cache is stored.
pub(crate) fn cache(key: &str) -> Result<ObjectPath, Error> {
    path(&format!("{CACHES}{key}.tar"))
}

fn path(text: &str) -> Result<ObjectPath, Error> {
    ObjectPath::parse(text).map_err(|cause| {
        Error::bad_request("this is no name that an object can have").with_source(cause)
    })
}

/// The id of the task that an archive belongs to.
#[cfg(test)]
pub(crate) fn task_of_archive(path: &str) -> Option<&str> {
    let mut segments = path.split('/');
    let is_archive = segments.next() == Some(ARCHIVES.trim_end_matches('/'));
    let task = segments.next().filter(|task| !task.is_empty());
    task.filter(|_| is_archive)
}

/// Whether an object is there.
pub(crate) async fn exists(ost: &Ost, path: &ObjectPath) -> Result<bool, Error> {
    match ost.head(path).await {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

/// What a failure of the storage means to a client.
pub(crate) fn failed(error: ost::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound => Error::not_found("there is no such object").with_source(error),
        ErrorKind::Invalid => {
            Error::bad_request("this is no name that an object can have").with_source(error)
        }
        ErrorKind::Unavailable | ErrorKind::Unknown => {
            Error::unavailable("the object storage does not answer").with_source(error)
        }
        _ => Error::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_of_an_archive_is_in_its_path() {
        for path in ["aaaa", "workspacearchives", "/workspacearchives/"] {
            assert_eq!(task_of_archive(path), None, "{path}");
        }
        let task = "2502c5c7-0fd9-432b-918e-3ccf31a664f8";
        let path = Part::Archive(3).path(task).unwrap();
        assert_eq!(
            path.as_str(),
            format!("workspacearchives/{task}/data/3.tar")
        );
        assert_eq!(task_of_archive(path.as_str()), Some(task));
        assert_eq!(task_of_archive("workspacearchives/"), None);
    }
}
