use num_bigint::BigInt;
use proptest::prelude::*;

use super::*;
use crate::ids::{PlanVersionId, SubscriptionId, TypedId};
use crate::invoice::Invoicing;
use crate::money::{Scale, UnitPrice};
use crate::plan::{Billing, Overage, TermsDraft, UsageDraft};
use crate::product::{Meter, Unit};

fn meter() -> Meter {
    Meter {
        id: MeterId::derived(&[b"requests"]),
        name: "requests".parse().unwrap(),
        unit: Unit::Requests,
        scale: Scale::WHOLE,
    }
}

fn metered(base: &str, unit_price: &str, included: u64) -> PlanTerms {
    let draft = TermsDraft {
        base_price: Some(base.to_owned()),
        usage: vec![UsageDraft {
            meter: "requests".parse().unwrap(),
            unit_price: unit_price.parse().unwrap(),
            included: Some(included.to_string()),
            overage: Overage::Loose,
        }],
        ..TermsDraft::new(
            Billing::Metered,
            "USD".parse().unwrap(),
            crate::period::Cycle::Month,
        )
    };
    PlanTerms::new(draft, &[meter()]).unwrap()
}

fn segment(number: u8) -> Segment {
    let micros = |n: i64| crate::clock::Timestamp::from_micros(n);
    let span = Span {
        start: micros(i64::from(number)),
        end: micros(i64::from(number) + 1),
    };
    Segment {
        id: SegmentId::derived(&[&[number]]),
        subscription: SubscriptionId::derived(&[b"s"]),
        version: PlanVersionId::derived(&[b"v"]),
        invoicing: Invoicing::ByCore,
        period_index: 0,
        period: span,
        span,
    }
}

fn lines(parts: &[(&PlanTerms, i64)]) -> Vec<Line> {
    let segments: Vec<SegmentUse<'_>> = parts
        .iter()
        .zip(0..)
        .map(|((terms, used), number)| SegmentUse {
            segment: segment(number),
            terms,
            used: Used::from([(meter().id, Quantity::from_scaled(*used))]),
        })
        .collect();
    usage_lines(&segments).unwrap()
}

fn cents(lines: &[Line]) -> i64 {
    lines.iter().map(|line| line.amount.minor()).sum()
}

#[test]
fn a_thousand_calls_at_a_cent_are_ten_and_none_are_nothing_b3() {
    let terms = metered("0", "0.01", 0);
    assert_eq!(cents(&lines(&[(&terms, 1_000)])), 1_000);
    let nothing = lines(&[(&terms, 0)]);
    assert_eq!((nothing.len(), cents(&nothing)), (1, 0));
}

#[test]
fn a_price_below_a_cent_is_rounded_once_for_the_line_b3() {
    assert_eq!(cents(&lines(&[(&metered("0", "0.0001", 0), 12_345)])), 123);
}

#[test]
fn included_units_are_free_and_the_rest_is_charged_b8() {
    let terms = metered("25", "0.01", 1_000);
    assert_eq!(cents(&lines(&[(&terms, 1_200)])), 200);
    assert_eq!(cents(&lines(&[(&terms, 1_000)])), 0);
    assert_eq!(cents(&lines(&[(&terms, 1_001)])), 1);
}

#[test]
fn a_period_split_by_a_plan_change_includes_its_units_once() {
    let terms = metered("25", "0.01", 1_000);
    assert_eq!(cents(&lines(&[(&terms, 700), (&terms, 500)])), 200);
    let richer = metered("25", "0.01", 1_100);
    assert_eq!(cents(&lines(&[(&terms, 700), (&richer, 500)])), 100);
}

#[test]
fn late_use_of_a_meter_without_a_price_has_no_line() {
    let terms = metered("0", "1", 0);
    let late = LateUse {
        origin: segment(0).id,
        terms: &terms,
        meter: MeterId::derived(&[b"other"]),
        before: Quantity::ZERO,
        billed: Quantity::ZERO,
        late: Quantity::from_scaled(1),
    };
    assert_eq!(late_line(&late), Ok(None));
}

/// Unit by unit: each is either included or adds its price, in twelfths of a decimal.
fn naive(units: u64, included: u64, price: u64, decimals: u32) -> BigInt {
    let mut sum = BigInt::ZERO;
    for unit in 1..=units {
        if unit > included {
            sum += price;
        }
    }
    // Half away from zero, to cents.
    let scale = BigInt::from(10).pow(decimals);
    let tenfold: BigInt = sum * 100 * 2 + &scale;
    tenfold / (scale * 2)
}

proptest! {
    #[test]
    fn a_segment_costs_what_a_count_unit_by_unit_says(
        used in 0_u64..3_000, included in 0_u64..2_000, price in 0_u64..100_000, decimals in 0_u32..6,
    ) {
        let whole = price / 10_u64.pow(decimals);
        let text = match decimals {
            0 => whole.to_string(),
            _ => format!("{whole}.{:0width$}", price % 10_u64.pow(decimals), width = decimals as usize),
        };
        let terms = metered("0", &text, included);
        let lines = lines(&[(&terms, i64::try_from(used).unwrap())]);
        prop_assert_eq!(BigInt::from(cents(&lines)), naive(used, included, price, decimals));
    }

    #[test]
    fn lines_add_up_to_the_total(parts in prop::collection::vec(0_i64..10_000, 1..5), included in 0_u64..5_000) {
        let terms = metered("9.99", "0.00333", included);
        let parts: Vec<(&PlanTerms, i64)> = parts.iter().map(|used| (&terms, *used)).collect();
        let lines = lines(&parts);
        prop_assert_eq!(total(&terms, &lines).unwrap().minor(), cents(&lines));
    }

    #[test]
    fn late_use_costs_what_it_would_have_added(
        own in 0_i64..5_000, first in 0_i64..500, second in 0_i64..500, included in 0_u64..5_000,
    ) {
        let terms = metered("0", "0.0137", included);
        let late = |billed: i64, late: i64| LateUse {
            origin: segment(0).id,
            terms: &terms,
            meter: meter().id,
            before: Quantity::ZERO,
            billed: Quantity::from_scaled(billed),
            late: Quantity::from_scaled(late),
        };
        let paid = late_line(&late(own, first)).unwrap().unwrap().amount.minor()
            + late_line(&late(own + first, second)).unwrap().unwrap().amount.minor();
        let at_once = cents(&lines(&[(&terms, own + first + second)])) - cents(&lines(&[(&terms, own)]));
        prop_assert_eq!(paid, at_once);
    }

    #[test]
    fn amounts_too_large_are_an_error(used in 1_000_000_000_000_000_i64..i64::MAX) {
        let terms = metered("0", "999999999.999999999999", 0);
        let price: UnitPrice = "999999999.999999999999".parse().unwrap();
        let direct = price.times(Quantity::from_scaled(used), Scale::WHOLE, terms.currency(), terms.rounding());
        prop_assert_eq!(direct, Err(MoneyError::Overflow));
    }
}
