//! The types of documents.

use std::time::Duration;

use datamanager::Document;
use service::Database;

use super::{
    AssignmentDocument, CounterDocument, EventDocument, ExecutorDocument, ExecutorReportDocument,
    ExecutorTaskDocument, PendingEventDocument, RunConfigDocument, RunDocument, SequenceDocument,
};
use crate::Error;

/// Runs a block once for each type of documents.
macro_rules! for_each_type {
    ($name:ident => $block:block) => {
        for_each_type!($name => $block,
            RunDocument, RunConfigDocument, CounterDocument, SequenceDocument, ExecutorDocument, ExecutorReportDocument,
            ExecutorTaskDocument, AssignmentDocument, EventDocument, PendingEventDocument);
    };
    ($name:ident => $block:block, $($document:ty),+) => {
        $({
            type $name = $document;
            $block
        })+
    };
}

/// The data types of the store.
pub(crate) const STORED_TYPES: [&str; 10] = [
    RunDocument::TYPE,
    RunConfigDocument::TYPE,
    CounterDocument::TYPE,
    SequenceDocument::TYPE,
    ExecutorDocument::TYPE,
    ExecutorReportDocument::TYPE,
    ExecutorTaskDocument::TYPE,
    AssignmentDocument::TYPE,
    EventDocument::TYPE,
    PendingEventDocument::TYPE,
];

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
