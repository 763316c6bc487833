//! What was measured, and the tables of it.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::samples::{median, spread};
use crate::subjects::OURS;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    PerSecond,
    Micros,
    Seconds,
    Mebibytes,
    MegabytesPerSecond,
    Count,
    Factor,
}

impl Unit {
    fn is_better_high(self) -> bool {
        matches!(self, Unit::PerSecond | Unit::MegabytesPerSecond)
    }

    fn name(self) -> &'static str {
        match self {
            Unit::PerSecond => "/s",
            Unit::Micros => "µs",
            Unit::Seconds => "s",
            Unit::Mebibytes => "MiB",
            Unit::MegabytesPerSecond => "MB/s",
            Unit::Count => "",
            Unit::Factor => "times",
        }
    }
}

#[derive(Debug, Serialize)]
struct Row {
    work: String,
    subject: &'static str,
    unit: Unit,
    /// One of each round.
    samples: Vec<f64>,
}

/// All figures, in the order in which they were first measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds the figure of one round.
    pub(crate) fn add(&mut self, work: &str, subject: &'static str, unit: Unit, value: f64) {
        let same = |row: &&mut Row| row.work == work && row.subject == subject && row.unit == unit;
        match self.rows.iter_mut().find(same) {
            Some(row) => row.samples.push(value),
            None => self.rows.push(Row {
                work: work.to_owned(),
                subject,
                unit,
                samples: vec![value],
            }),
        }
    }

    /// A table: the median of each figure, its least and greatest, and how many times better this store was than that one,
    /// as the median of all rounds.
    pub(crate) fn to_markdown(&self) -> String {
        let ours: BTreeMap<(&str, &str), &Row> = self
            .rows
            .iter()
            .filter(|row| row.subject == OURS)
            .map(|row| ((row.work.as_str(), row.unit.name()), row))
            .collect();
        let mut table = String::from(
            "| work | store | median | spread | this store is better by |\n|---|---|---:|---|---:|\n",
        );
        for row in &self.rows {
            let (least, greatest) = spread(&row.samples);
            let better = match ours.get(&(row.work.as_str(), row.unit.name())) {
                Some(own) if row.subject != OURS => {
                    format!("{:.2}", median(&better_by(own, row)))
                }
                _ => String::new(),
            };
            // Writing to a string does not fail.
            let _ = writeln!(
                table,
                "| {} | {} | {} {} | {} to {} | {better} |",
                row.work,
                row.subject,
                shown(median(&row.samples)),
                row.unit.name(),
                shown(least),
                shown(greatest)
            );
        }
        table
    }

    /// Every sample.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

/// How many times better `own` was than `other`, round by round.
fn better_by(own: &Row, other: &Row) -> Vec<f64> {
    let pairs = own.samples.iter().zip(&other.samples);
    pairs
        .map(|(own_value, other_value)| match own.unit.is_better_high() {
            true => own_value / other_value,
            false => other_value / own_value,
        })
        .collect()
}

/// Three digits, and all before the point.
fn shown(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        small if small >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::{Report, Unit, shown};
    use crate::subjects::OURS;

    #[test]
    fn a_table_says_how_much_better_this_store_is_in_either_direction() {
        let mut report = Report::default();
        for (rate, time) in [(100.0, 2.0), (300.0, 4.0), (200.0, 3.0)] {
            report.add("commit", OURS, Unit::PerSecond, rate);
            report.add("commit", "other", Unit::PerSecond, 100.0);
            report.add("get", OURS, Unit::Micros, time);
            report.add("get", "other", Unit::Micros, 12.0);
        }
        let table = report.to_markdown();
        assert!(
            table.contains("| commit | other | 100 /s | 100 to 100 | 2.00 |"),
            "{table}"
        );
        assert!(
            table.contains("| get | other | 12.0 µs | 12.0 to 12.0 | 4.00 |"),
            "{table}"
        );
        assert!(
            table.contains(&format!("| get | {OURS} | 3.00 µs | 2.00 to 4.00 |  |")),
            "{table}"
        );
    }

    #[test]
    fn figures_have_three_digits() {
        let all = [123_456.7, 12.34, 1.234, 0.01234].map(shown);
        assert_eq!(all, ["123457", "12.3", "1.23", "0.012"]);
    }
}
