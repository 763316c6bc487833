//! Which executor gets a task.

use std::time::Duration;

use super::super::{Candidate, Requirements, choose_executor};

const DEAD_AFTER: Duration = Duration::from_secs(60);

fn executor(id: &str) -> Candidate {
    Candidate {
        id: id.to_owned(),
        archs: vec!["amd64".to_owned()],
        allows_privileged: false,
        is_host: false,
        active_tasks_limit: 2,
        active_tasks: 0,
        silence: Duration::ZERO,
    }
}

fn required() -> Requirements {
    Requirements {
        arch: "amd64".to_owned(),
        ..Requirements::default()
    }
}

fn is_chosen(executor: Candidate, required: &Requirements) -> bool {
    choose_executor(&mut [executor], required, DEAD_AFTER).is_some()
}

/// Vectors E1 to E7.
#[test]
fn an_executor_gets_what_it_can_take() {
    let base = || executor("e");
    let privileged = Requirements {
        is_privileged: true,
        ..required()
    };
    assert!(is_chosen(base(), &required()));
    let full = Candidate {
        active_tasks: 2,
        ..base()
    };
    assert!(!is_chosen(full, &required()));
    let silence = Duration::from_secs(120);
    assert!(!is_chosen(Candidate { silence, ..base() }, &required()));
    let archs = vec!["arm64".to_owned()];
    assert!(!is_chosen(Candidate { archs, ..base() }, &required()));
    let archs = vec!["arm64".to_owned(), "amd64".to_owned()];
    assert!(is_chosen(Candidate { archs, ..base() }, &required()));
    assert!(!is_chosen(base(), &privileged));
    let allowing = Candidate {
        allows_privileged: true,
        ..base()
    };
    assert!(is_chosen(allowing, &privileged));
}

#[test]
fn any_arch_and_any_number_of_tasks_are_taken_where_nothing_is_said() {
    let any = Requirements::default();
    let archs = vec!["arm64".to_owned()];
    assert!(is_chosen(
        Candidate {
            archs,
            ..executor("e")
        },
        &any
    ));
    let unlimited = Candidate {
        active_tasks_limit: 0,
        active_tasks: 1_000,
        ..executor("e")
    };
    assert!(is_chosen(unlimited, &any));
    let silence = DEAD_AFTER;
    assert!(is_chosen(
        Candidate {
            silence,
            ..executor("e")
        },
        &any
    ));
}

#[test]
fn the_first_that_fits_is_chosen() {
    let mut executors = [
        Candidate {
            active_tasks: 2,
            ..executor("a")
        },
        executor("b"),
        executor("c"),
    ];
    let chosen = choose_executor(&mut executors, &required(), DEAD_AFTER);
    assert_eq!(chosen.unwrap().id, "b");
}

#[test]
fn tasks_without_containers_go_to_host_executors_and_no_others_do() {
    let host = || Candidate {
        is_host: true,
        ..executor("h")
    };
    let on_host = Requirements {
        is_on_host: true,
        ..required()
    };
    assert!(is_chosen(host(), &on_host));
    assert!(!is_chosen(host(), &required()));
    assert!(!is_chosen(executor("e"), &on_host));
}
