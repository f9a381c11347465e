//! Tables for a terminal, and the figures in them.

/// One column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// Text, beginning at the left.
    Left(&'static str),
    /// Figures, ending at the right.
    Right(&'static str),
}

impl Column {
    fn head(self) -> &'static str {
        match self {
            Self::Left(head) | Self::Right(head) => head,
        }
    }
}

/// The lines of a table without heads.
pub(crate) fn aligned(columns: &[Column], rows: &[Vec<String>]) -> Vec<String> {
    lines(columns, rows).split_off(1)
}

/// The lines of a table, its heads first. A column is as wide as what stands in it.
pub(crate) fn lines(columns: &[Column], rows: &[Vec<String>]) -> Vec<String> {
    let heads: Vec<String> = columns
        .iter()
        .map(|column| column.head().to_owned())
        .collect();
    let width = |index: usize| {
        let cells = rows.iter().chain([&heads]).filter_map(|row| row.get(index));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(columns).zip(&widths);
        let cells = cells.map(|((cell, column), width)| match column {
            Column::Left(_) => format!("{cell:<width$}"),
            Column::Right(_) => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&heads).chain(rows).map(line).collect()
}

/// Digits with commas between thousands.
pub(crate) fn thousands(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len().saturating_mul(2));
    for (place, digit) in digits.chars().enumerate() {
        let left = digits.len().saturating_sub(place);
        if place > 0 && left.is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
