//! An estimate for people.

use std::io::{self, Write};

use monetization_core::clock::Timestamp;
use monetization_core::estimate::Period;
use monetization_core::money::Money;

use super::document::Estimated;
use crate::table::{Column, aligned};

/// Prints a table with the reasons beside each amount.
pub(super) fn tell(estimated: &Estimated<'_>, out: &mut impl Write) -> io::Result<()> {
    let terms = estimated.terms;
    let cycle = terms.cycle();
    if let Some(name) = estimated.name {
        write!(out, "{name}: ")?;
    }
    writeln!(out, "{}", terms.label())?;
    let periods = &estimated.estimate.periods;
    match (estimated.span, periods.len()) {
        (None, _) => writeln!(out, "the first {cycle} of a subscription")?,
        (Some(_), 1) => writeln!(out, "one billing period")?,
        (Some(_), count) => {
            writeln!(
                out,
                "{count} billing periods; the quantities are those of each"
            )?;
        }
    }
    let tables: Vec<Vec<Vec<String>>> = periods
        .iter()
        .map(|period| rows(estimated, period))
        .collect();
    let total = estimated.estimate.total.amount();
    let last = row("total", "", &total, terms.currency().code());
    let all: Vec<Vec<String>> = tables.iter().flatten().cloned().chain([last]).collect();
    let (text, figures) = (Column::Left(""), Column::Right(""));
    let mut lines = aligned(&[text, figures, figures, text], &all).into_iter();
    for (period, rows) in periods.iter().zip(&tables) {
        writeln!(out)?;
        if estimated.span.is_some() {
            let (start, end) = (shown(period.span.start), shown(period.span.end));
            writeln!(out, "{start} to {end}")?;
        }
        for line in lines.by_ref().take(rows.len()) {
            writeln!(out, "  {line}")?;
        }
    }
    writeln!(out)?;
    lines.try_for_each(|line| writeln!(out, "  {line}"))
}

/// What, how much of it, what it costs, and why: a row for each reason.
fn rows(estimated: &Estimated<'_>, period: &Period) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for line in &period.lines {
        let quantity = line.quantity.as_deref().unwrap_or_default();
        let mut reasons = line.reasons.iter().map(ToString::to_string);
        let first = reasons.next().unwrap_or_default();
        rows.push(row(&line.what, quantity, &line.amount.amount(), &first));
        rows.extend(reasons.map(|reason| row("", "", "", &reason)));
    }
    let nothing = Money::zero(estimated.terms.currency()).amount();
    let unpriced = estimated.unpriced().into_iter();
    let reason = "this plan has no price for it";
    rows.extend(
        unpriced.map(|(meter, quantity)| row(meter.name.as_str(), &quantity, &nothing, reason)),
    );
    rows
}

fn row(what: &str, quantity: &str, amount: &str, reason: &str) -> Vec<String> {
    [what, quantity, amount, reason].map(str::to_owned).to_vec()
}

/// A date where the instant is the first of its day.
fn shown(at: Timestamp) -> String {
    let text = at.to_string();
    match text.strip_suffix("T00:00:00Z") {
        Some(date) => date.to_owned(),
        None => text,
    }
}
