//! What a run is made for.

use configstore::evaluation::{RefType, Reference};
use serde_json::json;

/// What a run is made for. What does not apply is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// What it is.
    pub ref_type: RefType,
    /// The whole name, as `refs/heads/main`.
    pub reference: String,
    /// The branch.
    pub branch: String,
    /// The tag.
    pub tag: String,
    /// The pull request.
    pub pull_request_id: String,
    /// The commit.
    pub commit_sha: String,
}

impl Context {
    /// One in which all but the type is empty.
    pub fn new(ref_type: RefType) -> Context {
        Context {
            ref_type,
            reference: String::new(),
            branch: String::new(),
            tag: String::new(),
            pull_request_id: String::new(),
            commit_sha: String::new(),
        }
    }

    /// What conditions are about.
    pub(crate) fn as_reference(&self) -> Reference<'_> {
        Reference {
            kind: self.ref_type,
            branch: &self.branch,
            tag: &self.tag,
            name: &self.reference,
        }
    }

    /// What programs get.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        json!({
            "ref_type": self.ref_type.as_str(),
            "ref": self.reference,
            "branch": self.branch,
            "tag": self.tag,
            "pull_request_id": self.pull_request_id,
            "commit_sha": self.commit_sha,
        })
    }
}
