use std::num::NonZeroU64;

use proptest::prelude::*;

use super::*;
use crate::estimate::{Estimate, Question, Range, compare, estimate};
use crate::ids::{MeterId, TypedId};
use crate::money::Money;
use crate::product::{Meter, MeterDraft, Unit};

fn sales() -> Meter {
    let mut draft = MeterDraft::new("sales".parse().unwrap());
    draft.unit = Unit::Amount;
    draft.check(MeterId::derived(&[b"sales"])).unwrap()
}

fn terms(percentage: &str) -> PlanTerms {
    let draft = format!(
        r#"{{"billing": "metered", "currency": "USD", "cycle": "month",
            "usage": [{{"meter": "sales", "percentage": {percentage}}}]}}"#
    );
    PlanTerms::new(serde_json::from_str(&draft).unwrap(), &[sales()]).unwrap()
}

fn of(
    terms: &PlanTerms,
    amount: i64,
    transactions: Option<u64>,
) -> Result<Estimate, EstimateError> {
    let asked = Asked {
        quantity: Quantity::from_scaled(amount),
        transactions: transactions.and_then(NonZeroU64::new),
    };
    let used = Usage::from([(sales().id, asked)]);
    estimate(&Question {
        terms,
        used: &used,
        span: None,
    })
}

const BOUNDED: &str = r#"{"rate": "2.9", "fee": "0.30", "maximum": "12"}"#;
const FREE: &str = r#"{"rate": "2.9", "fee": "0.30", "maximum": "12", "free_events": 1}"#;
const LEAST: &str = r#"{"rate": "1", "minimum": "0.5", "free_events": 2}"#;

/// A percentage, an amount, its transactions, what they cost and why.
const CHARGED: [(&str, i64, u64, &str, &[&str]); 7] = [
    (
        BOUNDED,
        1_000_000,
        10_000,
        "32000.00",
        &["10000 x 3.2 = 32000, each 2.9 % of 100 and 0.30"],
    ),
    (
        BOUNDED,
        1_000_000,
        100,
        "1200.00",
        &["100 x 12 = 1200, each 2.9 % of 10000 and 0.30, at most 12"],
    ),
    (
        FREE,
        1_000_000,
        10_000,
        "31996.80",
        &[
            "1 of 10000 transactions free: 9999 to pay",
            "9999 x 3.2 = 31996.8, each 2.9 % of 100 and 0.30",
        ],
    ),
    (
        FREE,
        1_000_000,
        1,
        "0.00",
        &["1 of 1 transactions free: 0 to pay"],
    ),
    (
        LEAST,
        100,
        7,
        "2.50",
        &[
            "2 of 7 transactions free: 5 to pay",
            "5 x 0.5 = 2.5, each 1 % of 14, at least 0.5",
        ],
    ),
    (
        r#"{"rate": "10", "fee": "1", "free_events": 1}"#,
        101,
        4,
        "10.50",
        &[
            "1 of 4 transactions free: 3 to pay",
            "3 x 3.5 = 10.5, each 10 % of 25 and 1",
        ],
    ),
    (
        r#"{"rate": "10", "fee": "1"}"#,
        103,
        4,
        "14.30",
        &[
            "3 x 3.6 = 10.8, each 10 % of 26 and 1",
            "1 x 3.5 = 3.5, each 10 % of 25 and 1",
        ],
    ),
];

/// An amount was taken for one transaction: 10,000 sales came to the most that one of them costs.
#[test]
fn each_of_many_transactions_has_its_fee_and_its_bounds_and_some_are_free() {
    for (percentage, amount, transactions, total, reasons) in CHARGED {
        let estimate = of(&terms(percentage), amount, Some(transactions)).unwrap();
        assert_eq!(estimate.total.amount(), total, "{percentage}");
        let told = estimate.periods[0].lines[0].reasons.iter();
        let told: Vec<String> = told.map(ToString::to_string).collect();
        assert_eq!(told, reasons, "{percentage}");
    }
}

#[test]
fn an_amount_alone_is_enough_where_transactions_have_no_price_of_their_own() {
    let estimate = of(&terms(r#"{"rate": "2.9"}"#), 1_000_000, None).unwrap();
    let line = &estimate.periods[0].lines[0];
    assert_eq!(line.reasons[0].to_string(), "2.9 % of 1000000 = 29000");
    assert_eq!(estimate.total.amount(), "29000.00");
}

#[test]
fn how_many_transactions_there_are_has_to_be_said_where_it_matters() {
    for percentage in [
        r#"{"rate": "1", "fee": "0.1"}"#,
        r#"{"rate": "1", "minimum": "0.1"}"#,
        r#"{"rate": "1", "maximum": "0.1"}"#,
        r#"{"rate": "1", "free_events": 1}"#,
    ] {
        let terms = terms(percentage);
        let missing = EstimateError::Transactions {
            meter: "sales".parse().unwrap(),
        };
        assert_eq!(of(&terms, 5, None), Err(missing), "{percentage}");
        assert_eq!(of(&terms, 0, None).unwrap().total.minor(), 0);
        let range = Range {
            meter: sales().id,
            from: Quantity::ZERO,
            to: Quantity::from_scaled(100),
        };
        let error = compare((&terms, &terms), &Usage::new(), range).unwrap_err();
        let told = error.to_string();
        assert!(
            told.starts_with("range: sales is priced by the transaction"),
            "{told}"
        );
    }
}

proptest! {
    #[test]
    fn transactions_cost_what_they_cost_one_by_one(
        amount in 0_i64..5_000, count in 1_u64..40, rate in 0_u32..1_000, fee in 0_u32..100,
        minimum in 0_u32..50, maximum in 50_u32..100, free in 0_u64..10,
    ) {
        let terms = terms(&format!(
            r#"{{"rate": "0.{rate:03}", "fee": "0.{fee:02}", "minimum": "0.{minimum:02}", "maximum": "0.{maximum:02}", "free_events": {free}}}"#
        ));
        let Price::Percentage(percentage) = terms.usage()[0].price else {
            panic!("{terms:?}");
        };
        let count_i64 = i64::try_from(count).unwrap();
        let (each, left) = (amount / count_i64, amount % count_i64);
        let mut amounts: Vec<i64> = (0..count_i64).map(|place| each + i64::from(place < left)).collect();
        prop_assert_eq!(amounts.iter().sum::<i64>(), amount);
        let paid = amounts.split_off(amounts.len().min(usize::try_from(free).unwrap()));
        let scaled: i64 = paid
            .into_iter()
            .map(|amount| percentage.charge(Scale::WHOLE, Quantity::from_scaled(amount)).unwrap().scaled())
            .sum();
        let cent = 10_i64.pow(u32::from(Percentage::SCALE.decimals()) - 2);
        let cents = (scaled + cent / 2) / cent;
        let estimate = of(&terms, amount, Some(count)).unwrap();
        prop_assert_eq!(estimate.total, Money::new(cents, terms.currency()));
    }
}
