//! What users of the client get with it.

use std::process::Command;

/// The client alone brings neither the HTTP server nor the store.
#[test]
fn the_client_needs_no_server_crates() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let tree = Command::new(cargo)
        .args([
            "tree",
            "--locked",
            "--offline",
            "-p",
            "configstore",
            "--no-default-features",
        ])
        .args([
            "--features",
            "client",
            "--edges",
            "normal",
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
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(
        names.contains(&"reqwest") && names.contains(&"service"),
        "{tree}"
    );
    for unwanted in [
        "actix-web",
        "actix-http",
        "datamanager",
        "ost",
        "object_store",
        "etcd-client",
        "utoipa",
    ] {
        assert!(!names.contains(&unwanted), "{unwanted}");
    }
}
