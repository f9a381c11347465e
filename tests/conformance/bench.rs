//! What benchmarks print: a table of our figures against a peer's, or a limit's, of the same run.
//!
//! Figures of one machine mean little on another, so what counts is the ratio. Where a row has a goal
//! the table says `met` or `MISSED`.
//!
//! ```
//! use monetization_conformance::bench::{Goal, Row};
//!
//! // Three rounds, both sides in turns; the last of ours was disturbed.
//! let rounds = [vec![10.0, 11.0, 40.0], vec![20.0, 22.0, 21.0]];
//! let row = Row::of_rounds("ours, against a peer", rounds, "ns", Goal::AtMost(0.6));
//! assert_eq!(row.ratio, 0.5);
//! assert!(row.is_met());
//! ```
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::exhaustive_enums,
    clippy::float_arithmetic,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, computes ratios, prints, and may fail"
)]

use std::fs;

pub mod growing;
pub mod world;

/// What one row must reach: our figure divided by the peer's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// The ratio is at most this.
    AtMost(f64),
    /// The ratio is at least this.
    AtLeast(f64),
    /// Printed to be seen, bound to nothing.
    Shown,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured, and against what.
    pub name: String,
    /// Our figure.
    pub ours: f64,
    /// The peer's figure or the limit.
    pub peer: f64,
    /// Ours divided by the peer's.
    pub ratio: f64,
    /// What both are counted in.
    pub unit: &'static str,
    /// What the ratio must reach.
    pub goal: Goal,
}

/// Collects rows and prints them at the end.
#[derive(Debug)]
pub struct Report {
    words: Vec<String>,
    rows: Vec<Row>,
}

impl Row {
    /// Of rounds that both sides ran in turns: the median of each, and the median of the ratios, so
    /// that what else the machine does falls out.
    #[must_use]
    pub fn of_rounds(
        name: impl Into<String>,
        [ours, peer]: [Vec<f64>; 2],
        unit: &'static str,
        goal: Goal,
    ) -> Self {
        assert_eq!(ours.len(), peer.len(), "a round of one side only");
        let ratios = ours.iter().zip(&peer).map(|(ours, peer)| ours / peer);
        Self {
            name: name.into(),
            ratio: median(ratios.collect()),
            ours: median(ours),
            peer: median(peer),
            unit,
            goal,
        }
    }

    /// Of one figure a side.
    #[must_use]
    pub fn of_figures(
        name: impl Into<String>,
        [ours, peer]: [f64; 2],
        unit: &'static str,
        goal: Goal,
    ) -> Self {
        Self::of_rounds(name, [vec![ours], vec![peer]], unit, goal)
    }

    /// Whether the ratio reaches the goal; always so where there is none.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match self.goal {
            Goal::AtMost(most) => self.ratio <= most,
            Goal::AtLeast(least) => self.ratio >= least,
            Goal::Shown => true,
        }
    }

    fn line(&self) -> String {
        let (goal, verdict) = match self.goal {
            Goal::AtMost(most) => (format!("<= {most}"), self.verdict()),
            Goal::AtLeast(least) => (format!(">= {least}"), self.verdict()),
            Goal::Shown => ("-".to_owned(), "shown"),
        };
        let (name, ours, peer) = (&self.name, figure(self.ours), figure(self.peer));
        let (ratio, unit) = (figure(self.ratio), self.unit);
        format!("{name:<84} {ours:>9} {peer:>9} {ratio:>7} {goal:>8} {verdict} ({unit})")
    }

    fn verdict(&self) -> &'static str {
        if self.is_met() { "met" } else { "MISSED" }
    }
}

impl Report {
    /// Of the rows whose names contain all the words of the command line.
    #[must_use]
    pub fn from_arguments() -> Self {
        let words = std::env::args().skip(1);
        Self {
            words: words.filter(|word| !word.starts_with("--")).collect(),
            rows: Vec::new(),
        }
    }

    /// Whether a row of this name is asked for.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.words.iter().all(|word| name.contains(word.as_str()))
    }

    /// Whether the command line has this very word: for what takes too long to be run unasked.
    #[must_use]
    pub fn is_asked_for(&self, word: &str) -> bool {
        self.words.iter().any(|given| given == word)
    }

    /// Adds a row, and prints it at once: a long run shows how far it is.
    pub fn add(&mut self, row: Row) {
        println!("{}", row.line());
        self.rows.push(row);
    }

    /// Prints the table.
    pub fn print(&self) {
        println!(
            "\n{:<84} {:>9} {:>9} {:>7} {:>8}",
            "", "ours", "peer", "ratio", "goal"
        );
        for row in &self.rows {
            println!("{}", row.line());
        }
    }
}

/// The middle one.
#[must_use]
pub fn median(figures: Vec<f64>) -> f64 {
    quantile(figures, 0.5)
}

/// The figure that this share of all is below.
#[must_use]
pub fn quantile(mut figures: Vec<f64>, share: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    let last = figures.len().checked_sub(1).unwrap();
    let below = figures.iter().enumerate().find(|(at, _)| {
        let at = u32::try_from(*at).unwrap();
        f64::from(at) >= share * f64::from(u32::try_from(last).unwrap())
    });
    *below.unwrap().1
}

/// Bytes of memory that this process has in use, as Linux counts them.
#[must_use]
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
    kibibytes.parse::<u64>().unwrap().saturating_mul(1_024)
}

fn figure(figure: f64) -> String {
    if figure.abs() < 100.0 {
        format!("{figure:.2}")
    } else {
        format!("{figure:.0}")
    }
}
