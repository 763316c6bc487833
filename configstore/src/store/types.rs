//! The types of documents.

use std::time::Duration;

use service::Database;

use super::{
    DeletionDocument, GroupDocument, LinkedAccountDocument, MemberDocument, OrganizationDocument,
    ProjectDocument, RemoteSourceDocument, SecretDocument, SecretKeyDocument, TokenDocument,
    UserDocument, VariableDocument,
};
use crate::Error;

/// Runs a block once for each type of documents.
macro_rules! for_each_type {
    ($name:ident => $block:block) => {
        for_each_type!($name => $block,
            UserDocument, LinkedAccountDocument, TokenDocument, OrganizationDocument, MemberDocument, GroupDocument,
            ProjectDocument, RemoteSourceDocument, SecretDocument, VariableDocument, DeletionDocument, SecretKeyDocument);
    };
    ($name:ident => $block:block, $($document:ty),+) => {
        $({
            type $name = $document;
            $block
        })+
    };
}

/// Sees to it that the indexes of all types are there.
pub(crate) fn declare_types(database: &Database) -> Result<(), Error> {
    for_each_type!(Each => {
        database.data_manager().collection::<Each>()?;
    });
    Ok(())
}

/// Waits until everything can be looked up: right away but when the indexes were changed by hand or by a new version.
pub(crate) async fn wait_for_indexes(database: &Database, timeout: Duration) -> Result<(), Error> {
    for_each_type!(Each => {
        database.data_manager().collection::<Each>()?.wait_for_indexes(timeout).await?;
    });
    Ok(())
}
