//! The page of the gateway in a real browser, in front of everything that `dm serve` starts. `page.mjs` says what a person
//! does there.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::served::Served;

const DEADLINE: Duration = Duration::from_secs(120);

/// Screenshots at two widths, in light and dark, are left in `screenshots` in the target directory.
#[tokio::test]
async fn a_person_signs_in_starts_the_sample_run_follows_its_log_and_approves() {
    let Some(playwright) = std::env::var_os("DM_PLAYWRIGHT") else {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "DM_PLAYWRIGHT names no playwright-core"
        );
        return eprintln!("NOT RUN: DM_PLAYWRIGHT names no playwright-core");
    };
    let directory = tempfile::tempdir().unwrap();
    let mut served = Served::ready(directory.path());
    let run = Command::new("node")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/page.mjs"))
        .arg(served.url())
        .args([served.token("data/demo-token"), served.admin_token()])
        .arg(screenshots())
        .env("DM_PLAYWRIGHT", playwright)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, run).await;
    let output = output
        .expect("the browser has done it all in time")
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(served.stop(), Some(0), "{}", served.stderr());
}

/// The program stands in `debug` or `release` below the target directory.
fn screenshots() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_dm"));
    program.ancestors().nth(2).unwrap().join("screenshots")
}
