//! The suite that every backend has to pass, for users with a backend of their own too.
//!
//! [`run`] runs it all; each case is a function of its own. A difference in ability is a field of [`Abilities`].
//! The cases write below the base path `conformance` of the handle that they are given, and leave nothing there
//! when they pass. They need no runtime but the backend's.
//!
//! ```
//! use ost::{Ost, conformance};
//!
//! let abilities = conformance::Abilities { many: 100, ..Default::default() };
//! futures::executor::block_on(conformance::run(&Ost::memory(), &abilities)).unwrap();
//! ```

mod creates;
mod failure;
mod keys;
mod lists;
mod reads;
mod writes;

use crate::Ost;

pub use creates::{create_exists_for_the_same_writer, create_is_won_once};
pub use failure::Failure;
pub use keys::{
    base_paths_keep_apart, keys_come_back_as_given, keys_of_any_length_work_or_are_refused,
    object_and_deeper_object_both_stay, odd_keys_are_refused,
};
pub use lists::{
    level_shows_objects_and_prefixes, lists_are_in_byte_order, lists_are_whole,
    lists_begin_after_a_key, lists_begin_with_a_prefix,
};
pub use reads::{absent_objects_are_not_found, ranges_give_what_is_there, readers_read_ranges};
pub use writes::{
    delete_of_absent_is_ok, put_replaces, streams_of_any_size_are_stored,
    unfinished_streams_leave_nothing,
};

/// What a backend can do, where they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Whether the objects `a` and `a/b` can both be there. Local directories cannot. Default: true.
    pub holds_deeper_keys: bool,
    /// Whether parallel creates are decided one after the other. A store without it can have one writer only.
    /// Default: true.
    pub decides_parallel_creates: bool,
    /// The longest segment of a key, in bytes. Default: 255, as long as keys may be.
    pub segment_bytes_max: usize,
    /// The objects of the case that needs many; more than a page of a list has. Default: 2,500.
    pub many: usize,
    /// The bytes of the longest stream. Default: 20 MiB, more than two parts.
    pub stream_bytes_max: usize,
}

impl Default for Abilities {
    fn default() -> Abilities {
        Abilities {
            holds_deeper_keys: true,
            decides_parallel_creates: true,
            segment_bytes_max: 255,
            many: 2_500,
            stream_bytes_max: 20 * 1024 * 1024,
        }
    }
}

/// Runs every case, and stops at the first that fails.
///
/// # Errors
/// The case, and what was not as it should be.
pub async fn run(ost: &Ost, abilities: &Abilities) -> Result<(), Failure> {
    if abilities.decides_parallel_creates {
        create_is_won_once(ost).await?;
    }
    create_exists_for_the_same_writer(ost).await?;
    keys_come_back_as_given(ost).await?;
    odd_keys_are_refused(ost).await?;
    keys_of_any_length_work_or_are_refused(ost, abilities).await?;
    object_and_deeper_object_both_stay(ost, abilities).await?;
    base_paths_keep_apart(ost).await?;
    lists_are_in_byte_order(ost).await?;
    lists_begin_after_a_key(ost).await?;
    lists_begin_with_a_prefix(ost).await?;
    lists_are_whole(ost, abilities).await?;
    level_shows_objects_and_prefixes(ost).await?;
    absent_objects_are_not_found(ost).await?;
    ranges_give_what_is_there(ost).await?;
    readers_read_ranges(ost).await?;
    put_replaces(ost).await?;
    streams_of_any_size_are_stored(ost, abilities).await?;
    unfinished_streams_leave_nothing(ost, abilities).await?;
    delete_of_absent_is_ok(ost).await
}
