//! What happened to others, by the numbers of the list of field cases; what needs a certain backend is in its file.

use ost::conformance::{self, Abilities, Failure};
use ost::{ObjectPath, Ost};

const MEMORY: Abilities = Abilities {
    holds_deeper_keys: true,
    decides_parallel_creates: true,
    segment_bytes_max: 255,
    many: 1_100,
    stream_bytes_max: 9 * 1024 * 1024,
};

const LOCAL: Abilities = Abilities {
    holds_deeper_keys: false,
    ..MEMORY
};

/// Runs a case on memory and in a local directory.
async fn on_each<Case>(case: Case)
where
    Case: AsyncFn(&Ost, &Abilities) -> Result<(), Failure>,
{
    case(&Ost::memory(), &MEMORY).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    case(&Ost::local(directory.path()).unwrap(), &LOCAL)
        .await
        .unwrap();
}

#[tokio::test]
async fn os_01_keys_with_any_characters_come_back_the_same() {
    on_each(async |ost, _| conformance::keys_come_back_as_given(ost).await).await;
}

#[tokio::test]
async fn os_01_a_key_is_the_files_name_on_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let ost = Ost::local(directory.path()).unwrap();
    for key in ["a%20b", "a b", "c#d", "ä/漢?", "[x]"] {
        ost.put(&ObjectPath::parse(key).unwrap(), key.into())
            .await
            .unwrap();
        assert_eq!(
            std::fs::read_to_string(directory.path().join(key)).unwrap(),
            key
        );
    }
}

#[tokio::test]
async fn os_03_long_keys_work_or_are_refused() {
    on_each(async |ost, abilities| {
        conformance::keys_of_any_length_work_or_are_refused(ost, abilities).await
    })
    .await;
}

#[tokio::test]
async fn os_04_object_and_deeper_object_do_not_hide_each_other() {
    on_each(async |ost, abilities| {
        conformance::object_and_deeper_object_both_stay(ost, abilities).await
    })
    .await;
}

#[tokio::test]
async fn os_05_lists_are_in_byte_order_of_the_whole_key() {
    on_each(async |ost, _| conformance::lists_are_in_byte_order(ost).await).await;
}

#[tokio::test]
async fn os_11_streams_of_unknown_size_are_stored_whole() {
    on_each(async |ost, abilities| {
        conformance::streams_of_any_size_are_stored(ost, abilities).await
    })
    .await;
}

#[tokio::test]
async fn os_17_empty_objects_and_ranges_beyond_the_end_are_read() {
    on_each(async |ost, _| conformance::ranges_give_what_is_there(ost).await).await;
}

#[tokio::test]
async fn os_21_keys_with_odd_slashes_are_refused_alike() {
    on_each(async |ost, _| conformance::odd_keys_are_refused(ost).await).await;
}

#[tokio::test]
async fn op_10_base_paths_hold_all_their_objects_and_no_others() {
    on_each(async |ost, _| conformance::base_paths_keep_apart(ost).await).await;
}
