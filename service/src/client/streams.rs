//! Bodies that are not held in memory.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Response, StatusCode};

use super::{Client, Path, decode, unanswered};
use crate::Error;

impl Client {
    /// Gets a body as a stream. A body that was cut off ends with an error.
    ///
    /// # Errors
    /// As [`Client::post`]; in the stream, that it was cut off.
    pub async fn download(
        &self,
        path: &Path,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        let response = self.answer(self.request(Method::GET, path)?).await?;
        Ok(pieces(response))
    }

    /// Gets a body that goes on for as long as something may come. Nothing may come for as long as it likes: that the other
    /// side is gone shows when the connection breaks, or when its system does not answer any more.
    ///
    /// # Errors
    /// As [`Client::download`].
    pub async fn follow(
        &self,
        path: &Path,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<>, Error> {
        let request = self.request_by(&self.inner.patient, Method::GET, path)?;
        let response = tokio::time::timeout(self.inner.timeout, self.answer(request)).await;
        let response = response
            .map_err(|_| Error::unavailable("the service did not begin to answer in time"))?;
        Ok(pieces(response?))
    }

    /// Sends a stream with POST. An error in the stream cuts the request off.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn upload<E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static>(
        &self,
        path: &Path,
        body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Result<(), Error> {
        self.upload_new(path, body).await?;
        Ok(())
    }

    /// Sends a stream with POST to where something may be already, which is kept then: returns whether nothing was there.
    ///
    /// # Errors
    /// As [`Client::upload`].
    pub async fn upload_new<E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static>(
        &self,
        path: &Path,
        body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Result<bool, Error> {
        let bytes = HeaderValue::from_static("application/octet-stream");
        let request = self.request(Method::POST, path)?;
        let request = request.header(CONTENT_TYPE, bytes);
        let body = Body::wrap_stream(body.map(|piece| piece.map_err(Into::into)));
        let response = self.answer(request.body(body)).await?;
        let is_new = response.status() != StatusCode::NOT_MODIFIED;
        decode::<()>(response).await?;
        Ok(is_new)
    }

    /// Whether the server is ready: the answer of `/readyz`.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn ready(&self) -> Result<(), Error> {
        let url = format!("{}/readyz", self.inner.base_url());
        let request = self.inner.http.get(url).timeout(self.inner.timeout);
        let response = request.send().await.map_err(unanswered)?;
        match response.status().is_success() {
            true => Ok(()),
            false => Err(super::refused(response).await),
        }
    }
}

fn pieces(response: Response) -> impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + use<> {
    let pieces = response.bytes_stream();
    Box::pin(pieces.map(|piece| {
        piece.map_err(|cause| {
            Error::unavailable("the stream was cut off").with_source(cause.without_url())
        })
    }))
}
