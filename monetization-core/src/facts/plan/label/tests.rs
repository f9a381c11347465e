use crate::ids::{MeterId, TypedId};
use crate::plan::{Countable, PlanTerms};
use crate::product::{Meter, MeterDraft, Resource, Unit};

fn label(draft: &str) -> String {
    let id = |name: &str| MeterId::derived(&[name.as_bytes()]);
    let mut sales = MeterDraft::new("sales".parse().unwrap());
    sales.unit = Unit::Amount;
    let meters = [
        Meter::requests(id(Meter::REQUESTS)).unwrap(),
        sales.check(id("sales")).unwrap(),
    ];
    let search =
        r#"{"identifier": "search", "method": "GET", "path": "/search", "name": "Search"}"#;
    let resources: [Resource; 1] = [serde_json::from_str(search).unwrap()];
    let of = Countable {
        meters: &meters,
        resources: &resources,
    };
    PlanTerms::new(serde_json::from_str(draft).unwrap(), of)
        .unwrap()
        .label()
}

fn usage(price: &str) -> String {
    label(&format!(
        r#"{{"billing": "metered", "currency": "USD", "cycle": "month", "usage": [{{{price}}}]}}"#
    ))
}

/// Flat fees, packages of tiers and bounds were left out, and strict plans told a price beyond their units.
#[test]
fn labels_tell_of_every_kind_of_price() {
    let table = [
        (r#""unit_price": "0.01""#, "0.01 USD per request"),
        (
            r#""unit_price": "0.01", "included": "1000""#,
            "0.01 USD per request after 1000",
        ),
        (
            r#""unit_price": "0.01", "included": "1000", "overage": "strict""#,
            "1000 requests included",
        ),
        (
            r#""graduated": [{"up_to": "5", "unit_price": "1"}, {"unit_price": "0.5"}], "included": "5""#,
            "0.5 to 1 USD per request after 5, by tier",
        ),
        (
            r#""volume": [{"up_to": "5", "unit_price": "1"}, {"unit_price": "0.5"}]"#,
            "0.5 to 1 USD per request, by volume",
        ),
        (
            r#""graduated": [{"up_to": "5", "unit_price": "5", "package": "100"}, {"unit_price": "0.5", "flat": "3"}]"#,
            "0.5 USD per request or 5 USD per 100 requests, by tier with flat fees of 0 to 3 USD",
        ),
        (
            r#""volume": [{"unit_price": "5", "package": "100"}]"#,
            "5 USD per 100 requests",
        ),
        (
            r#""stairstep": [{"up_to": "9", "price": "30"}, {"price": "100"}]"#,
            "30 to 100 USD for requests, by step",
        ),
        (
            r#""package": {"size": "10", "price": "1"}, "included": "5""#,
            "1 USD per 10 requests after 5",
        ),
        (
            r#""unit_price": "0.01", "commitment": {"minimum": "5", "maximum": "50"}"#,
            "0.01 USD per request, at least 5.00 USD and at most 50.00 USD in all",
        ),
    ];
    for (price, label) in table {
        assert_eq!(usage(&format!(r#""meter": "requests", {price}"#)), label);
    }
}

#[test]
fn labels_of_percentages_tell_fee_bounds_and_what_is_free() {
    let of = |price: &str| usage(&format!(r#""meter": "sales", "percentage": {{{price}}}"#));
    assert_eq!(of(r#""rate": "2.9""#), "2.9 % of sales");
    assert_eq!(
        of(r#""rate": "2.9", "fee": "0.30", "minimum": "0.50", "maximum": "12", "free_events": 3"#),
        "2.9 % of sales and 0.30 USD, at least 0.50 USD, at most 12 USD each, the first 3 free"
    );
}

#[test]
fn labels_of_plans_tell_commitments_bundles_and_that_there_is_no_price() {
    let of = |billing: &str, more: &str| {
        label(&format!(
            r#"{{"billing": "{billing}", "currency": "USD", "cycle": "month" {more}}}"#
        ))
    };
    let usage = r#", "usage": [{"meter": "requests", "unit_price": "0.01"}], "commitment": {"minimum": "20"}"#;
    let bundle = |name: &str| {
        format!(r#"{{"name": "{name}", "resource": "search", "calls": 100, "price": "10"}}"#)
    };
    let (one, two) = (bundle("one"), bundle("two"));
    assert_eq!(of("free", ""), "free");
    assert_eq!(of("fixed", ""), "0.00 USD per month");
    assert_eq!(of("fixed", r#", "setup_fee": "3""#), "3.00 USD once");
    let tried = |days: u16| {
        of(
            "fixed",
            &format!(r#", "base_price": "1", "trial": {{"days": {days}}}"#),
        )
    };
    assert_eq!(tried(1), "1.00 USD per month; the first day is free");
    assert_eq!(tried(14), "1.00 USD per month; the first 14 days are free");
    assert_eq!(
        of("metered", usage),
        "0.01 USD per request; use is at least 20.00 USD"
    );
    assert_eq!(
        of(
            "fixed",
            &format!(r#", "base_price": "1", "bundles": [{one}]"#)
        ),
        "1.00 USD per month; 100 search in advance for 10.00 USD"
    );
    assert_eq!(
        of(
            "fixed",
            &format!(r#", "base_price": "1", "bundles": [{one}, {two}]"#)
        ),
        "1.00 USD per month; 2 bundles of calls in advance"
    );
}
