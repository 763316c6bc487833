//! One object-storage type.
