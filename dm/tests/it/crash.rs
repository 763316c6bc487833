//! A load that is killed at any moment.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{Place, Random, documents, number_from};

const BATCH_ROWS: u64 = 20;
const KILL_AFTER_MS_MAX: usize = 250;

#[test]
fn killed_load_leaves_whole_batches_and_every_acknowledged_one() {
    let rounds = number_from("DM_SOAK_ROUNDS", 10);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number_from("DM_SEED", u64::from(now.subsec_nanos()));
    println!("DM_SEED={seed} DM_SOAK_ROUNDS={rounds}");
    let mut random = Random::new(seed);
    let place = Place::new();
    let mut rows_of_rounds = Vec::new();
    for round in 0..rounds {
        let data_type = format!("round-{round}");
        let input = documents(seed + round, 2_000);
        let from = match round % 2 {
            0 => Moment::Start,
            _ => Moment::FirstAcknowledgement,
        };
        let acknowledged = load_until_killed(&place, &data_type, &input, from, &mut random);
        let rows = check(&place, &data_type, &input, acknowledged);
        rows_of_rounds.push((data_type, rows));
    }
    // What an earlier round left is not touched by later ones.
    for (data_type, rows) in &rows_of_rounds {
        assert_eq!(place.dm(&["count", data_type]).done(), format!("{rows}\n"));
    }
    println!("rows of each round: {rows_of_rounds:?}");
}

/// From when on the time until the kill counts: opening the store takes longer with every round.
#[derive(Clone, Copy, PartialEq)]
enum Moment {
    Start,
    FirstAcknowledgement,
}

/// Starts a load of `input`, again and again without end, and kills it. Gives how many rows were acknowledged.
fn load_until_killed(
    place: &Place,
    data_type: &str,
    input: &str,
    from: Moment,
    random: &mut Random,
) -> u64 {
    let batch = BATCH_ROWS.to_string();
    let mut load = place.start(&["load", data_type, "-", "--json", "--batch", &batch]);
    let mut stdin = load.take_input();
    let delay = Duration::from_micros(random.below(KILL_AFTER_MS_MAX * 1_000) as u64);
    let mut lines = Vec::new();
    std::thread::scope(|scope| {
        // Ends when the pipe is broken by the kill.
        scope.spawn(move || while stdin.write_all(input.as_bytes()).is_ok() {});
        if from == Moment::FirstAcknowledgement {
            lines.extend(load.line());
        }
        std::thread::sleep(delay);
        load.kill();
    });
    while let Some(line) = load.line() {
        lines.push(line);
    }
    let mut rows = 0;
    for line in lines {
        // A line that was cut off by the kill was not seen by anybody.
        let Ok(line) = serde_json::from_str::<serde_json::Value>(&line) else {
            break;
        };
        assert_eq!(line["first_row"].as_u64().unwrap(), rows + 1);
        rows = line["last_row"].as_u64().unwrap();
    }
    rows
}

/// Checks that the beginning of the input is stored, in whole batches; gives how many rows.
fn check(place: &Place, data_type: &str, input: &str, acknowledged: u64) -> u64 {
    // A kill before the store was made leaves none.
    let made = place.store().join("store.json").exists();
    if !made {
        assert_eq!(acknowledged, 0);
        place.dm_with_input(&["put", "other", "x"], b"1").done();
    }
    place.dm(&["verify"]).done();
    let stored = place.dm(&["scan", data_type]).done();
    let rows = stored.lines().count() as u64;
    assert!(
        rows >= acknowledged,
        "{rows} of {acknowledged} acknowledged rows are there"
    );
    assert_eq!(rows % BATCH_ROWS, 0, "a batch is there in part");
    let expected = input.lines().cycle();
    assert!(
        stored
            .lines()
            .zip(expected)
            .all(|(stored, given)| stored == given)
    );
    // A writer opens it without a step of repair, and goes on.
    place.dm_with_input(&["put", "other", "x"], b"1").done();
    assert_eq!(place.dm(&["count", data_type]).done(), format!("{rows}\n"));
    rows
}
