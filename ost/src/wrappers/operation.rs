//! What a backend is asked to do.

use std::fmt;

use object_store::{GetOptions, PutMode, PutOptions};

/// A request to a backend, as the wrappers tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// A put that replaces.
    Put,
    /// A put of an absent object.
    Create,
    /// A put that replaces a certain version.
    Update,
    /// The begin of an upload in parts.
    Upload,
    /// One part.
    Part,
    /// The end of an upload, which makes the object.
    Complete,
    /// The end of an upload, which makes nothing.
    Abort,
    /// Reading an object or a range of it.
    Get,
    /// Looking an object up.
    Head,
    /// Removing one object.
    Delete,
    /// A list of all levels.
    List,
    /// A list of one level.
    ListLevel,
    /// Copying an object inside the backend.
    Copy,
    /// Renaming an object.
    Rename,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Operation; 14] = [
        Operation::Put,
        Operation::Create,
        Operation::Update,
        Operation::Upload,
        Operation::Part,
        Operation::Complete,
        Operation::Abort,
        Operation::Get,
        Operation::Head,
        Operation::Delete,
        Operation::List,
        Operation::ListLevel,
        Operation::Copy,
        Operation::Rename,
    ];

    pub(super) fn of_put(options: &PutOptions) -> Operation {
        match options.mode {
            PutMode::Overwrite => Operation::Put,
            PutMode::Create => Operation::Create,
            PutMode::Update(_) => Operation::Update,
        }
    }

    pub(super) fn of_get(options: &GetOptions) -> Operation {
        if options.head {
            Operation::Head
        } else {
            Operation::Get
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Operation::Put => "put",
            Operation::Create => "create",
            Operation::Update => "update",
            Operation::Upload => "upload",
            Operation::Part => "part",
            Operation::Complete => "complete",
            Operation::Abort => "abort",
            Operation::Get => "get",
            Operation::Head => "head",
            Operation::Delete => "delete",
            Operation::List => "list",
            Operation::ListLevel => "list level",
            Operation::Copy => "copy",
            Operation::Rename => "rename",
        })
    }
}
