//! Tests of the log that one process has to itself.
