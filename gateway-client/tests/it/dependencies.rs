//! What users of the client get with it.

use std::process::Command;

/// It owes the server nothing, so that either can change without the other.
#[test]
fn the_client_needs_no_crate_of_the_workspace_and_no_server() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = Command::new(cargo)
        .args([
            "tree",
            "--locked",
            "--offline",
            "-p",
            "gateway-client",
            "--all-features",
        ])
        .args([
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8_lossy(&tree.stdout);
    // Crates of the workspace are shown with their directory.
    let own: Vec<&str> = tree.lines().filter(|line| line.contains("(/")).collect();
    let own: Vec<&str> = own
        .into_iter()
        .filter(|line| !line.contains("proc-macro"))
        .collect();
    assert!(
        own.iter().all(|line| line.starts_with("gateway-client ")),
        "{own:?}"
    );
    for unwanted in ["actix-web ", "actix-http ", "utoipa ", "object_store "] {
        assert!(
            !tree.lines().any(|line| line.starts_with(unwanted)),
            "{unwanted}"
        );
    }
    assert!(tree.contains("reqwest "));
}
