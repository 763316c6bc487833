//! The description of the routes.

use crate::host::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_complete_and_checked_in() {
    let world = World::new().await;
    let url = world.gateway.url();
    service::testing::assert_description_is_complete(&url, 80).await;
    service::testing::assert_description_is_checked_in(&url, env!("CARGO_MANIFEST_DIR")).await;
}
