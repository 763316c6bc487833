//! What begins after something was seen sees it too.

use std::collections::BTreeMap;

use super::log::{Log, Place};
use super::run::Run;
use crate::testing::history::event::{Answer, Freshness, OperationId, ViewPosition};
use crate::testing::history::violation::{Violation, ViolationKind};

/// An epoch and a record.
type Point = (u32, u64);

fn of_view(view: ViewPosition) -> Point {
    (view.epoch, view.position.seq)
}

fn of_place(place: Place) -> Point {
    (place.epoch, place.seq)
}

/// Something at one time.
struct Moment<'a> {
    time: u64,
    operation: &'a OperationId,
    what: What,
}

enum What {
    /// A transaction that stands at this point begins.
    TransactionBegins(Point),
    /// A snapshot of this point is asked for, which is there later, at this time.
    ViewBegins(Point, Freshness, u64),
    /// The operation knows that the log reaches to this point.
    Knows(Point),
}

/// Goes through the run in the order of time. Of two things at one time nothing is said.
pub(super) fn check(run: &Run<'_>, log: &Log<'_>) -> Result<(), Violation> {
    let mut moments = moments(run, log);
    moments.sort_by_key(|moment| {
        let is_knowledge = matches!(moment.what, What::Knows(_));
        (moment.time, is_knowledge)
    });
    let mut known: Option<(Point, &OperationId)> = None;
    let mut known_by_process: BTreeMap<&str, (Point, &OperationId)> = BTreeMap::new();
    // By epoch, when it was first known.
    let mut epochs: BTreeMap<u32, u64> = BTreeMap::new();
    for moment in &moments {
        let process = moment.operation.process.as_str();
        match moment.what {
            What::Knows(point) => {
                epochs.entry(point.0).or_insert(moment.time);
                if known.is_none_or(|(newest, _)| newest < point) {
                    known = Some((point, moment.operation));
                }
                let entry = known_by_process
                    .entry(process)
                    .or_insert((point, moment.operation));
                if entry.0 < point {
                    *entry = (point, moment.operation);
                }
            }
            What::TransactionBegins(point) => {
                if let Some((newest, other)) = known
                    && point.1 <= newest.1
                {
                    return Err(Violation::new(
                        ViolationKind::RealTimeOrder,
                        format!(
                            "{} stands at {}, and before it began {other} knew of {}",
                            moment.operation,
                            shown(point),
                            shown(newest)
                        ),
                    ));
                }
            }
            What::ViewBegins(point, freshness, opened) => {
                let own = known_by_process.get(process).copied();
                let begun = known.and_then(|((epoch, _), _)| epochs.get(&epoch));
                let has_gone_back =
                    |at: &u64| begun.is_some_and(|begun| begun < at) && *at < opened;
                let required = match freshness {
                    // Who had seen no more than the log was put back to cannot know, until the next epoch begins.
                    Freshness::Latest if run.went_back.iter().any(has_gone_back) => own,
                    Freshness::Latest => known,
                    Freshness::Applied | Freshness::AtLeast { .. } => own,
                };
                if let Freshness::AtLeast { seq } = freshness
                    && point.1 < seq
                {
                    return Err(stale(
                        moment,
                        point,
                        &format!("it has waited for record {seq}"),
                    ));
                }
                if let Some((newest, other)) = required
                    && point < newest
                {
                    let why = format!("before it was asked for {other} knew of {}", shown(newest));
                    return Err(stale(moment, point, &why));
                }
            }
        }
    }
    Ok(())
}

fn moments<'a>(run: &Run<'a>, log: &Log<'a>) -> Vec<Moment<'a>> {
    let mut moments = Vec::new();
    let mut add = |time, operation, what| {
        moments.push(Moment {
            time,
            operation,
            what,
        });
    };
    for (number, attempt) in run.attempts.iter().enumerate() {
        let operation = attempt.operation;
        let view = of_view(attempt.view);
        add(
            attempt.start,
            operation,
            What::ViewBegins(view, Freshness::Applied, attempt.opened),
        );
        add(attempt.opened, operation, What::Knows(view));
        if let Some(place) = log.places[number] {
            let point = of_place(place);
            add(attempt.start, operation, What::TransactionBegins(point));
            if let Some((end, Answer::Committed { .. })) = attempt.answer {
                add(end, operation, What::Knows(point));
            }
        }
    }
    for view in &run.views {
        let point = of_view(view.view);
        let begins = What::ViewBegins(point, view.freshness, view.opened);
        add(view.start, view.operation, begins);
        add(view.opened, view.operation, What::Knows(point));
    }
    for lookup in &run.lookups {
        if lookup.committed == Some(true) {
            let point = (lookup.id.epoch, lookup.id.seq);
            add(lookup.end, lookup.operation, What::Knows(point));
        }
    }
    for listener in &run.listeners {
        for delivery in &listener.deliveries {
            let point = (delivery.position.epoch, delivery.position.seq);
            add(delivery.at, listener.name, What::Knows(point));
        }
    }
    for import in &run.imports {
        if let Some(answer) = import.answer
            && answer.took_effect == Some(true)
        {
            let point = (answer.epoch, answer.base.seq);
            add(answer.end, import.operation, What::Knows(point));
        }
    }
    moments
}

fn shown((epoch, seq): Point) -> String {
    format!("{epoch}/{seq}")
}

fn stale(moment: &Moment<'_>, point: Point, why: &str) -> Violation {
    Violation::new(
        ViolationKind::Stale,
        format!(
            "{} is a snapshot of {}, but {why}",
            moment.operation,
            shown(point)
        ),
    )
}
