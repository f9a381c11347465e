use num_bigint::BigInt;
use proptest::prelude::*;

use super::*;
use crate::ids::{PlanVersionId, SegmentId, SubscriptionId, TypedId};
use crate::invoice::{CommitmentBound, Invoicing};
use crate::money::{Scale, UnitPrice};
use crate::period::Cycle;
use crate::plan::{Billing, TermsDraft, UsageDraft};
use crate::product::Meter;

mod changes;
mod prorated;

static SCHEDULE: Schedule = Schedule::new(crate::clock::Timestamp::EPOCH, Cycle::MONTH);

fn meter() -> Meter {
    Meter::requests(MeterId::derived(&[b"requests"])).unwrap()
}

fn metered(base: &str, unit_price: &str, included: u64) -> PlanTerms {
    let draft = TermsDraft {
        base_price: Some(base.to_owned()),
        usage: vec![UsageDraft {
            included: Some(included.to_string()),
            ..UsageDraft::per_unit("requests".parse().unwrap(), unit_price.parse().unwrap())
        }],
        ..TermsDraft::new(Billing::Metered, "USD".parse().unwrap(), Cycle::MONTH)
    };
    PlanTerms::new(draft, &[meter()]).unwrap()
}

/// One of `count` segments of a period.
fn segment(number: usize, count: usize) -> Segment {
    let instant = |n: usize| crate::clock::Timestamp::from_micros(i64::try_from(n).unwrap());
    let span = Span {
        start: instant(number),
        end: instant(number + 1),
    };
    let period = Span {
        start: instant(0),
        end: instant(count),
    };
    Segment {
        id: SegmentId::derived(&[&number.to_be_bytes()]),
        subscription: SubscriptionId::derived(&[b"s"]),
        version: PlanVersionId::derived(&[b"v"]),
        invoicing: Invoicing::ByCore,
        period_index: 0,
        period,
        span,
    }
}

fn uses<'a>(parts: &[(&'a PlanTerms, i64)]) -> Vec<SegmentUse<'a>> {
    let segments = parts.iter().enumerate();
    let segments = segments.map(|(number, (terms, used))| SegmentUse {
        segment: segment(number, parts.len()),
        schedule: &SCHEDULE,
        terms,
        used: used_of(*used),
    });
    segments.collect()
}

fn used_of(quantity: i64) -> Used {
    Used::from([(meter().id, Quantity::from_scaled(quantity))])
}

fn lines(parts: &[(&PlanTerms, i64)]) -> Vec<Line> {
    usage_lines(&uses(parts)).unwrap()
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

/// What came late for the only segment of a period that was billed `billed`.
fn late(terms: &PlanTerms, meter: MeterId, (billed, late): (i64, i64)) -> Vec<Line> {
    let used = |quantity| Used::from([(meter, Quantity::from_scaled(quantity))]);
    let billed = SegmentUse {
        segment: segment(0, 1),
        schedule: &SCHEDULE,
        terms,
        used: used(billed),
    };
    let late = used(late);
    late_lines(&[LateUse { billed, late }]).unwrap()
}

#[test]
fn late_use_of_a_meter_without_a_price_has_no_line() {
    let terms = metered("0", "1", 0);
    assert_eq!(late(&terms, MeterId::derived(&[b"other"]), (0, 1)), []);
}

/// Terms of a metered plan with this price of its requests.
fn priced(usage: &str) -> PlanTerms {
    let draft = format!(
        r#"{{"billing":"metered","currency":"USD","cycle":"month","usage":[{{"meter":"requests",{usage}}}]}}"#
    );
    PlanTerms::new(serde_json::from_str(&draft).unwrap(), &[meter()]).unwrap()
}

/// The bound of each commitment's line, and its cents.
fn committed(lines: &[Line]) -> Vec<(CommitmentBound, i64)> {
    let committed = lines.iter().filter_map(|line| match &line.item {
        LineItem::Commitment(commitment) => Some((commitment.bound, line.amount.minor())),
        _ => None,
    });
    committed.collect()
}

#[test]
fn less_use_than_committed_to_is_filled_up_in_a_line_of_its_own_b15() {
    let terms = priced(r#""unit_price":"1","commitment":{"minimum":"50","maximum":"80"}"#);
    let few = lines(&[(&terms, 12)]);
    assert_eq!((few.len(), cents(&few)), (2, 5_000));
    assert_eq!(committed(&few), [(CommitmentBound::Minimum, 3_800)]);
    let description = "minimum commitment of 50.00 USD for requests, 12.00 USD used";
    assert_eq!(few[1].description, description);
    for kept in [50, 51, 80] {
        assert_eq!(committed(&lines(&[(&terms, kept)])), [], "{kept}");
    }
    assert_eq!(
        committed(&lines(&[(&terms, 49)])),
        [(CommitmentBound::Minimum, 100)]
    );
    assert_eq!(
        committed(&lines(&[(&terms, 81)])),
        [(CommitmentBound::Maximum, -100)]
    );
    let many = lines(&[(&terms, 100)]);
    assert_eq!(committed(&many), [(CommitmentBound::Maximum, -2_000)]);
    assert_eq!(cents(&many), 8_000);
}

#[test]
fn a_commitment_to_all_use_counts_what_meters_commit_to_b15() {
    let draft = r#"{"billing":"metered","currency":"USD","cycle":"month","commitment":{"minimum":"60"},
        "usage":[{"meter":"requests","unit_price":"1","commitment":{"minimum":"50"}}]}"#;
    let terms = PlanTerms::new(serde_json::from_str(draft).unwrap(), &[meter()]).unwrap();
    let lines = lines(&[(&terms, 12)]);
    let filled_up = [
        (CommitmentBound::Minimum, 3_800),
        (CommitmentBound::Minimum, 1_000),
    ];
    assert_eq!(committed(&lines), filled_up);
}

#[test]
fn a_commitment_is_for_the_whole_period_and_shrinks_with_it_b15() {
    let commitment = |short: &str| {
        priced(&format!(
            r#""unit_price":"1","commitment":{{"minimum":"50","short_period":"{short}"}}"#
        ))
    };
    let (prorated, whole) = (commitment("prorated"), commitment("whole"));
    let ended_early = |terms| {
        let mut uses = uses(&[(terms, 10), (terms, 0)]);
        uses.truncate(1);
        cents(&usage_lines(&uses).unwrap())
    };
    assert_eq!(
        [ended_early(&prorated), ended_early(&whole)],
        [2_500, 5_000]
    );
    // A change of plan within the period: what is in force at its end is committed to.
    let free = metered("0", "1", 0);
    assert_eq!(cents(&lines(&[(&free, 10), (&prorated, 5)])), 5_000);
    assert_eq!(cents(&lines(&[(&prorated, 10), (&free, 5)])), 1_500);
}

#[test]
fn a_first_period_that_is_short_is_committed_to_for_its_share_b15() {
    let commitment = r#""unit_price":"1","commitment":{"minimum":"62"}"#;
    let terms = priced(commitment);
    let schedule = Schedule {
        alignment: "calendar".parse().unwrap(),
        ..Schedule::new("2026-01-25T00:00:00Z".parse().unwrap(), Cycle::MONTH)
    };
    let used = |index: u32| {
        let period = schedule.period(index).unwrap();
        let segment = Segment {
            period_index: index,
            period,
            span: period,
            ..segment(0, 1)
        };
        let uses = [SegmentUse {
            segment,
            schedule: &schedule,
            terms: &terms,
            used: used_of(3),
        }];
        cents(&usage_lines(&uses).unwrap())
    };
    assert_eq!([used(0), used(1)], [1_400, 6_200]);
}

#[test]
fn a_base_price_for_a_share_of_a_cycle_is_rounded_once_and_says_the_share_b9() {
    let line = |alignment: &str, proration: &str, rounding: &str, anchor: &str| {
        let draft = serde_json::json!({
            "billing": "fixed", "currency": "USD", "cycle": "month", "base_price": "50",
            "alignment": alignment, "proration": proration, "rounding": rounding,
        });
        let terms = PlanTerms::new(serde_json::from_value(draft).unwrap(), &[]).unwrap();
        let schedule = Schedule {
            alignment: terms.alignment(),
            ..Schedule::new(anchor.parse().unwrap(), terms.cycle())
        };
        let base = |index| base_line(&terms, &schedule, index).unwrap().unwrap();
        assert_eq!(base(1).amount, terms.base_price());
        base(0)
    };
    let start = "2023-01-08T12:00:00Z";
    let by_days = line("calendar", "by_days", "half_away_from_zero", start);
    assert_eq!(by_days.amount.amount(), "38.71");
    let said = "base price, 2023-01-08 to 2023-02-01, 24 of 31 days";
    assert_eq!(by_days.description, said);
    let down = line("calendar", "by_days", "down", start);
    assert_eq!(down.amount.amount(), "38.70");
    // Half a day less.
    let per_second = line("calendar", "per_second", "half_away_from_zero", start);
    assert_eq!(per_second.amount.amount(), "37.90");
    for (alignment, proration) in [("calendar", "none"), ("start", "by_days")] {
        let whole = line(alignment, proration, "half_away_from_zero", start);
        assert_eq!(whole.amount.amount(), "50.00", "{alignment}, {proration}");
        assert!(matches!(whole.item, LineItem::Base { share: None, .. }));
    }
}

#[test]
fn late_use_below_the_commitment_costs_nothing_more_b15() {
    let terms = priced(r#""unit_price":"1","commitment":{"minimum":"50","maximum":"80"}"#);
    let id = meter().id;
    let within = late(&terms, id, (12, 30));
    let amounts: Vec<i64> = within.iter().map(|line| line.amount.minor()).collect();
    assert_eq!(amounts, [3_000, -3_000]);
    let over = late(&terms, id, (12, 60));
    assert_eq!((cents(&over), over[0].amount.minor()), (2_200, 6_000));
    assert_eq!(cents(&late(&terms, id, (100, 10))), 0);
}

/// R-V4: what a line says of itself is what it costs.
#[test]
fn a_line_shows_the_steps_of_its_price_and_what_is_taken_off() {
    let terms = priced(
        r#""included":"5","volume":[{"up_to":"10","unit_price":"2"},{"unit_price":"1","flat":"4"}]"#,
    );
    let lines = lines(&[(&terms, 12), (&terms, 8)]);
    let shown = lines.iter().map(|line| match &line.item {
        LineItem::Usage(usage) => {
            let part = usage.parts[0];
            let steps = (part.tier, part.quantity.scaled(), part.amount.to_string());
            (steps, usage.taken_off.minor(), line.amount.minor())
        }
        other => panic!("{other:?}"),
    });
    let first = ((0, 7, "14".to_owned()), 0, 1_400);
    let second = ((1, 15, "19".to_owned()), 1_400, 500);
    assert_eq!(shown.collect::<Vec<_>>(), [first, second]);
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
        let paid = cents(&late(&terms, meter().id, (own, first)))
            + cents(&late(&terms, meter().id, (own + first, second)));
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
