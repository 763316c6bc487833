//! A store on services that others have written, where `scripts/test` has installed them.

use std::sync::Arc;

use ost::testing::ExternalService;

use crate::place::Place;
use crate::{follow, sharing, transfer};

/// One writer only: moto looks whether an object is there, and stores it some time later.
#[test]
fn a_store_with_one_writer_lives_on_moto() {
    let Some(moto) = ExternalService::moto().unwrap() else {
        return;
    };
    let place = Place::service(&Arc::new(moto), "base");
    place.run(transfer::one_writer_does_everything_that_there_is);
}

#[cfg(feature = "azure")]
#[test]
fn several_writers_share_a_store_on_azurite() {
    let Some(azurite) = ExternalService::azurite().unwrap() else {
        return;
    };
    let azurite = Arc::new(azurite);
    let place = |base_path| Place::service(&azurite, base_path);
    place("starts").run(sharing::starts::four_first_starts_at_once_make_one_store);
    place("writers").run(sharing::writers_at_once_lose_and_double_nothing_while_others_clear_up);
    place("missing").run(sharing::records::a_record_that_is_missing_and_may_be_needed_is_damage);
}

#[cfg(feature = "azure")]
#[test]
fn a_store_is_followed_and_replaced_on_azurite() {
    let Some(azurite) = ExternalService::azurite().unwrap() else {
        return;
    };
    let azurite = Arc::new(azurite);
    let place = |base_path| Place::service(&azurite, base_path);
    place("one").run(transfer::one_writer_does_everything_that_there_is);
    place("maintenance").run(transfer::no_write_is_accepted_behind_the_position_of_the_maintenance);
    place("follow").run(follow::listeners_of_a_shared_store_get_the_transactions_of_all_processes);
    place("import").run(follow::listeners_get_everything_before_an_import_and_then_where_it_begins);
}
