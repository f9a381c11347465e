//! What is counted, limited and taken a share of, and the mistakes in it.

use super::*;
use crate::period::{Alignment, Proration};
use crate::plan::{Price, QuotaCounts, QuotaWindow};
use crate::product::{Aggregation, Source, Unit};

mod mistakes;

/// Meters of every kind and a plan of them; stands after [`WHOLE`] or alone.
pub(in crate::decisions::plan_file) const COUNTED: &str = r#"
[[meters]]
name = "words"
unit = "tokens"
source = { response_field = "/usage/total_tokens" }

[[meters]]
name = "traffic"
unit = "bytes"
source = "response_bytes"
filter = { status = ["2xx", "404"], resources = ["forecast"] }

[[meters]]
name = "peak"
source = { response_header = "x-connections" }
aggregation = "max"

[[meters]]
name = "sales"
unit = "amount"
decimals = 2

[[plans]]
name = "Market"

[plans.terms]
billing = "metered"
currency = "EUR"
cycle = "month"
alignment = "day 31"
base_price = "10"
proration = "by_days"
quotas = [
  { window = "day", max = 5000, overage = "strict", meter = "words" },
  { window = "ever", max = 10, overage = "loose" },
]

[[plans.terms.usage]]
meter = "sales"
percentage = { rate = "2.9", fee = "0.30", minimum = "0.50", maximum = "20", free_events = 3 }
"#;

const PRODUCT: &str = r#"
[product]
slug = "weather"
name = "Weather"
description = ""
gateway_endpoint = "http://127.0.0.1:9000"
resources = [{ identifier = "forecast", method = "GET", path = "/forecast", name = "Forecast" }]
"#;

#[test]
fn what_is_counted_and_how_it_is_limited_and_priced_is_read() {
    let text = format!("{PRODUCT}{COUNTED}");
    let file = PlanFile::parse("plans.toml", text.as_bytes()).unwrap();
    let [requests, words, traffic, peak, sales] = file.meters() else {
        panic!("{:?}", file.meters());
    };
    assert_eq!(requests.source, Source::Calls);
    assert!(
        matches!(&words.source, Source::ResponseField(at) if at.as_str() == "/usage/total_tokens")
    );
    assert_eq!(
        (traffic.unit, &traffic.source),
        (Unit::Bytes, &Source::ResponseBytes)
    );
    let statuses: Vec<String> = traffic
        .filter
        .status
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(statuses, ["2xx", "404"]);
    assert_eq!(peak.aggregation, Aggregation::Max);
    assert_eq!(
        (sales.unit, &sales.source),
        (Unit::Amount, &Source::Reports)
    );
    let terms = &file.plan(None).unwrap().terms;
    assert_eq!(terms.alignment(), Alignment::Day(31));
    assert_eq!(terms.proration(), Proration::ByDays);
    let [of_words, of_calls] = terms.quotas() else {
        panic!("{:?}", terms.quotas());
    };
    assert_eq!(of_words.counts, QuotaCounts::Meter(words.clone()));
    assert_eq!(
        (&of_calls.counts, of_calls.window),
        (&QuotaCounts::Calls, QuotaWindow::Ever)
    );
    let Price::Percentage(percentage) = &terms.usage()[0].price else {
        panic!("{:?}", terms.usage());
    };
    assert_eq!(
        (percentage.rate.to_string(), percentage.free_events),
        ("2.9".to_owned(), 3)
    );
}
