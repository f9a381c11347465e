use proptest::prelude::*;

use super::*;
use crate::clock::Span;
use crate::estimate::{Asked, Estimate, Question, estimate};
use crate::plan::QuotaWindow;
use crate::product::{MeterDraft, Source};

fn meters() -> Vec<Meter> {
    let id = |name: &str| MeterId::derived(&[name.as_bytes()]);
    let of = |name: &str, source| {
        let mut draft = MeterDraft::new(name.parse().unwrap());
        draft.source = source;
        draft.check(id(name)).unwrap()
    };
    vec![
        Meter::requests(id(Meter::REQUESTS)).unwrap(),
        of("bytes", Source::ResponseBytes),
        of("events", Source::Reports),
    ]
}

/// Terms on which every unit of each meter is a cent.
fn terms(cycle: &str, quotas: &str) -> PlanTerms {
    let priced = |name| format!(r#"{{"meter": "{name}", "unit_price": "0.01"}}"#);
    let usage = ["requests", "bytes", "events"].map(priced).join(",");
    let draft = format!(
        r#"{{"billing": "metered", "currency": "USD", "cycle": "{cycle}", "quotas": [{quotas}],
            "usage": [{usage}]}}"#
    );
    let meters = meters();
    PlanTerms::new(serde_json::from_str(&draft).unwrap(), meters.as_slice()).unwrap()
}

fn of(terms: &PlanTerms, meter: &str, quantity: i64, span: Option<(&str, &str)>) -> Estimate {
    let asked = Asked::from(Quantity::from_scaled(quantity));
    let used = Usage::from([(MeterId::derived(&[meter.as_bytes()]), asked)]);
    let span = span.map(|(start, end)| Span {
        start: start.parse().unwrap(),
        end: end.parse().unwrap(),
    });
    let question = Question {
        terms,
        used: &used,
        span,
    };
    estimate(&question).unwrap()
}

/// What of a meter is told in the first period, its amount before.
fn told(estimate: &Estimate, meter: &str) -> (String, String) {
    let mut lines = estimate.periods[0].lines.iter();
    let line = lines.find(|line| line.what == meter).unwrap();
    (line.amount.amount(), line.reasons[0].to_string())
}

/// Reports were said to be refused, which never are.
#[test]
fn only_what_calls_use_is_refused_and_only_calls_exactly() {
    let quota = |more: &str| {
        terms(
            "month",
            &format!(r#"{{"window": "period", "max": 1000, "overage": "strict" {more}}}"#),
        )
    };
    let of = |meter: &str, more: &str| told(&of(&quota(more), meter, 1_500, None), meter);
    for (meter, more, amount, reason) in [
        (
            "requests",
            "",
            "10.00",
            "1500 asked for, 1000 let through: the plan refuses the rest",
        ),
        (
            "bytes",
            r#", "meter": "bytes""#,
            "10.00",
            "1500 asked for, 1000 or a little more let through: the plan refuses the rest",
        ),
        (
            "events",
            r#", "meter": "events""#,
            "15.00",
            "1500 x 0.01 = 15",
        ),
    ] {
        let expected = (amount.to_owned(), reason.to_owned());
        assert_eq!(of(meter, more), expected, "{meter}");
    }
}

/// Only quotas of the period were looked at: 50,000 calls were billed of which a month lets 10,000 through.
#[test]
fn quotas_of_every_window_refuse_what_the_windows_of_a_period_do_not_hold() {
    let totals = |window: &str, max: u64, cycle: &str, span: (&str, &str)| {
        let quota = format!(r#"{{"window": "{window}", "max": {max}, "overage": "strict"}}"#);
        let terms = terms(cycle, &quota);
        let estimate = of(&terms, "requests", 50_000, Some(span));
        let totals: Vec<String> = estimate
            .periods
            .iter()
            .map(|it| it.total.amount())
            .collect();
        totals
    };
    let calendar = ("2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z");
    let middle = ("2026-01-15T12:00:00Z", "2026-04-15T12:00:00Z");
    // A day has 1,000: those of January, February and March.
    assert_eq!(
        totals("day", 1_000, "month", calendar),
        ["310.00", "280.00", "310.00"]
    );
    assert_eq!(totals("month", 10_000, "month", calendar), ["100.00"; 3]);
    // Two months each, of which the period before may have left something.
    assert_eq!(
        totals("month", 10_000, "month", middle),
        ["200.00", "100.00", "100.00"]
    );
    assert_eq!(
        totals("year", 70_000, "month", calendar),
        ["500.00", "200.00", "0.00"]
    );
    assert_eq!(
        totals("ever", 120_000, "month", middle),
        ["500.00", "500.00", "200.00"]
    );
    assert_eq!(totals("period", 7, "month", middle), ["0.07"; 3]);
    let estimate = of(
        &terms(
            "month",
            r#"{"window": "month", "max": 10000, "overage": "strict"}"#,
        ),
        "requests",
        50_000,
        None,
    );
    let expected = "50000 asked for, 10000 let through: the plan refuses the rest";
    assert_eq!(
        told(&estimate, "requests"),
        ("100.00".to_owned(), expected.to_owned())
    );
}

#[test]
fn loose_quotas_and_quotas_of_something_else_refuse_nothing() {
    let quotas = r#"{"window": "month", "max": 10, "overage": "loose"},
        {"window": "month", "max": 10, "overage": "strict", "meter": "bytes"}"#;
    let estimate = of(&terms("month", quotas), "requests", 500, None);
    assert_eq!(estimate.total.amount(), "5.00");
}

proptest! {
    /// Units that come one by one, each in the earliest window that has room for it.
    #[test]
    fn as_much_passes_as_the_windows_hold_in_every_period(
        window in prop::sample::select(QuotaWindow::ALL.to_vec()),
        days in 2_u16..70, max in 0_u64..40, asked in 0_i64..60, hour in 0_u32..24,
    ) {
        let quota = format!(
            r#"{{"window": "{}", "max": {max}, "overage": "strict"}}"#, window.as_str()
        );
        let terms = terms(&format!("{days} days"), &quota);
        let start = format!("2025-11-20T{hour:02}:30:00Z");
        let estimate = of(&terms, "requests", asked, Some((&start, "2026-06-01T00:00:00Z")));
        let mut used = std::collections::BTreeMap::<Timestamp, u64>::new();
        for period in &estimate.periods {
            let mut passed = 0;
            let mut at = period.span.start;
            while at < period.span.end && passed < asked {
                let stretch = window.containing(at, period.span);
                let used = used.entry(stretch.start).or_default();
                while *used < max && passed < asked {
                    *used += 1;
                    passed += 1;
                }
                at = stretch.end;
            }
            prop_assert_eq!(period.total.minor(), passed);
        }
    }
}
