//! Base prices of a period that changes of plan cut in parts, against whole seconds counted by hand.

use super::*;
use crate::period::Proration;

/// The first period of [`SCHEDULE`] is a January.
const SECONDS: i64 = 31 * 86_400;

fn fixed(cents: i64, proration: Proration) -> PlanTerms {
    let draft = TermsDraft {
        base_price: Some(format!("{}.{:02}", cents / 100, cents % 100)),
        proration,
        ..TermsDraft::new(Billing::Fixed, "USD".parse().unwrap(), Cycle::MONTH)
    };
    PlanTerms::new(draft, &[]).unwrap()
}

/// What a period costs that begins with the first of these base prices and moves to each other one at
/// its second.
fn billed(first: i64, changes: &[(i64, i64)], proration: Proration) -> i64 {
    let mut before = fixed(first, proration);
    let mut total = first;
    for (second, cents) in changes {
        let after = fixed(*cents, proration);
        let at = crate::clock::Timestamp::from_secs(*second);
        let lines = change_lines((&before, &after), &SCHEDULE, (0, at)).unwrap();
        total += lines.iter().map(|line| line.amount.minor()).sum::<i64>();
        before = after;
    }
    total
}

#[test]
fn what_is_left_of_a_period_is_taken_back_and_charged_anew_c6() {
    let (small, large) = (
        fixed(3_100, Proration::ByDays),
        fixed(6_200, Proration::ByDays),
    );
    let at = "1970-01-11T17:00:00Z".parse().unwrap();
    let lines = change_lines((&small, &large), &SCHEDULE, (0, at)).unwrap();
    let told: Vec<(&str, i64)> = lines
        .iter()
        .map(|line| (line.description.as_str(), line.amount.minor()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "unused base price, 1970-01-11 to 1970-02-01, 21 of 31 days",
                -2_100
            ),
            ("base price, 1970-01-11 to 1970-02-01, 21 of 31 days", 4_200),
        ]
    );
    let whole = fixed(6_200, Proration::None);
    let lines = change_lines((&small, &whole), &SCHEDULE, (0, at)).unwrap();
    assert_eq!((lines.len(), lines[0].amount.minor()), (1, -2_100));
}

proptest! {
    /// However often plans change, what is paid lies within a minor unit for each change of what its
    /// seconds cost, and a price that stays the same is paid once.
    #[test]
    fn a_period_costs_what_its_parts_cost_however_often_its_plan_changes_r_t7(
        first in 0_i64..100_000, stays in prop::bool::ANY, by_days in prop::bool::ANY,
        changes in prop::collection::btree_map(1..SECONDS, 0_i64..100_000, 0..=10),
    ) {
        let proration = if by_days { Proration::ByDays } else { Proration::PerSecond };
        let unit = if by_days { 86_400 } else { 1 };
        let changes: Vec<(i64, i64)> = changes
            .into_iter()
            .map(|(second, cents)| (second, if stays { first } else { cents }))
            .collect();
        let total = billed(first, &changes, proration);
        if stays {
            prop_assert_eq!(total, first);
        }
        let whole = SECONDS / unit;
        let (mut exact, mut since, mut price) = (BigInt::from(0), 0, first);
        for (second, cents) in changes.iter().copied().chain([(SECONDS, 0)]) {
            // The day in which a change lies is that of the new plan.
            let until = second / unit;
            exact += BigInt::from(price) * (until - since);
            (since, price) = (until, cents);
        }
        let difference = BigInt::from(total) * whole - exact;
        let bound = BigInt::from(whole) * changes.len();
        prop_assert!(difference <= bound && difference >= -bound, "{} {:?}", total, changes);
    }
}
