//! What users of a client get with it.

/// Asserts that the feature `client` of a crate of this workspace brings neither the HTTP server nor the store.
///
/// # Panics
/// It does, or cargo cannot tell.
pub fn assert_client_stands_alone(package: &str, manifest_directory: &str) {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut tree = std::process::Command::new(cargo);
    tree.args(["tree", "--locked", "--offline", "--no-default-features"])
        .args(["--features", "client", "-p", package])
        .args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(manifest_directory);
    let tree = tree.output().expect("cargo can be run");
    let errors = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "{errors}");
    let tree = String::from_utf8_lossy(&tree.stdout);
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
