//! The report for a terminal.

use std::io::{self, Write};

use super::report::{ConsumerReport, Figures, LogReport, PlanReport, Report};
use crate::table::{Column, lines, thousands};

/// What a replay takes for granted, for people.
pub(super) const ASSUMED: [&str; 5] = [
    "Every subscription begins with the first line of the log and ends with the billing period that the last \
     line lies in: everybody is charged as many periods.",
    "What is due is paid at once.",
    "Calls are answered as they were: by the plan, those that failed cost nothing.",
    "Nobody buys calls in advance: every call of an operation that the plan has bundles of is refused.",
    "Nobody calls more, less or otherwise because of the plan.",
];

/// Tells the report, with so many consumers.
pub(super) fn tell(report: &Report, top: usize, out: &mut impl Write) -> io::Result<()> {
    tell_log(report, out)?;
    if report.log.calls == 0 {
        return writeln!(out, "\nNo line is a call: there is nothing to replay.");
    }
    for plan in &report.plans {
        tell_plan(report, plan, out)?;
    }
    tell_consumers(report, top, out)?;
    let currency = report.currency;
    writeln!(out)?;
    for plan in &report.plans {
        let total = amount(&plan.sum.total);
        writeln!(out, "{} earns {total} {currency}.", visible(&plan.name))?;
    }
    if let Some(difference) = &report.difference {
        let sign = if difference.starts_with('-') { "" } else { "+" };
        writeln!(
            out,
            "The difference is {sign}{} {currency}.",
            amount(difference)
        )?;
    }
    Ok(())
}

fn tell_log(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let log = &report.log;
    let (lines, calls) = (counted(log.lines), counted(log.calls));
    writeln!(
        out,
        "{}: {lines} lines, {calls} calls",
        visible(&log.files.join(", "))
    )?;
    if let (Some(first), Some(last)) = (log.first_at, log.last_at) {
        let by = &report.consumer_by;
        let count = counted(u64::try_from(report.consumers.len()).unwrap_or(u64::MAX));
        writeln!(out, "from {first} to {last}, {count} consumers by {by}")?;
        writeln!(
            out,
            "every subscription begins with the first line, and ends with the billing period of the last"
        )?;
    }
    if log.late > 0 {
        writeln!(
            out,
            "{} calls lie more than 5 minutes behind a later one: made 5 minutes behind the latest",
            counted(log.late)
        )?;
    }
    if log.crowded > 0 {
        writeln!(
            out,
            "{} calls are made behind an earlier line: too many lie within 5 minutes",
            counted(log.crowded)
        )?;
    }
    tell_left_out(log, out)
}

fn tell_left_out(log: &LogReport, out: &mut impl Write) -> io::Result<()> {
    let left_out: u64 = log.left_out.iter().map(|reason| reason.lines).sum();
    if left_out > 0 {
        writeln!(out, "{} lines are left out:", counted(left_out))?;
    }
    for reason in &log.left_out {
        let places = reason.first.iter().map(|place| match log.files.as_slice() {
            [_] => place.line.to_string(),
            _ => format!("{}:{}", visible(&place.file), place.line),
        });
        let first = places.collect::<Vec<_>>().join(", ");
        let more = u64::try_from(reason.first.len()).unwrap_or(u64::MAX) < reason.lines;
        let more = if more { ", ..." } else { "" };
        let (lines, why) = (counted(reason.lines), &reason.reason);
        writeln!(out, "  {lines:>7}  {why} (line {first}{more})")?;
    }
    for broken in &log.broken_off {
        let (file, because) = (visible(&broken.file), visible(&broken.because));
        writeln!(
            out,
            "{file} breaks off: {because}; what was read until then counts"
        )?;
    }
    Ok(())
}

fn tell_plan(report: &Report, plan: &PlanReport, out: &mut impl Write) -> io::Result<()> {
    let (sum, currency) = (&plan.sum, report.currency);
    writeln!(out, "\n{}: {}", visible(&plan.name), plain(&plan.price))?;
    let mut row = |what: &str, figure: String| writeln!(out, "  {what:<36} {figure:>14}");
    row("calls let through", counted(sum.granted))?;
    row("calls that count as used", thousands(&sum.billed))?;
    row("calls refused", counted(sum.refused_calls()))?;
    for (code, count) in &sum.refused {
        row(&format!("  {code}"), counted(*count))?;
    }
    let whom = u64::try_from(plan.refused_consumers).unwrap_or(u64::MAX);
    row("consumers with a call refused", counted(whom))?;
    row("invoices", counted(sum.invoices))?;
    row(
        &format!("setup and base prices, {currency}"),
        amount(&sum.fixed),
    )?;
    row(&format!("use, {currency}"), amount(&sum.usage))?;
    row(&format!("earned, {currency}"), amount(&sum.total))
}

fn tell_consumers(report: &Report, top: usize, out: &mut impl Write) -> io::Result<()> {
    let shown = report.consumers.iter().take(top);
    let rows: Vec<Vec<String>> = match report.plans.len() {
        2 => shown.map(row_of_two).collect(),
        _ => shown.filter_map(row_of_one).collect(),
    };
    let one = [
        Column::Left("consumer"),
        Column::Right("calls"),
        Column::Right("used"),
        Column::Right("refused"),
        Column::Left("mostly"),
        Column::Right("pays"),
    ];
    let two = [
        Column::Left("consumer"),
        Column::Right("calls"),
        Column::Right("refused"),
        Column::Left("mostly"),
        Column::Right("pays"),
        Column::Right("refused then"),
        Column::Left("mostly"),
        Column::Right("pays then"),
        Column::Right("difference"),
    ];
    let columns: &[Column] = if report.plans.len() == 2 { &two } else { &one };
    writeln!(out)?;
    for line in lines(columns, &rows) {
        writeln!(out, "{line}")?;
    }
    let more = report.consumers.len().saturating_sub(rows.len());
    if more > 0 {
        let more = counted(u64::try_from(more).unwrap_or(u64::MAX));
        writeln!(out, "and {more} more; --top shows more of them, --json all")?;
    }
    Ok(())
}

fn row_of_one(consumer: &ConsumerReport) -> Option<Vec<String>> {
    let figures = consumer.plans.first()?;
    Some(vec![
        visible(&consumer.name),
        counted(consumer.calls),
        thousands(&figures.billed),
        counted(figures.refused_calls()),
        mostly(figures),
        amount(&figures.total),
    ])
}

fn row_of_two(consumer: &ConsumerReport) -> Vec<String> {
    let of = |figures: &Figures| {
        let refused = counted(figures.refused_calls());
        [refused, mostly(figures), amount(&figures.total)]
    };
    let mut row = vec![visible(&consumer.name), counted(consumer.calls)];
    row.extend(consumer.plans.iter().flat_map(of));
    row.extend(consumer.difference.as_deref().map(amount));
    row
}

/// Why most of the calls were refused that were; nothing where none was.
fn mostly(figures: &Figures) -> String {
    figures.refused_mostly().unwrap_or_default().to_owned()
}

/// As [`plain`], and not too long for a column.
pub(super) fn visible(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let mut shown = plain(text);
    if let Some((end, _)) = shown.char_indices().nth(SHOWN_MAX) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// A text that somebody else has written, safe for a terminal.
pub(super) fn plain(text: &str) -> String {
    let letters = text.chars();
    letters
        .map(|letter| if is_plain(letter) { letter } else { '\u{fffd}' })
        .collect()
}

/// Control characters steer a terminal, and some letters turn the direction of those around them.
fn is_plain(letter: char) -> bool {
    let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !letter.is_control() && !turns
}

/// A number with its thousands apart.
pub(super) fn counted(number: u64) -> String {
    thousands(&number.to_string())
}

/// An amount with its thousands apart.
pub(super) fn amount(text: &str) -> String {
    let (sign, size) = match text.strip_prefix('-') {
        Some(size) => ("-", size),
        None => ("", text),
    };
    match size.split_once('.') {
        Some((whole, rest)) => format!("{sign}{}.{rest}", thousands(whole)),
        None => format!("{sign}{}", thousands(size)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_not_told() {
        assert_eq!(
            visible("a\u{1b}[31mb\n\u{202e}c"),
            "a\u{fffd}[31mb\u{fffd}\u{fffd}c"
        );
        let long = visible(&"x".repeat(100));
        assert_eq!(long.chars().count(), 61);
    }

    #[test]
    fn thousands_stand_apart() {
        let texts = [0, 999, 1_000, 1_234_567].map(counted);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
        let texts = ["-1234.50", "999", "1000", "0.001"].map(amount);
        assert_eq!(texts, ["-1,234.50", "999", "1,000", "0.001"]);
    }
}
