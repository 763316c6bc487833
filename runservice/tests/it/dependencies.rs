//! What users of the client get with it.

#[test]
fn the_client_needs_no_server_crates() {
    service::testing::assert_client_stands_alone("runservice", env!("CARGO_MANIFEST_DIR"));
}
