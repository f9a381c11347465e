//! The table.

/// What one row must reach: our figure divided by the peer's.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

/// Collects rows and prints them at the end.
pub(crate) struct Report {
    words: Vec<String>,
    rows: Vec<Row>,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    pub(crate) ratio: f64,
    pub(crate) unit: &'static str,
    pub(crate) goal: Goal,
}

impl Report {
    pub(crate) const fn new(words: Vec<String>) -> Self {
        Self {
            words,
            rows: Vec::new(),
        }
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.words.iter().all(|word| name.contains(word.as_str()))
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn print(&self) {
        println!(
            "{:<72} {:>9} {:>9} {:>6} {:>8}",
            "", "ours", "peer", "ratio", "goal"
        );
        for row in &self.rows {
            let (goal, met) = match row.goal {
                Goal::AtMost(most) => (format!("<= {most}"), row.ratio <= most),
                Goal::AtLeast(least) => (format!(">= {least}"), row.ratio >= least),
            };
            let verdict = if met { "met" } else { "MISSED" };
            let Row {
                name,
                ours,
                peer,
                ratio,
                unit,
                ..
            } = row;
            println!(
                "{name:<72} {ours:>9.0} {peer:>9.0} {ratio:>6.2} {goal:>8} {verdict} ({unit})"
            );
        }
    }
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
