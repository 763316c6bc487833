//! Where and with what a step is executed: environment, directories and shell. Functions without side effects.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What executes commands of tasks that do not say so.
pub(crate) const SHELL_DEFAULT: &str = "/bin/sh -e";
/// Where tasks begin that do not say so.
pub(crate) const WORKING_DIRECTORY_DEFAULT: &str = "~/project";

/// The environment of a step, the later before the earlier ones: that of the machine or image, that of the container, that
/// of the task (in which the run service has put the run's), that of the step.
///
/// # Errors
/// A name that no environment can have, or a value with NUL.
pub(crate) fn environment<'a>(
    layers: impl IntoIterator<Item = &'a BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, String> {
    let mut whole = BTreeMap::new();
    for (name, value) in layers.into_iter().flatten() {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(format!("no variable can have the name {name:?}"));
        }
        if value.contains('\0') {
            return Err(format!("the value of the variable {name:?} contains NUL"));
        }
        whole.insert(name.clone(), value.clone());
    }
    Ok(whole)
}

/// The directory that a task or step means: an absolute one, one below the home directory if it is `~` or begins with `~/`,
/// otherwise one below `base`. If it is empty, it is `base`.
///
/// # Errors
/// It contains NUL.
pub(crate) fn directory(text: &str, home: &Path, base: &Path) -> Result<PathBuf, String> {
    if text.contains('\0') {
        return Err("a directory contains NUL".to_owned());
    }
    let path = match text.strip_prefix('~') {
        Some("") => home.to_owned(),
        Some(below) if below.starts_with('/') => home.join(below.trim_start_matches('/')),
        _ => base.join(text),
    };
    // Without the slash that joining nothing leaves, and without parts that mean nothing.
    Ok(path.components().collect())
}

/// Where a task begins.
///
/// # Errors
/// As [`directory`].
pub(crate) fn working_directory(task: &str, home: &Path) -> Result<PathBuf, String> {
    let task = match task {
        "" => WORKING_DIRECTORY_DEFAULT,
        task => task,
    };
    directory(task, home, home)
}

/// The program that executes a command, and its arguments, the last of which is the file with the command. The shell of the
/// step goes before that of the task. A shell is parted at spaces; there is no quoting.
///
/// # Errors
/// It contains NUL.
pub(crate) fn shell(
    step: &str,
    task: &str,
    script: &Path,
) -> Result<Vec<std::ffi::OsString>, String> {
    let shell = [step, task, SHELL_DEFAULT]
        .into_iter()
        .find(|shell| !shell.trim_matches(' ').is_empty())
        .unwrap_or(SHELL_DEFAULT);
    if shell.contains('\0') {
        return Err("the shell contains NUL".to_owned());
    }
    let words = shell.split(' ').filter(|word| !word.is_empty());
    Ok(words
        .map(std::ffi::OsString::from)
        .chain([script.as_os_str().to_owned()])
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn what_is_closer_to_the_step_goes_before_the_rest() {
        let machine = map(&[("PATH", "/bin"), ("A", "machine"), ("B", "machine")]);
        let container = map(&[("A", "container"), ("C", "container")]);
        let task = map(&[("B", "task"), ("C", "task"), ("D", "task")]);
        let step = map(&[("D", "step"), ("EMPTY", "")]);
        let whole = environment([&machine, &container, &task, &step]).unwrap();
        let expected = [
            ("A", "container"),
            ("B", "task"),
            ("C", "task"),
            ("D", "step"),
            ("EMPTY", ""),
            ("PATH", "/bin"),
        ];
        assert_eq!(whole, map(&expected));
        // Nothing is expanded.
        let literal = map(&[("X", "$PATH ~ ${A}")]);
        assert_eq!(
            environment([&machine, &literal]).unwrap()["X"],
            "$PATH ~ ${A}"
        );
    }

    #[test]
    fn names_and_values_that_no_environment_can_have_are_refused() {
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0y")] {
            assert!(environment([&map(&[(name, value)])]).is_err(), "{name:?}");
        }
        for (name, value) in [("a-b", "="), ("ä", "\n"), ("1", " ")] {
            assert!(environment([&map(&[(name, value)])]).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn directories_are_below_home_or_where_the_task_begins_or_absolute() {
        let (home, base) = (Path::new("/h"), Path::new("/h/project"));
        for (text, expected) in [
            ("", "/h/project"),
            (".", "/h/project"),
            ("sub/", "/h/project/sub"),
            ("./sub//deeper", "/h/project/sub/deeper"),
            ("../beside", "/h/project/../beside"),
            ("~", "/h"),
            ("~/", "/h"),
            ("~/x", "/h/x"),
            ("~//x", "/h/x"),
            ("~user", "/h/project/~user"),
            ("/tmp", "/tmp"),
            ("a ~", "/h/project/a ~"),
        ] {
            assert_eq!(
                directory(text, home, base).unwrap(),
                Path::new(expected),
                "{text:?}"
            );
            let shown = directory(text, home, base).unwrap();
            assert_eq!(shown.to_str().unwrap(), expected, "{text:?}");
        }
        assert!(directory("a\0b", home, base).is_err());
        assert_eq!(working_directory("", home).unwrap(), base);
        assert_eq!(
            working_directory("work", home).unwrap(),
            Path::new("/h/work")
        );
        assert_eq!(
            working_directory("/work", home).unwrap(),
            Path::new("/work")
        );
    }

    #[test]
    fn a_shell_is_parted_at_spaces_and_gets_the_file_last() {
        let words = |step, task| {
            let words = shell(step, task, Path::new("/t/s.sh")).unwrap();
            let words = words.iter().map(|word| word.to_str().unwrap().to_owned());
            words.collect::<Vec<_>>().join("|")
        };
        assert_eq!(words("", ""), "/bin/sh|-e|/t/s.sh");
        assert_eq!(words("", "/bin/bash  -e -x "), "/bin/bash|-e|-x|/t/s.sh");
        assert_eq!(words("python3", "/bin/bash"), "python3|/t/s.sh");
        assert_eq!(words("  ", "sh"), "sh|/t/s.sh");
        assert_eq!(words("sh -c \"a b\"", ""), "sh|-c|\"a|b\"|/t/s.sh");
        assert!(shell("sh\0", "", Path::new("/s")).is_err());
    }
}
