//! The executor: runs the tasks that the run service hands out.
#![allow(dead_code, unused_imports, reason = "the program comes next")]

mod archive;
mod surroundings;
mod template;
