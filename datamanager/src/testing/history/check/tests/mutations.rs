//! Changes of a right history that make it a wrong one.
#![expect(
    clippy::ptr_arg,
    reason = "all changes have one signature, and some change how many events there are"
)]

use crate::environment::SeededRandom;
use crate::testing::history::event::{
    Answer, Event, Freshness, Item, Key, MARKER_TYPE, OperationId, Step, Value,
};
use crate::{Position, RecordId};

/// A change, and its name. It gives false, and changes nothing, where the history has nothing for it.
pub(super) type Mutation = (&'static str, fn(&mut Vec<Event>, &mut SeededRandom) -> bool);

pub(super) const MUTATIONS: &[Mutation] = &[
    ("a read finds what nobody wrote", change_a_read),
    ("a scan misses an entry", shorten_a_scan),
    ("a scan finds an entry too many", lengthen_a_scan),
    ("an entry names another record", renumber_an_entry),
    ("a listener misses a transaction", drop_a_delivery),
    ("a listener gets two in the wrong order", swap_deliveries),
    ("a listener gets one twice", repeat_a_delivery),
    ("a listener gets one that nobody committed", add_a_delivery),
    ("a write is delivered with other bytes", change_a_delivery),
    ("a refusal of what is committed", refuse_a_commit),
    ("an acknowledgement of what is not", acknowledge_a_refusal),
    ("another place is acknowledged", move_a_commit),
    ("a record has another id", rename_a_record),
    (
        "a transaction began at the end of time",
        delay_a_transaction,
    ),
    (
        "a newest snapshot was asked for at the end of time",
        delay_a_view,
    ),
    ("a lookup says the opposite", turn_a_lookup),
    ("a write that is not what was committed", change_a_write),
];

const END_OF_TIME: u64 = u64::MAX;

/// The places of the events that `is` holds for.
fn places(events: &[Event], is: impl Fn(&Event) -> bool) -> Vec<usize> {
    (0..events.len())
        .filter(|place| is(&events[*place]))
        .collect()
}

/// One of the events that `change` can change.
fn change_one(
    events: &mut [Event],
    random: &mut SeededRandom,
    mut change: impl FnMut(&mut Event) -> bool,
) -> bool {
    let first = random.below(events.len());
    (0..events.len()).any(|number| change(&mut events[(first + number) % events.len()]))
}

fn steps_of(event: &mut Event) -> &mut [Step] {
    match event {
        Event::Submitted { steps, .. } | Event::Viewed { steps, .. } => steps,
        _ => &mut [],
    }
}

fn mutant() -> Value {
    Value::from("mutant")
}

fn change_a_read(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    change_one(events, random, |event| {
        steps_of(event).iter_mut().any(|step| match step {
            Step::Get { found, .. } => {
                *found = Some(mutant());
                true
            }
            _ => false,
        })
    })
}

fn shorten_a_scan(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    let place = random.below(8);
    change_one(events, random, |event| {
        steps_of(event).iter_mut().any(|step| match step {
            Step::Everything { found }
            | Step::Scan {
                found,
                complete: true,
                ..
            } if !found.is_empty() => {
                found.remove(place % found.len());
                true
            }
            _ => false,
        })
    })
}

fn lengthen_a_scan(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    change_one(events, random, |event| {
        steps_of(event).iter_mut().any(|step| match step {
            Step::Scan { range, found, .. } => {
                found.push(Item {
                    key: Key::new(&range.data_type, "mutant"),
                    value: mutant(),
                    seq: None,
                });
                true
            }
            _ => false,
        })
    })
}

fn renumber_an_entry(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    change_one(events, random, |event| {
        steps_of(event).iter_mut().any(|step| match step {
            Step::Scan { found, .. } | Step::Everything { found } => {
                let mut numbers = found.iter_mut().filter_map(|item| item.seq.as_mut());
                numbers.next().is_some_and(|seq| {
                    *seq += 1;
                    true
                })
            }
            _ => false,
        })
    })
}

fn is_delivery(event: &Event) -> bool {
    matches!(event, Event::Delivered { .. })
}

fn drop_a_delivery(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    let deliveries = places(events, is_delivery);
    events.remove(deliveries[random.below(deliveries.len())]);
    true
}

fn swap_deliveries(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    let pairs = places(events, is_delivery);
    let pairs: Vec<usize> = pairs
        .into_iter()
        .filter(|place| events.get(place + 1).is_some_and(is_delivery))
        .collect();
    if pairs.is_empty() {
        return false;
    }
    let place = pairs[random.below(pairs.len())];
    events.swap(place, place + 1);
    true
}

fn repeat_a_delivery(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    let deliveries = places(events, is_delivery);
    let place = deliveries[random.below(deliveries.len())];
    events.insert(place, events[place].clone());
    true
}

fn add_a_delivery(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    let deliveries = places(events, is_delivery);
    let place = deliveries[random.below(deliveries.len())];
    let mut added = events[place].clone();
    if let Event::Delivered { index, writes, .. } = &mut added {
        *index += 100;
        writes.retain(|(key, _)| key.data_type != MARKER_TYPE);
    }
    events.insert(place + 1, added);
    true
}

fn change_a_delivery(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    change_one(events, random, |event| match event {
        Event::Delivered { writes, .. } => {
            writes[0].1 = Some(mutant());
            true
        }
        _ => false,
    })
}

fn refuse_a_commit(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    change_one(events, random, |event| match event {
        Event::Answered {
            answer: answer @ Answer::Committed { .. },
            ..
        } => {
            *answer = Answer::Refused {
                kind: "conflict".to_owned(),
            };
            true
        }
        _ => false,
    })
}

fn acknowledge_a_refusal(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    let position = Position {
        epoch: 1,
        seq: 1,
        record: super::fake::record_id(1),
    };
    change_one(events, random, |event| match event {
        Event::Answered {
            answer: answer @ Answer::Refused { .. },
            ..
        } => {
            *answer = Answer::Committed {
                position,
                index: 77,
            };
            true
        }
        _ => false,
    })
}

fn move_a_commit(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    change_one(events, random, |event| match event {
        Event::Answered {
            answer: Answer::Committed { index, .. },
            ..
        } => {
            *index += 50;
            true
        }
        _ => false,
    })
}

/// The position of the record that an event says a transaction is in.
fn record_of(event: &Event) -> Option<Position> {
    match event {
        Event::Answered {
            answer: Answer::Committed { position, .. },
            ..
        }
        | Event::Delivered { position, .. } => Some(*position),
        _ => None,
    }
}

/// Where only one event names a record, nothing contradicts it.
fn rename_a_record(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    let records: Vec<Position> = events.iter().filter_map(record_of).collect();
    change_one(events, random, |event| {
        let is_named_twice = record_of(event)
            .is_some_and(|own| records.iter().filter(|other| **other == own).count() > 1);
        match event {
            Event::Answered {
                answer: Answer::Committed { position, .. },
                ..
            }
            | Event::Delivered { position, .. }
                if is_named_twice =>
            {
                position.record = RecordId::from_bytes([7; 16]);
                true
            }
            _ => false,
        }
    })
}

fn is_answered_with_a_commit(events: &[Event], operation: &OperationId) -> bool {
    events.iter().any(|event| match event {
        Event::Answered {
            operation: answered,
            answer: Answer::Committed { .. },
            ..
        } => answered == operation,
        _ => false,
    })
}

fn delay_a_transaction(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    let all = events.clone();
    change_one(events, random, |event| match event {
        Event::Submitted {
            operation,
            start,
            opened,
            ..
        } if is_answered_with_a_commit(&all, operation) => {
            (*start, *opened) = (END_OF_TIME, END_OF_TIME);
            true
        }
        _ => false,
    })
}

fn delay_a_view(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    let newest = events.iter().filter_map(|event| match event {
        Event::Viewed { view, .. } => Some(view.position.seq),
        _ => None,
    });
    let newest = newest.max().unwrap_or(0);
    change_one(events, random, |event| match event {
        Event::Viewed {
            start,
            opened,
            freshness: Freshness::Latest,
            view,
            ..
        } if view.position.seq < newest => {
            (*start, *opened) = (END_OF_TIME, END_OF_TIME);
            true
        }
        _ => false,
    })
}

fn turn_a_lookup(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    change_one(events, random, |event| match event {
        Event::LookedUp {
            committed: Some(committed),
            ..
        } => {
            *committed = !*committed;
            true
        }
        _ => false,
    })
}

fn change_a_write(events: &mut Vec<Event>, random: &mut SeededRandom) -> bool {
    let all = events.clone();
    change_one(events, random, |event| match event {
        Event::Submitted {
            operation, steps, ..
        } if is_answered_with_a_commit(&all, operation) => {
            let mut steps = steps.iter_mut();
            steps.any(|step| match step {
                Step::Put { key, value } if key.data_type == MARKER_TYPE => {
                    *value = mutant();
                    true
                }
                _ => false,
            })
        }
        _ => false,
    })
}
