//! The report as one page: nothing is fetched, no script runs, and whatever a log says is text.

use super::report::{Figures, Report};
use super::tell::{ASSUMED, amount, counted, plain, visible};
use crate::chart::escape;
use crate::table::thousands;

mod charts;

const STYLE: &str = "\
:root{color-scheme:light dark;--ground:#f9fafb;--card:#fff;--ink:#1f2937;--faint:#6b7280;--rule:#e5e7eb}\
@media (prefers-color-scheme:dark){:root{--ground:#030712;--card:#111827;--ink:#f3f4f6;--faint:#9ca3af;--rule:#374151}}\
*{box-sizing:border-box}body{margin:0 auto;max-width:80rem;padding:1.5rem;background:var(--ground);color:var(--ink);\
font:15px/1.5 system-ui,sans-serif}h1{font-size:1.6rem;margin:0}h2{font-size:1.2rem;margin:2rem 0 .75rem}\
p{margin:.25rem 0}.faint{color:var(--faint)}\
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.75rem;margin:1rem 0}\
.card,.plot,.wide{background:var(--card);border:1px solid var(--rule);border-radius:.5rem;padding:.75rem 1rem}\
.card b{display:block;font-size:1.4rem;font-variant-numeric:tabular-nums}\
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(30rem,100%),1fr));gap:.75rem}\
.plot svg{width:100%;display:block}.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}\
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--rule);font-variant-numeric:tabular-nums;\
white-space:nowrap}th:first-child,td:first-child{text-align:left}tr:last-child td{border-bottom:0}\
td.text{white-space:normal;text-align:left}@media print{body{background:#fff}}";

/// Consumers in the table.
const LISTED_MAX: usize = 100;

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n",
        title = escape(&title(report)),
    );
    page.push_str(&stretch(report));
    if report.plans.is_empty() {
        page.push_str("<p>No line is a call: there is nothing to replay.</p>\n");
    } else {
        page.push_str(&cards(report));
        page.push_str("<h2>Over time and by consumer</h2>\n<div class=\"plots\">\n");
        for chart in charts::charts(report) {
            page.push_str("<div class=\"plot\">");
            page.push_str(&chart.svg());
            page.push_str("</div>\n");
        }
        page.push_str("</div>\n<h2>Plans</h2>\n");
        page.push_str(&plans(report));
        page.push_str("<h2>Consumers</h2>\n");
        page.push_str(&consumers(report));
    }
    page.push_str(&left_out(report));
    page.push_str("<h2>What is assumed</h2>\n<ul>\n");
    for assumed in ASSUMED {
        page.push_str(&format!("<li>{}</li>\n", escape(assumed)));
    }
    page.push_str("</ul>\n</body>\n</html>\n");
    page
}

fn title(report: &Report) -> String {
    let names: Vec<String> = report
        .plans
        .iter()
        .map(|plan| visible(&plan.name))
        .collect();
    match names.as_slice() {
        [first, second] => format!("{second} compared with {first}"),
        _ => format!("A log under {}", names.join(", ")),
    }
}

fn stretch(report: &Report) -> String {
    let log = &report.log;
    let files: Vec<String> = log.files.iter().map(|file| text(file)).collect();
    let (lines, calls) = (counted(log.lines), counted(log.calls));
    let mut said = format!(
        "<p class=\"faint\">{}: {lines} lines, {calls} calls",
        files.join(", ")
    );
    if let (Some(first), Some(last)) = (log.first_at, log.last_at) {
        said.push_str(&format!(" from {first} to {last}"));
    }
    said.push_str(". Consumers are told by ");
    said.push_str(&text(&report.consumer_by));
    said.push_str(".</p>\n");
    said
}

fn cards(report: &Report) -> String {
    let currency = report.currency;
    let mut cards = vec![
        ("calls".to_owned(), counted(report.log.calls)),
        ("consumers".to_owned(), many(report.consumers.len())),
    ];
    for plan in &report.plans {
        let name = visible(&plan.name);
        let total = format!("{} {currency}", amount(&plan.sum.total));
        cards.push((format!("{name} earns"), total));
        cards.push((
            format!("refused under {name}"),
            counted(plan.sum.refused_calls()),
        ));
    }
    if let Some(difference) = &report.difference {
        cards.push((
            "difference".to_owned(),
            format!("{} {currency}", amount(difference)),
        ));
    }
    let cards = cards.into_iter().map(|(what, figure)| {
        format!(
            "<div class=\"card\"><span class=\"faint\">{}</span><b>{}</b></div>\n",
            escape(&what),
            escape(&figure)
        )
    });
    format!(
        "<div class=\"cards\">\n{}</div>\n",
        cards.collect::<String>()
    )
}

fn plans(report: &Report) -> String {
    let heads = [
        "plan",
        "let through",
        "used",
        "refused",
        "consumers refused",
        "invoices",
        "fixed",
        "use",
        "earned",
    ];
    let rows = report.plans.iter().map(|plan| {
        let sum = &plan.sum;
        let price = escape(&plain(&plan.price));
        vec![
            format!(
                "{}<br><span class=\"faint\">{price}</span>",
                text(&plan.name)
            ),
            counted(sum.granted),
            thousands(&sum.billed),
            refused(sum, sum.refused.iter()),
            many(plan.refused_consumers),
            counted(sum.invoices),
            amount(&sum.fixed),
            amount(&sum.usage),
            amount(&sum.total),
        ]
    });
    table(&heads.map(str::to_owned), rows)
}

fn consumers(report: &Report) -> String {
    let mut heads = vec!["consumer".to_owned(), "calls".to_owned()];
    for plan in &report.plans {
        let name = match report.plans.len() {
            1 => String::new(),
            _ => format!(": {}", text(&plan.name)),
        };
        heads.extend(["used", "refused", "pays"].map(|head| format!("{head}{name}")));
    }
    if report.difference.is_some() {
        heads.push("difference".to_owned());
    }
    let rows = report.consumers.iter().take(LISTED_MAX).map(|consumer| {
        let mut row = vec![text(&consumer.name), counted(consumer.calls)];
        for of in &consumer.plans {
            let most = of.refused_mostly();
            let reasons = of.refused.iter();
            let refused = refused(of, reasons.filter(|(reason, _)| Some(**reason) == most));
            row.extend([thousands(&of.billed), refused, amount(&of.total)]);
        }
        row.extend(consumer.difference.as_deref().map(amount));
        row
    });
    let more = report.consumers.len().saturating_sub(LISTED_MAX);
    let more = match more {
        0 => String::new(),
        more => format!("<p class=\"faint\">And {} more.</p>\n", many(more)),
    };
    table(&heads, rows) + &more
}

/// How many calls are refused, and for these reasons.
fn refused<'a>(of: &Figures, reasons: impl Iterator<Item = (&'a &'static str, &'a u64)>) -> String {
    let reasons = reasons.map(|(reason, count)| format!("{reason}: {}", counted(*count)));
    let reasons = reasons.collect::<Vec<_>>().join("<br>");
    let all = counted(of.refused_calls());
    match reasons.as_str() {
        "" => all,
        reasons => format!("{all}<br><span class=\"faint\">{reasons}</span>"),
    }
}

fn left_out(report: &Report) -> String {
    let log = &report.log;
    let mut said = String::new();
    if !log.left_out.is_empty() || log.late > 0 || log.crowded > 0 || !log.broken_off.is_empty() {
        said.push_str("<h2>What is wrong with the log</h2>\n");
    }
    if log.late > 0 {
        let late = counted(log.late);
        said.push_str(&format!(
            "<p>{late} calls lie more than 5 minutes behind a later one, and were made 5 minutes behind the latest.</p>\n"
        ));
    }
    if log.crowded > 0 {
        let crowded = counted(log.crowded);
        said.push_str(&format!(
            "<p>{crowded} calls were made behind an earlier line: too many lie within 5 minutes.</p>\n"
        ));
    }
    for broken in &log.broken_off {
        let (file, because) = (text(&broken.file), text(&broken.because));
        said.push_str(&format!("<p>{file} breaks off: {because}.</p>\n"));
    }
    if log.left_out.is_empty() {
        return said;
    }
    let rows = log.left_out.iter().map(|reason| {
        let first = reason.first.iter();
        let first = first.map(|place| format!("{}:{}", text(&place.file), place.line));
        vec![
            escape(&reason.reason),
            counted(reason.lines),
            first.collect::<Vec<_>>().join(", "),
        ]
    });
    said + &table(
        &["left out because", "lines", "first of them"].map(str::to_owned),
        rows,
    )
}

/// A table of cells that are HTML.
fn table(heads: &[String], rows: impl Iterator<Item = Vec<String>>) -> String {
    let heads: String = heads
        .iter()
        .map(|head| format!("<th>{head}</th>"))
        .collect();
    let row = |cells: Vec<String>| {
        let cells: String = cells
            .iter()
            .map(|cell| format!("<td>{cell}</td>"))
            .collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = rows.map(row).collect();
    format!(
        "<div class=\"wide\"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )
}

/// What somebody else has written, as HTML that is only text and does not turn what stands beside it.
fn text(text: &str) -> String {
    format!("<bdi>{}</bdi>", escape(&visible(text)))
}

fn many(count: usize) -> String {
    counted(u64::try_from(count).unwrap_or(u64::MAX))
}
