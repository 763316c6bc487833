//! A recorded run.

use std::io::{self, BufRead, Write};

use super::check::{Report, check};
use super::event::Event;
use super::violation::Violation;

/// What the clients of a run did and were told, in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    events: Vec<Event>,
}

impl FromIterator<Event> for History {
    fn from_iter<I: IntoIterator<Item = Event>>(events: I) -> History {
        History {
            events: events.into_iter().collect(),
        }
    }
}

impl Extend<Event> for History {
    fn extend<I: IntoIterator<Item = Event>>(&mut self, events: I) {
        self.events.extend(events);
    }
}

impl History {
    /// A history of nothing.
    pub fn new() -> History {
        History::default()
    }

    /// The events.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Adds what [`Recorder::to_file`](super::Recorder::to_file) has written, or [`History::write`]. A last line without
    /// an end is one that its process was killed at, before anything came of it; it is left out.
    ///
    /// # Errors
    /// The input cannot be read, or has a line that is no event.
    pub fn read(&mut self, mut input: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        while input.read_until(b'\n', &mut line)? > 0 {
            if line.ends_with(b"\n") {
                self.events.push(serde_json::from_slice(&line)?);
            }
            line.clear();
        }
        Ok(())
    }

    /// Writes the events, one a line.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn write(&self, mut output: impl Write) -> io::Result<()> {
        for event in &self.events {
            serde_json::to_writer(&mut output, event)?;
            output.write_all(b"\n")?;
        }
        output.flush()
    }

    /// Checks that a store which keeps its promises can have given these answers.
    ///
    /// # Errors
    /// The first thing that it cannot have done, in the order of the log where there is one.
    pub fn check(&self) -> Result<Report, Violation> {
        check(&self.events)
    }
}
