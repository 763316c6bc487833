//! S3, GCS and Azure: opened from settings and the environment.

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod attempts;
#[cfg(feature = "aws")]
#[cfg(test)]
mod tests;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod watching;

use std::sync::Arc;

use object_store::{ObjectStore, Result};

use crate::OstOptions;
use crate::backend::{Backend, BackendKind};
use crate::ost_url::Provider;

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(crate) use attempts::create;

/// Opens a bucket without touching it.
pub(crate) fn open(provider: Provider, bucket: &str, options: &OstOptions) -> Result<Backend> {
    let store = match provider {
        Provider::S3 => s3(bucket, options),
        Provider::Gcs => gcs(bucket, options),
        Provider::Azure => azure(bucket, options),
    }?;
    Ok(Backend {
        store,
        kind: BackendKind::Bucket(provider),
    })
}

/// How requests are tried again after errors that may pass.
///
/// The waits begin short, because most conflicts are over at once, and grow to seconds with chance, so that many
/// clients do not come back together. All of them together outlast 20 s of throttling, and are less than two
/// minutes; the time limit mostly comes first. It is less than a signature's life, and short enough for callers to
/// tell theirs. `object_store`'s own ten waits are over after 3 s.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
fn retries() -> object_store::RetryConfig {
    use std::time::Duration;

    object_store::RetryConfig {
        backoff: object_store::BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 6.0,
        },
        max_retries: 22,
        retry_timeout: Duration::from_secs(60),
    }
}

#[cfg(feature = "aws")]
fn s3(bucket: &str, options: &OstOptions) -> Result<Arc<dyn ObjectStore>> {
    Ok(Arc::new(s3_builder(bucket, options).build()?))
}

#[cfg(feature = "aws")]
pub(crate) fn s3_builder(bucket: &str, options: &OstOptions) -> object_store::aws::AmazonS3Builder {
    use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
    use object_store::client::ReqwestConnector;

    let connector = watching::Watching::new(ReqwestConnector::default(), true);
    let mut builder = AmazonS3Builder::from_env()
        .with_http_connector(connector)
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        // Only one object is deleted at a time. A refused one is then told by the status, and services without
        // the request for many can be used.
        .with_disable_bulk_delete(true)
        .with_virtual_hosted_style_request(!options.path_style.unwrap_or(true))
        .with_retry(retries());
    if let Some(endpoint) = &options.endpoint {
        builder = builder
            .with_endpoint(endpoint)
            .with_allow_http(endpoint.starts_with("http://"));
    }
    if let Some(region) = &options.region {
        builder = builder.with_region(region);
    }
    if let Some(key) = &options.access_key {
        builder = builder
            .with_access_key_id(&key.id)
            .with_secret_access_key(&key.secret);
    }
    builder
}

#[cfg(feature = "gcp")]
fn gcs(bucket: &str, options: &OstOptions) -> Result<Arc<dyn ObjectStore>> {
    use object_store::ClientOptions;
    use object_store::gcp::GoogleCloudStorageBuilder;

    let connector =
        watching::Watching::new(object_store::client::ReqwestConnector::default(), false);
    let mut builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retries())
        .with_http_connector(connector);
    if let Some(endpoint) = &options.endpoint {
        builder = builder.with_base_url(endpoint);
        if endpoint.starts_with("http://") {
            builder = builder.with_client_options(ClientOptions::new().with_allow_http(true));
        }
    }
    Ok(Arc::new(builder.build()?))
}

#[cfg(feature = "azure")]
fn azure(container: &str, options: &OstOptions) -> Result<Arc<dyn ObjectStore>> {
    Ok(Arc::new(azure_builder(container, options).build()?))
}

/// A builder with the settings of the environment and of `options`; the latter win.
#[cfg(feature = "azure")]
pub(crate) fn azure_builder(
    container: &str,
    options: &OstOptions,
) -> object_store::azure::MicrosoftAzureBuilder {
    use object_store::azure::MicrosoftAzureBuilder;

    let connector =
        watching::Watching::new(object_store::client::ReqwestConnector::default(), false);
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_retry(retries())
        .with_http_connector(connector);
    if let Some(account) = &options.account {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = &options.endpoint {
        builder = builder
            .with_endpoint(endpoint.clone())
            .with_allow_http(endpoint.starts_with("http://"));
    }
    builder
}

#[cfg(not(feature = "aws"))]
fn s3(_bucket: &str, _options: &OstOptions) -> Result<Arc<dyn ObjectStore>> {
    Err(not_built("aws"))
}

#[cfg(not(feature = "gcp"))]
fn gcs(_bucket: &str, _options: &OstOptions) -> Result<Arc<dyn ObjectStore>> {
    Err(not_built("gcp"))
}

#[cfg(not(feature = "azure"))]
fn azure(_bucket: &str, _options: &OstOptions) -> Result<Arc<dyn ObjectStore>> {
    Err(not_built("azure"))
}

#[cfg(not(all(feature = "aws", feature = "gcp", feature = "azure")))]
fn not_built(feature: &str) -> object_store::Error {
    object_store::Error::NotSupported {
        source: format!("this program was built without the feature `{feature}` of the crate ost")
            .into(),
    }
}
