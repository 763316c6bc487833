//! Tables for people.

use std::fmt;

use unicode_width::UnicodeWidthStr;

use crate::output::printable;

const GAP: &str = "  ";

/// Rows of cells below a header, in columns as wide as their widest cell.
pub(super) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(header: [&str; N]) -> Table<N> {
        Table {
            rows: vec![header.map(str::to_owned)],
        }
    }

    /// Adds a row. What would do something to a terminal is written as its number, and an empty cell as a dash.
    pub(super) fn row(&mut self, cells: [String; N]) {
        let cells = cells.map(|cell| match cell.is_empty() {
            true => "-".to_owned(),
            false => printable(&cell).into_owned(),
        });
        self.rows.push(cells);
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        for row in &self.rows {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width - cell.width()));
                line.push_str(GAP);
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_the_width_of_the_characters() {
        let mut table = Table::new(["RUN", "NAME", "STATE"]);
        table.row(["1".to_owned(), "東京".to_owned(), "success".to_owned()]);
        table.row(["12345".to_owned(), String::new(), "a\u{1b}[1mb".to_owned()]);
        assert_eq!(
            table.to_string(),
            "RUN    NAME  STATE\n\
             1      東京  success\n\
             12345  -     a\\u{1b}[1mb\n"
        );
    }
}
