use proptest::prelude::*;

use super::*;
use crate::pricing::{Priced, price};
use crate::product::Meter;

pub(super) fn requests() -> Meter {
    Meter::requests(MeterId::derived(&[b"requests"])).unwrap()
}

pub(super) fn terms(draft: &str) -> PlanTerms {
    PlanTerms::new(serde_json::from_str(draft).unwrap(), &[requests()]).unwrap()
}

pub(super) fn metered(usage: &str, more: &str) -> PlanTerms {
    terms(&format!(
        r#"{{"billing": "metered", "currency": "USD", "cycle": "month",
            "usage": [{{"meter": "requests", {usage}}}] {more}}}"#
    ))
}

pub(super) fn fixed(price: &str) -> PlanTerms {
    terms(&format!(
        r#"{{"billing": "fixed", "currency": "USD", "cycle": "month", "base_price": "{price}"}}"#
    ))
}

fn used(quantity: i64) -> Usage {
    Usage::from([(requests().id, Quantity::from_scaled(quantity).into())])
}

fn of(terms: &PlanTerms, quantity: i64, span: Option<(&str, &str)>) -> Estimate {
    let span = span.map(|(start, end)| Span {
        start: start.parse().unwrap(),
        end: end.parse().unwrap(),
    });
    let used = used(quantity);
    estimate(&Question {
        terms,
        used: &used,
        span,
    })
    .unwrap()
}

/// The lines of a period as people read them.
fn told(period: &Period) -> Vec<String> {
    let mut told = Vec::new();
    for line in &period.lines {
        let (what, amount) = (&line.what, line.amount.amount());
        told.push(format!("{what} {amount}"));
        told.extend(line.reasons.iter().map(|reason| format!("  {reason}")));
    }
    told
}

#[test]
fn every_model_explains_its_amount_step_by_step() {
    let tiers = r#"[{"up_to": "500", "unit_price": "0.02"}, {"up_to": "5000", "unit_price": "0.01", "flat": "3"}, {"unit_price": "0.005"}]"#;
    let steps =
        r#"[{"up_to": "500", "price": "0"}, {"up_to": "5000", "price": "20"}, {"price": "90"}]"#;
    let table: [(String, &[&str]); 5] = [
        (
            r#""unit_price": "0.0123""#.to_owned(),
            &[
                "1234 x 0.0123 = 15.1782",
                "15.1782 rounded to the nearest, a half away from zero: 15.18",
            ],
        ),
        (
            format!(r#""graduated": {tiers}"#),
            &[
                "tier 1, up to 500: 500 x 0.02 = 10",
                "tier 2, above 500 up to 5000: 3 + 734 x 0.01 = 10.34",
            ],
        ),
        (
            format!(r#""volume": {tiers}"#),
            &["tier 2, above 500 up to 5000: 3 + all 1234 x 0.01 = 15.34"],
        ),
        (
            format!(r#""stairstep": {steps}"#),
            &["step 2, above 500 up to 5000: 20 for any quantity of it"],
        ),
        (
            r#""package": {"size": "100", "price": "1.50"}"#.to_owned(),
            &["13 x 1.50 for 1234 in packages of 100 = 19.5"],
        ),
    ];
    for (usage, expected) in table {
        let estimate = of(&metered(&usage, ""), 1_234, None);
        let reasons = estimate.periods[0].lines[0].reasons.iter();
        assert_eq!(
            reasons.map(ToString::to_string).collect::<Vec<_>>(),
            expected,
            "{usage}"
        );
    }
}

#[test]
fn setup_base_price_and_commitments_are_lines_with_reasons() {
    let more = r#", "base_price": "10", "setup_fee": "5", "commitment": {"minimum": "20"}"#;
    let estimate = of(
        &metered(r#""unit_price": "0.01", "included": "1000""#, more),
        1_200,
        None,
    );
    assert_eq!(
        told(&estimate.periods[0]),
        [
            "setup 5.00",
            "  once, with the first period",
            "base price 10.00",
            "  for each month, whatever is used",
            "requests 2.00",
            "  1200 used, 1000 included: 200 to pay",
            "  200 x 0.01 = 2",
            "minimum for all use 18.00",
            "  2.00 is less than the 20.00 committed to",
        ]
    );
    assert_eq!(estimate.total.to_string(), "35.00 USD");
}

#[test]
fn each_period_of_a_span_has_its_use_and_the_last_is_cut() {
    let more = r#", "base_price": "10", "setup_fee": "5", "commitment": {"minimum": "31"}"#;
    let terms = metered(r#""unit_price": "0.01""#, more);
    let span = Some(("2026-01-01T00:00:00Z", "2026-03-11T00:00:00Z"));
    let estimate = of(&terms, 100, span);
    let totals: Vec<String> = estimate
        .periods
        .iter()
        .map(|it| it.total.amount())
        .collect();
    // 5 + 10 + 31, 10 + 31, and 10 + 31 for 10 days of March's 31.
    assert_eq!(totals, ["46.00", "41.00", "20.00"]);
    assert_eq!(estimate.total.amount(), "107.00");
    let last = told(&estimate.periods[2]);
    assert_eq!(
        last[1],
        "  for each month, whatever is used, and whole though this one ends early"
    );
    assert_eq!(
        last[5],
        "  1.00 is less than the 10.00 committed to (31.00 in a whole period, less for one that ends early)"
    );
}

#[test]
fn spans_that_make_no_sense_are_refused() {
    let terms = fixed("1");
    for (start, end, expected) in [
        (
            "2026-01-02T00:00:00Z",
            "2026-01-02T00:00:00Z",
            "is not after",
        ),
        (
            "2026-01-02T00:00:00Z",
            "2026-01-01T00:00:00Z",
            "is not after",
        ),
        (
            "2000-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z",
            "more than 120",
        ),
    ] {
        let span = Some(Span {
            start: start.parse().unwrap(),
            end: end.parse().unwrap(),
        });
        let used = used(1);
        let question = Question {
            terms: &terms,
            used: &used,
            span,
        };
        let error = estimate(&question).unwrap_err().to_string();
        assert!(
            error.starts_with("to: ") && error.contains(expected),
            "{error}"
        );
    }
}

#[test]
fn an_amount_that_is_too_large_is_told_by_field_with_what_is_allowed() {
    let terms = metered(r#""unit_price": "100000""#, "");
    let of = |quantity: i64, span| {
        let used = used(quantity);
        let question = Question {
            terms: &terms,
            used: &used,
            span,
        };
        estimate(&question).unwrap_err().to_string()
    };
    let allowed =
        "what it comes to is too large: allowed is what costs at most 92233720368547758.07 USD";
    assert_eq!(of(999_999_999_999_999, None), format!("usage: {allowed}"));
    let year = Span {
        start: "2026-01-01T00:00:00Z".parse().unwrap(),
        end: "2027-01-01T00:00:00Z".parse().unwrap(),
    };
    assert_eq!(of(100_000_000_000, Some(year)), format!("to: {allowed}"));
}

/// Eight prices of a hundred tiers for ten years were 96,000 reasons, more than a hundred megabytes.
#[test]
fn an_estimate_of_too_many_steps_is_refused_with_how_many_periods_are_allowed() {
    let tiers: Vec<String> = (1..100)
        .map(|place| format!(r#"{{"up_to": "{place}", "unit_price": "1"}}"#))
        .collect();
    let usage = format!(r#""graduated": [{}, {{"flat": "1"}}]"#, tiers.join(","));
    let terms = metered(&usage, "");
    let until = |end: &str| {
        let used = used(1_000);
        let span = Some(Span {
            start: "2026-01-01T00:00:00Z".parse().unwrap(),
            end: end.parse().unwrap(),
        });
        estimate(&Question {
            terms: &terms,
            used: &used,
            span,
        })
    };
    let told = until("2030-03-01T00:00:00Z").unwrap();
    let reasons = told.periods.iter().map(|it| it.lines[0].reasons.len());
    assert_eq!(reasons.sum::<usize>(), STEPS_MAX);
    assert_eq!(
        until("2030-03-02T00:00:00Z").unwrap_err().to_string(),
        "to: 51 billing periods of 100 tiers are too much: allowed is an end within 50 periods"
    );
}

#[test]
fn what_a_plan_refuses_costs_nothing_and_is_said() {
    let strict = metered(
        r#""unit_price": "0.01", "included": "1000", "overage": "strict""#,
        "",
    );
    let quota = metered(
        r#""unit_price": "0.01""#,
        r#", "quotas": [{"window": "period", "max": 1000, "overage": "strict"}]"#,
    );
    for (terms, amount) in [(strict, "0.00"), (quota, "10.00")] {
        let estimate = of(&terms, 1_500, None);
        assert_eq!(estimate.total.amount(), amount);
        assert_eq!(
            estimate.periods[0].lines[0].reasons[0].to_string(),
            "1500 asked for, 1000 let through: the plan refuses the rest"
        );
    }
}

#[test]
fn a_free_plan_has_no_lines() {
    let free = terms(r#"{"billing": "free", "currency": "JPY", "cycle": "day"}"#);
    let estimate = of(&free, 10, None);
    assert_eq!(estimate.periods[0].lines, []);
    assert_eq!(estimate.total.to_string(), "0 JPY");
}

pub(super) fn any_usage() -> impl Strategy<Value = String> {
    let bound = 1_i64..50;
    prop_oneof![
        (0_u32..10_000).prop_map(|price| format!(r#""unit_price": "0.{price:04}""#)),
        (1_i64..50, 0_u32..50).prop_map(|(size, price)| format!(
            r#""package": {{"size": "{size}", "price": "{price}"}}"#
        )),
        (bound.clone(), 0_u32..100, 0_u32..100, prop::bool::ANY).prop_map(
            |(bound, first, second, is_volume)| {
                let model = if is_volume { "volume" } else { "graduated" };
                format!(
                    r#""{model}": [{{"up_to": "{bound}", "unit_price": "0.{first:03}"}}, {{"unit_price": "0.{second:03}", "flat": "1"}}]"#
                )
            }
        ),
        (bound, 0_u32..100, 0_u32..100).prop_map(|(bound, first, second)| format!(
            r#""stairstep": [{{"up_to": "{bound}", "price": "{first}"}}, {{"price": "{second}"}}]"#
        )),
    ]
}

proptest! {
    #[test]
    fn an_estimate_is_the_price_rounded_once_and_its_lines_add_up_r_v4(
        usage in any_usage(), quantity in 0_i64..200, included in 0_i64..20,
    ) {
        let terms = metered(&format!(r#"{usage}, "included": "{included}""#), r#", "base_price": "3""#);
        let estimate = of(&terms, quantity, None);
        let priced = &terms.usage()[0];
        let by = Priced { by: &priced.price, scale: priced.meter.scale, zero_use: priced.zero_use };
        let charged = Quantity::from_scaled((quantity - included).max(0));
        let expected = price(&by, charged).unwrap();
        let expected = expected.round(terms.currency(), terms.rounding()).unwrap();
        let period = &estimate.periods[0];
        prop_assert_eq!(period.lines[1].amount, expected);
        let sum = Money::sum(terms.currency(), period.lines.iter().map(|line| line.amount)).unwrap();
        prop_assert_eq!(sum, estimate.total);
    }
}
