//! The chapter of the README about these commands, word for word.

use std::path::Path;
use std::process::Command;

use super::host::Host;

const README: &str = include_str!("../../../../README.md");
const CHAPTER: &str = "\n## Projects and runs with `dm`\n";

/// A block of the chapter: what is run, or what is printed then.
fn blocks() -> Vec<(String, String)> {
    let (_, chapter) = README.split_once(CHAPTER).unwrap();
    let (chapter, _) = chapter.split_once("\n## ").unwrap();
    let mut blocks = Vec::new();
    let mut rest = chapter;
    while let Some((_, from)) = rest.split_once("\n```") {
        let (language, from) = from.split_once('\n').unwrap();
        let (content, after) = from.split_once("```").unwrap();
        blocks.push((language.to_owned(), content.to_owned()));
        rest = after;
    }
    blocks
}

/// Lines with times and durations that are all the same. What becomes of a task is told a moment later, maybe behind what the
/// next one prints, so the order of lines is not looked at.
fn comparable(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let words = line.split_whitespace().map(|word| {
                let is_duration = word.len() > 2
                    && word.ends_with('s')
                    && word.starts_with(|first: char| first.is_ascii_digit());
                let is_time = word.contains([':', '-'])
                    && word
                        .chars()
                        .all(|one| one.is_ascii_digit() || one == ':' || one == '-')
                    && word.len() > 7;
                match is_duration || is_time {
                    true => "#",
                    false => word,
                }
            });
            words.collect::<Vec<_>>().join(" ")
        })
        .collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chapter_of_the_readme_is_what_happens() {
    let host = Host::start().await;
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("data");
    std::fs::create_dir_all(&token).unwrap();
    std::fs::write(token.join("admin-token"), host.admin().token()).unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_dm")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(bin.to_owned())
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    // One shell for all blocks, in which a line tells where each ends.
    let mark = "---- end of a block ----";
    let blocks = blocks();
    let script: String = blocks
        .iter()
        .filter(|(language, _)| language == "sh")
        .map(|(_, block)| format!("{block}\necho '{mark}'\n"))
        .collect();
    let ran = Command::new("bash")
        .args(["--norc", "-e", "-c", &format!("exec 2>&1\n{script}")])
        .current_dir(directory.path())
        .env("PATH", path.unwrap())
        .env("DM_GATEWAY", host.world.gateway.url())
        .env_remove("DM_TOKEN")
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{printed}");
    let printed: Vec<&str> = printed.split(mark).collect();
    let expected = blocks.iter().filter(|(language, _)| language == "text");
    let expected: Vec<&String> = expected.map(|(_, block)| block).collect();
    assert_eq!(printed.len(), expected.len() + 1);
    for (printed, expected) in printed.iter().zip(expected) {
        let printed = printed.trim_start_matches('\n');
        assert_eq!(comparable(printed), comparable(expected), "{printed}");
    }
}
