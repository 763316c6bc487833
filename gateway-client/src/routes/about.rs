//! What the gateway tells about itself, and badges.

use crate::api::VersionResponse;
use crate::path::Path;
use crate::{Client, Error, ErrorKind};

impl Client {
    /// What the gateway is.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn version(&self) -> Result<VersionResponse, Error> {
        self.get(&Path::of(["version"])).await
    }

    /// The description of all routes, in the format of OpenAPI.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn openapi(&self) -> Result<serde_json::Value, Error> {
        self.get(&Path::of(["openapi.json"])).await
    }

    /// How the newest run of a project stands, as a picture in SVG; of one branch, if one is given.
    ///
    /// # Errors
    /// As [`Client`] says.
    pub async fn badge(&self, project: &str, branch: Option<&str>) -> Result<String, Error> {
        let path = Path::of(["badges", project]).optional("branch", branch);
        let picture = self.read(&path).await?;
        String::from_utf8(picture.into()).map_err(|cause| {
            Error::new(ErrorKind::Internal, "the badge is no text").with_source(cause)
        })
    }
}
