//! Services that others have written, where `scripts/test` has installed them.

use ost::testing::ExternalService;

use crate::urls::Child;

fn on_service(service: &ExternalService, child: Child) -> Child {
    let environment = service.environment().into_iter();
    environment.fold(child, |child, (name, value)| child.environment(name, value))
}

/// One writer only: moto looks whether an object is there, and stores it some time later.
#[tokio::test(flavor = "multi_thread")]
async fn moto_passes_with_one_writer() {
    let Some(moto) = ExternalService::moto().unwrap() else {
        return;
    };
    // It is slow; pages are the S3 server's in this process to show.
    let child = Child::suite(&moto.url("some/base")).one_writer().many(100);
    on_service(&moto, child).passes().await;
}

#[cfg(feature = "azure")]
#[tokio::test(flavor = "multi_thread")]
async fn azurite_passes() {
    let Some(azurite) = ExternalService::azurite().unwrap() else {
        return;
    };
    // It is slow, and 5,000 make a page.
    let child = Child::suite(&azurite.url("some/base")).many(300);
    on_service(&azurite, child).passes().await;
}
