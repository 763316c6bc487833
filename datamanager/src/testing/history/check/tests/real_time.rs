//! What begins after something was seen sees it too.

use super::*;

#[test]
fn a_newest_snapshot_that_misses_what_was_acknowledged_is_found() {
    let mut fake = Fake::new();
    fake.put("p", "a", "1", "x");
    let acknowledged = fake.put("p", "a", "2", "x");
    let view = fake.begin_at("q", 1);
    let operation = view.operation.clone();
    fake.view(view, Freshness::Latest);
    refuse(&fake, ViolationKind::Stale, &[&acknowledged, &operation]);
    // One that was asked for before may or may not show it.
    change(&mut fake, |event| match event {
        Event::Viewed { start, .. } => {
            *start = 0;
            true
        }
        _ => false,
    });
    accept(&fake);
}

/// Seed 510005: etcd was restored to a backup that held all that one process had seen, which found nothing wrong with it (R10).
/// Its newest snapshot was the backup's, and the checker took that for a fault.
#[test]
fn who_has_seen_no_more_may_take_a_log_that_was_put_back_for_the_newest_until_the_next_epoch() {
    let mut fake = Fake::new();
    fake.put("p", "a", "1", "x");
    let own = fake.put("p", "a", "2", "x");
    let at = fake.tick();
    fake.events.push(Event::WentBack { at });
    let view = fake.begin_at("q", 1);
    fake.view(view, Freshness::Latest);
    accept(&fake);
    let view = fake.begin_at("p", 1);
    let operation = view.operation.clone();
    fake.view(view, Freshness::Latest);
    refuse(&fake, ViolationKind::Stale, &[&own, &operation]);
    fake.events.pop();

    fake.begin_epoch(None);
    let newer = fake.put("p", "a", "3", "x");
    let view = fake.begin_at("r", 1);
    let operation = view.operation.clone();
    fake.view(view, Freshness::Latest);
    refuse(&fake, ViolationKind::Stale, &[&newer, &operation]);
}

#[test]
fn a_process_that_goes_back_is_found() {
    let mut fake = Fake::new();
    fake.put("p", "a", "1", "x");
    let own = fake.put("p", "a", "2", "x");
    // Another process may lag behind.
    let view = fake.begin_at("q", 1);
    fake.view(view, Freshness::Applied);
    accept(&fake);
    let view = fake.begin_at("p", 1);
    let operation = view.operation.clone();
    fake.view(view, Freshness::Applied);
    refuse(&fake, ViolationKind::Stale, &[&own, &operation]);
}

#[test]
fn a_snapshot_older_than_what_was_waited_for_is_found() {
    let mut fake = Fake::new();
    fake.put("p", "a", "1", "x");
    fake.put("p", "a", "2", "x");
    let view = fake.begin_at("q", 1);
    let operation = view.operation.clone();
    fake.view(view, Freshness::AtLeast { seq: 2 });
    refuse(&fake, ViolationKind::Stale, &[&operation]);
}

#[test]
fn a_transaction_that_comes_before_one_that_was_acknowledged_before_is_found() {
    let mut fake = Fake::new();
    let mut early = fake.begin("q");
    early.put("a", "1", "x");
    fake.submit(&mut early);
    fake.append(std::slice::from_ref(&early));
    let second = fake.put("p", "a", "2", "x");
    let (position, after_second) = (fake.position(1), fake.tick());
    fake.answer(&early.operation, Answer::Committed { position, index: 0 });
    accept(&fake);
    // As if it had begun only when the other one had been acknowledged.
    change(&mut fake, |event| match event {
        Event::Submitted { start, opened, .. } => {
            (*start, *opened) = (after_second, after_second);
            true
        }
        _ => false,
    });
    refuse(
        &fake,
        ViolationKind::RealTimeOrder,
        &[&early.operation, &second],
    );
}
