//! Two plans side by side: for people, for programs, and as a chart.

use std::io::{self, Write};

use monetization_core::estimate::{BreakEven, Comparison, Point, Side};
use monetization_core::money::{Money, Quantity};
use monetization_core::plan::PlanTerms;
use monetization_core::product::Meter;
use serde_json::{Value, json};

use crate::chart::{Axis, Line, LineChart, Mark};
use crate::table::{Column, aligned};

/// A comparison with what it is of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compared<'a> {
    pub(super) names: (&'a str, &'a str),
    pub(super) terms: (&'a PlanTerms, &'a PlanTerms),
    pub(super) meter: &'a Meter,
    pub(super) comparison: &'a Comparison,
}

/// Rows of a table beside those where plans break even.
const ROWS: i64 = 10;

impl Compared<'_> {
    /// Prints a table of some quantities, and where the plans break even.
    pub(super) fn tell(&self, out: &mut impl Write) -> io::Result<()> {
        let (first, second) = self.names;
        let (terms, other) = self.terms;
        writeln!(out, "{first}: {}", terms.label())?;
        writeln!(out, "{second}: {}", other.label())?;
        let (cycle, currency) = (terms.cycle(), terms.currency());
        writeln!(
            out,
            "each {cycle}, in {currency}; setup fees are left out\n"
        )?;
        let name = self.meter.name.as_str();
        let titles = [name, first, second, "costs less"].map(str::to_owned);
        let rows = self.rows().into_iter().map(|point| self.row(&point));
        let rows: Vec<Vec<String>> = std::iter::once(titles.to_vec()).chain(rows).collect();
        let figures = Column::Right("");
        for line in aligned(&[figures, figures, figures, Column::Left("")], &rows) {
            writeln!(out, "  {line}")?;
        }
        writeln!(out)?;
        if self.comparison.break_even.is_empty() {
            writeln!(out, "no break-even in this range")?;
        }
        for found in &self.comparison.break_even {
            writeln!(out, "{}", self.break_even(found))?;
        }
        Ok(())
    }

    /// The same for programs, with every point.
    pub(super) fn document(&self) -> Value {
        let (terms, other) = self.terms;
        let point = |point: &Point| {
            json!({
                "quantity": self.quantity(point.quantity),
                "first": point.first,
                "second": point.second,
            })
        };
        let break_even = |found: &BreakEven| {
            let mut fields = point(&found.at);
            if let Some(fields) = fields.as_object_mut() {
                let name = self.name(found.cheaper_above);
                fields.insert("cheaper_above".to_owned(), name.into());
                fields.insert("text".to_owned(), self.break_even(found).into());
            }
            fields
        };
        let comparison = self.comparison;
        json!({
            "first": { "plan": self.names.0, "price_label": terms.label(), "setup_fee": terms.setup_fee() },
            "second": { "plan": self.names.1, "price_label": other.label(), "setup_fee": other.setup_fee() },
            "currency": terms.currency(),
            "cycle": terms.cycle(),
            "meter": self.meter.name,
            "from": self.quantity(comparison.range.from),
            "to": self.quantity(comparison.range.to),
            "break_even": comparison.break_even.iter().map(break_even).collect::<Vec<_>>(),
            "points": comparison.points.iter().map(point).collect::<Vec<_>>(),
        })
    }

    /// Both curves.
    pub(super) fn chart(&self) -> LineChart {
        let terms = self.terms.0;
        let (cycle, currency) = (terms.cycle(), terms.currency());
        let points = |of: fn(&Point) -> Money| {
            let points = self.comparison.points.iter();
            points
                .map(|point| (point.quantity.scaled(), of(point).minor()))
                .collect()
        };
        let line = |name: &str, of| Line {
            name: name.to_owned(),
            points: points(of),
        };
        let x = Axis::new(
            format!("{} in each {cycle}", self.meter.name),
            self.meter.scale.decimals().into(),
        );
        let marks = self.comparison.break_even.iter().map(|found| Mark {
            at: (found.at.quantity.scaled(), found.at.first.minor()),
            text: format!(
                "{} {}: {}",
                x.show(found.at.quantity.scaled()),
                self.meter.name,
                found.at.first
            ),
        });
        LineChart {
            title: format!("{} and {}", self.names.0, self.names.1),
            y: Axis::new(format!("{currency} for each {cycle}"), currency.exponent()),
            lines: vec![
                line(self.names.0, |point| point.first),
                line(self.names.1, |point| point.second),
            ],
            marks: marks.collect(),
            x,
        }
    }

    /// Quantities at even distances, and those where the plans break even.
    fn rows(&self) -> Vec<Point> {
        let range = self.comparison.range;
        let (from, to) = (range.from.scaled(), range.to.scaled());
        let each = to.saturating_sub(from) / ROWS;
        let mut next = from;
        let mut rows = Vec::new();
        for point in &self.comparison.points {
            let at = point.quantity.scaled();
            if at >= next || at == to {
                rows.push(*point);
                next = next.saturating_add(each.max(1)).max(at.saturating_add(1));
            }
        }
        rows.extend(self.comparison.break_even.iter().map(|found| found.at));
        rows.sort_unstable_by_key(|point| point.quantity);
        rows.dedup();
        rows
    }

    fn row(&self, point: &Point) -> Vec<String> {
        let less = point.cheaper();
        let less = less.map_or("both the same", |side| self.name(side));
        vec![
            self.quantity(point.quantity),
            point.first.amount(),
            point.second.amount(),
            less.to_owned(),
        ]
    }

    fn break_even(&self, found: &BreakEven) -> String {
        let (quantity, name) = (self.quantity(found.at.quantity), &self.meter.name);
        let above = self.name(found.cheaper_above);
        let (first, second) = (found.at.first, found.at.second);
        if first == second {
            format!("break-even: at {quantity} {name} both cost {first}; above, {above} costs less")
        } else {
            let (one, two) = self.names;
            format!(
                "break-even: from {quantity} {name} on {above} costs less: {one} {first}, {two} {second}"
            )
        }
    }

    fn quantity(&self, quantity: Quantity) -> String {
        self.meter.scale.render(quantity)
    }

    fn name(&self, side: Side) -> &str {
        match side {
            Side::First => self.names.0,
            Side::Second => self.names.1,
        }
    }
}
