//! An estimate for people.

use std::io::{self, Write};

use monetization_core::clock::Timestamp;
use monetization_core::estimate::Period;

use super::document::Estimated;

/// One row: what, how much of it, what it costs, and why.
struct Row {
    what: String,
    quantity: String,
    amount: String,
    reasons: Vec<String>,
}

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
    let tables: Vec<Vec<Row>> = periods
        .iter()
        .map(|period| rows(estimated, period))
        .collect();
    let width = |of: fn(&Row) -> &str| {
        let widths = tables.iter().flatten().map(|row| of(row).chars().count());
        widths.max().unwrap_or_default()
    };
    let total = estimated.estimate.total.amount();
    let what = width(|row| &row.what).max("total".len());
    let quantity = width(|row| &row.quantity);
    let amount = width(|row| &row.amount).max(total.len());
    for (period, rows) in periods.iter().zip(&tables) {
        writeln!(out)?;
        if estimated.span.is_some() {
            let (start, end) = (shown(period.span.start), shown(period.span.end));
            writeln!(out, "{start} to {end}")?;
        }
        for row in rows {
            let (name, used, cost) = (&row.what, &row.quantity, &row.amount);
            let mut reasons = row.reasons.iter();
            let first = reasons.next().map_or("", String::as_str);
            let text = format!("  {name:<what$}  {used:>quantity$}  {cost:>amount$}  {first}");
            writeln!(out, "{}", text.trim_end())?;
            for reason in reasons {
                writeln!(
                    out,
                    "  {:what$}  {:quantity$}  {:amount$}  {reason}",
                    "", "", ""
                )?;
            }
        }
    }
    let currency = terms.currency();
    writeln!(out)?;
    writeln!(
        out,
        "  {:<what$}  {:quantity$}  {total:>amount$}  {currency}",
        "total", ""
    )
}

fn rows(estimated: &Estimated<'_>, period: &Period) -> Vec<Row> {
    let priced = period.lines.iter().map(|line| Row {
        what: line.what.clone(),
        quantity: line.quantity.clone().unwrap_or_default(),
        amount: line.amount.amount(),
        reasons: line.reasons.iter().map(ToString::to_string).collect(),
    });
    let nothing = monetization_core::money::Money::zero(estimated.terms.currency());
    let unpriced = estimated.unpriced().into_iter();
    let unpriced = unpriced.map(|(meter, quantity)| Row {
        what: meter.name.to_string(),
        quantity,
        amount: nothing.amount(),
        reasons: vec!["this plan has no price for it".to_owned()],
    });
    priced.chain(unpriced).collect()
}

/// A date where the instant is the first of its day.
fn shown(at: Timestamp) -> String {
    let text = at.to_string();
    match text.strip_suffix("T00:00:00Z") {
        Some(date) => date.to_owned(),
        None => text,
    }
}
