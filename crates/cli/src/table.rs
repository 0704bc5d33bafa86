//! Tables on standard output: cut to the width of a terminal, whole everywhere else.

use console::{Style, measure_text_width, truncate_str};

use crate::terminal::{self, Line, Unwritten, one_line};

/// Between two columns.
const GAP: usize = 2;

/// A column: its title, and how narrow it may become in a terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    title: &'static str,
    /// Below this width the column is left out; nothing when it must stay whole.
    least: Option<usize>,
}

impl Column {
    /// A column that is never cut.
    pub(crate) const fn whole(title: &'static str) -> Self {
        Self { title, least: None }
    }

    /// A column that may be cut to this width, and is left out where even that is too much.
    pub(crate) const fn cut(title: &'static str, least: usize) -> Self {
        Self { title, least: Some(least) }
    }
}

/// A text in a table, and its style.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A text in one line, without what a terminal would obey.
    pub(crate) fn new(text: impl AsRef<str>) -> Self {
        Self { text: one_line(text.as_ref()), style: Style::new() }
    }

    pub(crate) fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { style, ..Self::new(text) }
    }
}

/// Rows under titles. The last columns are the first to be cut.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(columns: [Column; N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(cells);
    }

    /// Writes the titles and the rows.
    pub(crate) fn print(&self) -> Result<(), Unwritten> {
        let widths = self.widths(terminal::width());
        let titles = self.columns.map(|column| Cell::styled(column.title, Style::new().dim()));
        std::iter::once(&titles).chain(&self.rows).try_for_each(|row| line(row, &widths).print())
    }

    /// How wide each column is; 0 when it is left out.
    fn widths(&self, room: Option<usize>) -> [usize; N] {
        let mut widths = self.columns.map(|column| column.title.len());
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(measure_text_width(&cell.text));
            }
        }
        let Some(room) = room else { return widths };
        for at in (0..N).rev() {
            let excess = total(&widths).saturating_sub(room);
            if let (Some(width), Some(Column { least: Some(least), .. })) =
                (widths.get_mut(at), self.columns.get(at))
            {
                *width = (*width).min((*least).max(width.saturating_sub(excess)));
            }
        }
        for at in (0..N).rev() {
            if total(&widths) > room
                && let (Some(width), Some(Column { least: Some(_), .. })) =
                    (widths.get_mut(at), self.columns.get(at))
            {
                *width = 0;
            }
        }
        widths
    }
}

fn total(widths: &[usize]) -> usize {
    let shown = widths.iter().filter(|width| **width > 0);
    shown.map(|width| width + GAP).sum::<usize>().saturating_sub(GAP)
}

fn line(row: &[Cell], widths: &[usize]) -> Line {
    let mut line = Line::default();
    for (cell, width) in row.iter().zip(widths).filter(|(_, width)| **width > 0) {
        let text = truncate_str(&cell.text, *width, "…");
        line.add(&text, &cell.style);
        line.add_gap(width.saturating_sub(measure_text_width(&text)) + GAP);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(room: Option<usize>) -> Vec<String> {
        let mut table = Table::new([Column::whole("ID"), Column::cut("TYPE", 4), Column::cut("MESSAGE", 10)]);
        table.row([
            Cell::new("0123456789"),
            Cell::new("a-long-type"),
            Cell::new("a message\nthat is \u{1b}[31mlong"),
        ]);
        table.row([Cell::new("1"), Cell::new("t"), Cell::new("短い文字列です、とても")]);
        let widths = table.widths(room);
        table.rows.iter().map(|row| line(row, &widths).text().to_owned()).collect()
    }

    #[test]
    fn without_a_terminal_nothing_is_cut() {
        assert_eq!(
            lines(None),
            [
                "0123456789  a-long-type  a message that is [31mlong",
                "1           t            短い文字列です、とても"
            ]
        );
    }

    #[test]
    fn the_last_column_is_cut_first_and_then_the_one_before() {
        assert_eq!(lines(Some(40))[0], "0123456789  a-long-type  a message that…");
        assert_eq!(lines(Some(40))[1], "1           t            短い文字列です…");
        assert_eq!(lines(Some(30))[0], "0123456789  a-lon…  a message…");
    }

    #[test]
    fn what_has_no_room_even_cut_is_left_out() {
        assert_eq!(lines(Some(20))[0], "0123456789  a-l…");
        assert_eq!(lines(Some(12))[0], "0123456789");
        assert_eq!(lines(Some(5))[0], "0123456789", "an id that is cut is of no use");
    }

    #[test]
    fn no_line_is_wider_than_its_room() {
        for room in 10..80 {
            for line in lines(Some(room)) {
                assert!(measure_text_width(&line) <= room, "{room}: {line:?}");
            }
        }
    }
}
