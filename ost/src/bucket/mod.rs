//! S3, GCS and Azure: opened from settings and the environment.

#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
mod attempts;
#[cfg(feature = "aws")]
#[cfg(test)]
mod tests;

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
        kind: BackendKind::Bucket,
    })
}

/// How long requests are tried again after errors that may pass.
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
fn retries() -> object_store::RetryConfig {
    object_store::RetryConfig {
        // Less than a signature's life, and short enough for callers to tell theirs.
        retry_timeout: std::time::Duration::from_secs(60),
        ..Default::default()
    }
}

#[cfg(feature = "aws")]
fn s3(bucket: &str, options: &OstOptions) -> Result<Arc<dyn ObjectStore>> {
    let connector =
        attempts::Watching::new(object_store::client::ReqwestConnector::default(), true);
    Ok(Arc::new(
        s3_builder(bucket, options)
            .with_http_connector(connector)
            .build()?,
    ))
}

#[cfg(feature = "aws")]
fn s3_builder(bucket: &str, options: &OstOptions) -> object_store::aws::AmazonS3Builder {
    use object_store::aws::{AmazonS3Builder, S3ConditionalPut};

    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
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
    builder
}

#[cfg(feature = "gcp")]
fn gcs(bucket: &str, options: &OstOptions) -> Result<Arc<dyn ObjectStore>> {
    use object_store::ClientOptions;
    use object_store::gcp::GoogleCloudStorageBuilder;

    let connector =
        attempts::Watching::new(object_store::client::ReqwestConnector::default(), false);
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
    use object_store::azure::MicrosoftAzureBuilder;

    let connector =
        attempts::Watching::new(object_store::client::ReqwestConnector::default(), false);
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
    Ok(Arc::new(builder.build()?))
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
