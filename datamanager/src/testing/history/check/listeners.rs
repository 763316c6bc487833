//! Every listener gets every transaction, whole, once and in order.

use super::log::{Log, Place};
use super::run::{Attempt, Delivery, Listener, Run};
use crate::testing::history::event::{Answer, CursorPosition};
use crate::testing::history::violation::{Violation, ViolationKind};

pub(super) fn check(run: &Run<'_>, log: &Log<'_>) -> Result<(), Violation> {
    for listener in &run.listeners {
        check_order(listener)?;
        for delivery in &listener.deliveries {
            check_content(run, log, listener, delivery)?;
        }
        check_completeness(run, log, listener)?;
    }
    Ok(())
}

/// A place within the log, whatever its epoch is.
type Point = (u64, u32);

fn point(delivery: &Delivery<'_>) -> Point {
    (delivery.position.seq, delivery.index)
}

/// The first place that may lie behind a cursor.
fn behind(cursor: CursorPosition) -> Point {
    match cursor.delivered {
        u32::MAX => (cursor.seq + 1, 0),
        delivered => (cursor.seq, delivered),
    }
}

fn check_order(listener: &Listener<'_>) -> Result<(), Violation> {
    let mut next = behind(listener.from);
    for delivery in &listener.deliveries {
        let (seq, index) = point(delivery);
        if (seq, index) < next {
            let is_again = listener
                .deliveries
                .iter()
                .filter(|other| point(other) == (seq, index));
            let (kind, what) = match is_again.count() {
                1 => (ViolationKind::ListenerOrder, "behind a later one"),
                _ => (ViolationKind::Doubled, "twice"),
            };
            return Err(Violation::new(
                kind,
                format!(
                    "listener {} got the transaction at {seq}.{index} {what}",
                    listener.name
                ),
            ));
        }
        next = (seq, index + 1);
    }
    Ok(())
}

fn check_content(
    run: &Run<'_>,
    log: &Log<'_>,
    listener: &Listener<'_>,
    delivery: &Delivery<'_>,
) -> Result<(), Violation> {
    let place = Place {
        epoch: delivery.position.epoch,
        seq: delivery.position.seq,
        index: delivery.index,
    };
    let Some(number) = log.transactions.get(&place) else {
        return Ok(()); // the log was found from what listeners got
    };
    let attempt = &run.attempts[*number];
    let written = attempt.writes();
    let got = &delivery.writes;
    let same = written.len() == got.len()
        && got.iter().all(|(key, value)| {
            let written = written.get(key);
            written.is_some_and(|written| *written == value.as_ref())
        });
    if same {
        return Ok(());
    }
    let wrong = written
        .keys()
        .copied()
        .chain(got.iter().map(|(key, _)| key));
    let wrong = wrong.into_iter().find(|key| {
        let got = got.iter().find(|(other, _)| other == *key);
        let got = got.map(|(_, value)| value.as_ref());
        written.get(*key).copied() != got
    });
    let key = wrong.map_or("an entry twice".to_owned(), ToString::to_string);
    Err(Violation::new(
        ViolationKind::Altered,
        format!(
            "listener {} got {} at {place} with other writes than it was committed with: {key}",
            listener.name, attempt.operation
        ),
    ))
}

fn check_completeness(
    run: &Run<'_>,
    log: &Log<'_>,
    listener: &Listener<'_>,
) -> Result<(), Violation> {
    let from = behind(listener.from);
    let delivered = listener.deliveries.last().map(|last| {
        let (seq, index) = point(last);
        (seq, index + 1)
    });
    let stopped = listener.stopped.map(behind);
    let Some(end) = delivered.max(stopped) else {
        return Ok(());
    };
    let got: std::collections::BTreeSet<Point> = listener.deliveries.iter().map(point).collect();
    for (place, number) in &log.transactions {
        let point = (place.seq, place.index);
        if (from..end).contains(&point) && !got.contains(&point) {
            return Err(missing(listener, &run.attempts[*number], *place));
        }
    }
    Ok(())
}

fn missing(listener: &Listener<'_>, attempt: &Attempt<'_>, place: Place) -> Violation {
    let told = match attempt.answer {
        Some((_, Answer::Committed { .. })) => "was acknowledged",
        _ => "is committed",
    };
    Violation::new(
        ViolationKind::CommittedIsMissing,
        format!(
            "{} {told} at {place}, and listener {} passed over it",
            attempt.operation, listener.name
        ),
    )
}
