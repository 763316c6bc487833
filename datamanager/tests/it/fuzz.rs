//! Changed bytes of every format, from a seed, within bounded memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use datamanager::environment::SeededRandom;
use datamanager::testing::fuzz::TARGETS;

/// Set in the process whose memory is bounded.
const CHILD: &str = "DM_TEST_FUZZ_CHILD";
/// Kibibytes of address space of that process, with the threads and libraries of a test.
const ADDRESS_SPACE_KIBIBYTES: u64 = 1024 * 1024;
/// Bytes that an input grows to, at most.
const INPUT_BYTES_MAX: usize = 16 * 1024;

fn fuzz_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(fuzz_directory().join("corpus").join(target)).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// One more change of an input.
fn change(input: &mut Vec<u8>, others: &[Vec<u8>], random: &mut SeededRandom) {
    const INTERESTING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'/', b'\n'];
    let at = random.below(input.len().max(1));
    match random.below(9) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = INTERESTING[random.below(INTERESTING.len())],
        2 => input.truncate(at),
        3 => {
            let mut inserted = vec![0; 1 + random.below(8)];
            random.fill(&mut inserted);
            drop(input.splice(at..at, inserted));
        }
        4 => {
            let end = (at + 1 + random.below(16)).min(input.len());
            input.drain(at.min(end)..end);
        }
        5 => {
            // A piece of another input, or of the same kind.
            let other = &others[random.below(others.len())];
            let from = random.below(other.len().max(1));
            let to = (from + 1 + random.below(64)).min(other.len());
            let piece = other.get(from..to).unwrap_or_default().to_vec();
            drop(input.splice(at..at, piece));
        }
        6 => {
            // A number that is a length, most likely.
            let width = [2, 4, 8][random.below(3)];
            if let Some(number) = input.get_mut(at..at + width) {
                match random.coin() {
                    true => number.fill(0xff),
                    false => number[0] = number[0].wrapping_add(1),
                }
            }
        }
        7 if at < input.len() => {
            let byte = input[at];
            let count = 1 + random.below(300);
            drop(input.splice(at..at, std::iter::repeat_n(byte, count)));
        }
        _ if at < input.len() => {
            let other = random.below(input.len());
            input.swap(at, other);
        }
        _ => {}
    }
    input.truncate(INPUT_BYTES_MAX);
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Runs all targets on their corpus and on changes of it. An input that panics is kept.
fn run_targets() {
    let (seed, changes) = (variable("DM_SEED", 1), variable("DM_FUZZ_CHANGES", 50_000));
    for target in TARGETS {
        let corpus = corpus(target.name);
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        corpus.iter().for_each(|input| (target.run)(input));
        let mut random = SeededRandom::new(seed);
        let mut input = Vec::new();
        for number in 0..changes {
            // Now and then from the beginning, so that inputs do not decay to noise.
            if number % 8 == 0 {
                input = corpus[random.below(corpus.len())].clone();
            }
            change(&mut input, &corpus, &mut random);
            let result = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
            if result.is_err() {
                let path =
                    std::env::temp_dir().join(format!("fuzz-{}-{seed}-{number}", target.name));
                std::fs::write(&path, &input).unwrap();
                panic!("{} panics on what is in {}", target.name, path.display());
            }
        }
    }
}

/// Not a test by itself: what the next test runs with little memory.
#[test]
fn helper_that_runs_all_targets() {
    if std::env::var_os(CHILD).is_some() {
        run_targets();
    }
}

#[test]
fn no_change_of_stored_bytes_panics_or_takes_much_memory() {
    let limit = format!("ulimit -v {ADDRESS_SPACE_KIBIBYTES} && exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &limit])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "fuzz::helper_that_runs_all_targets",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {printed}", output.status);
}

#[test]
fn every_target_can_be_run_by_cargo_fuzz() {
    let files = std::fs::read_dir(fuzz_directory().join("fuzz_targets")).unwrap();
    let mut found: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    let mut expected: Vec<String> = TARGETS
        .iter()
        .map(|target| format!("{}.rs", target.name))
        .collect();
    expected.sort();
    assert_eq!(found, expected);
    let manifest = std::fs::read_to_string(fuzz_directory().join("Cargo.toml")).unwrap();
    for target in TARGETS {
        assert!(manifest.contains(&format!("name = \"{}\"", target.name)));
    }
}
