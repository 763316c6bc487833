//! The description of the routes.

use crate::program::Executor;

#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_every_route_and_is_the_one_that_is_checked_in() {
    // No run service is needed.
    let executor = Executor::start("http://127.0.0.1:1").await;
    let url = executor.url();
    service::testing::assert_description_is_complete(&url, 3).await;
    let directory = env!("CARGO_MANIFEST_DIR");
    service::testing::assert_description_is_checked_in(&url, directory).await;
}
