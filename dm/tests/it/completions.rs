//! Scripts that complete commands in a shell.

use std::process::Command;

use crate::support::Place;

const COMMANDS: [&str; 10] = [
    "scan",
    "delete-prefix",
    "run",
    "project",
    "projectgroup",
    "user",
    "org",
    "secret",
    "variable",
    "completions",
];

#[test]
fn every_script_names_the_commands_and_their_parts() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.dm(&["completions", shell]).done();
        for name in COMMANDS.iter().chain(&["logs", "approve", "--token-file"]) {
            // fish has options without the dashes.
            let name = name.trim_start_matches("--");
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
}

#[test]
fn bash_loads_its_script_and_completes_commands() {
    let place = Place::new();
    let script = place.file("dm.bash", place.dm(&["completions", "bash"]).done());
    let complete = |words: &[&str]| {
        let program = r#"
            set -e
            source "$1"; shift
            complete -p dm
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
            _dm dm "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            printf '%s\n' "${COMPREPLY[@]}"
        "#;
        let ran = Command::new("bash")
            .args(["--norc", "-c", program, "bash"])
            .arg(&script)
            .args(words)
            .output()
            .unwrap();
        let errors = String::from_utf8(ran.stderr).unwrap();
        assert!(ran.status.success(), "{errors}");
        let printed = String::from_utf8(ran.stdout).unwrap();
        let mut lines = printed.lines().map(str::to_owned);
        assert!(lines.next().unwrap().contains("-F _dm"));
        let mut found: Vec<String> = lines.collect();
        found.sort();
        found
    };
    for command in COMMANDS {
        let found = complete(&["dm", command]);
        assert!(found.contains(&command.to_owned()), "{found:?}");
    }
    assert_eq!(complete(&["dm", "run", "app"]), ["approve"]);
    assert_eq!(
        complete(&["dm", "run", "start", "--fo"]),
        ["--follow", "--format"]
    );
}
