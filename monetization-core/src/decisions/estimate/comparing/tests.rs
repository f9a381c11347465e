use proptest::prelude::*;

use super::*;
use crate::estimate::tests::{any_usage, fixed, metered, requests, terms};

#[test]
fn the_quantity_is_found_at_which_another_plan_costs_less() {
    let (metered, flat) = (metered(r#""unit_price": "0.01""#, ""), fixed("25"));
    let pair = (&metered, &flat);
    let range = Range::of_interest(pair, &Usage::new(), requests().id).unwrap();
    assert_eq!(range.to.scaled(), 5_000);
    let comparison = compare(pair, &Usage::new(), range).unwrap();
    let [only] = comparison.break_even.as_slice() else {
        panic!("{:?}", comparison.break_even);
    };
    assert_eq!(only.at.quantity.scaled(), 2_500);
    assert_eq!(
        (only.at.first, only.cheaper_above),
        (only.at.second, Side::Second)
    );
}

#[test]
fn a_break_even_far_away_is_found_and_none_where_there_is_none() {
    let near = metered(r#""unit_price": "0.000001""#, "");
    let range = Range::of_interest((&near, &fixed("25")), &Usage::new(), requests().id).unwrap();
    // 24.995 is the first amount that rounds to 25.00.
    assert_eq!(range.to.scaled(), 2 * 24_995_000);
    let dearer = metered(r#""unit_price": "0.01""#, r#", "base_price": "30""#);
    let range = Range::of_interest((&dearer, &fixed("25")), &Usage::new(), requests().id).unwrap();
    assert_eq!(range.to.scaled(), 1_000);
    let comparison = compare((&dearer, &fixed("25")), &Usage::new(), range).unwrap();
    assert_eq!(comparison.break_even, []);
}

/// Widening went on until an amount did not fit, and no range was found at all.
#[test]
fn a_range_of_interest_ends_where_amounts_can_no_longer_be_told() {
    let dear = metered(r#""unit_price": "999999999""#, "");
    let dearer = metered(r#""unit_price": "999999999.5""#, r#", "base_price": "1""#);
    let range = Range::of_interest((&dear, &dearer), &Usage::new(), requests().id).unwrap();
    assert_eq!(range.to.scaled(), 1_000);
    // The last edge is dearer than can be told already.
    let tiers =
        r#""graduated": [{"up_to": "100000000", "unit_price": "999999999"}, {"unit_price": "1"}]"#;
    let edge = metered(tiers, "");
    let range = Range::of_interest((&edge, &dear), &Usage::new(), requests().id).unwrap();
    assert_eq!(range.to.scaled(), 20_000_000);
    let beyond = Range {
        to: Quantity::from_scaled(200_000_000),
        ..range
    };
    assert_eq!(
        compare((&edge, &dear), &Usage::new(), beyond)
            .unwrap_err()
            .to_string(),
        "range: what it comes to is too large: allowed is what costs at most 92233720368547758.07 USD"
    );
}

#[test]
fn plans_of_two_currencies_or_cycles_are_not_compared() {
    let yen =
        terms(r#"{"billing": "fixed", "currency": "JPY", "cycle": "month", "base_price": "1"}"#);
    let year =
        terms(r#"{"billing": "fixed", "currency": "USD", "cycle": "year", "base_price": "1"}"#);
    for (other, expected) in [(yen, "JPY"), (year, "year")] {
        let refused = Range::of_interest((&fixed("1"), &other), &Usage::new(), requests().id);
        let error = refused.unwrap_err().to_string();
        assert!(
            error.starts_with("compare: one plan is") && error.contains(expected),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn the_cheaper_plan_changes_where_it_is_said_and_not_before(
        first in any_usage(), second in any_usage(), base in 0_u32..30,
    ) {
        let first = metered(&first, &format!(r#", "base_price": "{base}""#));
        let second = metered(&second, "");
        let range = Range { meter: requests().id, from: Quantity::ZERO, to: Quantity::from_scaled(60) };
        let comparison = compare((&first, &second), &Usage::new(), range).unwrap();
        // Every unit of so short a range is a point: the changes are counted one by one.
        prop_assert_eq!(comparison.points.len(), 61);
        let mut expected = Vec::new();
        let (mut side, mut from) = (None, 0);
        for point in &comparison.points {
            let cheaper = point.cheaper();
            if side.is_some() && cheaper.is_none_or(|now| Some(now) != side) && from < 0 {
                from = point.quantity.scaled();
            }
            let Some(now) = cheaper else { continue };
            if side.is_some_and(|before| before != now) {
                expected.push((from, now));
            }
            (side, from) = (Some(now), -1);
        }
        let found = comparison.break_even.iter();
        let found: Vec<_> = found.map(|it| (it.at.quantity.scaled(), it.cheaper_above)).collect();
        prop_assert_eq!(found, expected);
    }
}
