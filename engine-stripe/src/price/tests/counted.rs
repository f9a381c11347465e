//! What Stripe would write on its lines, counted unit by unit, is what core rounds once.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::*;

/// Amounts are counted in millionths of a millionth of the minor unit.
const ONE: i128 = 1_000_000_000_000;

fn fine(amount: Decimal) -> i128 {
    let decimals = 12 - amount.scale();
    amount.mantissa() * 10_i128.pow(decimals)
}

/// A line is rounded half up.
fn line(amount: i128) -> i64 {
    i64::try_from((amount + ONE / 2).div_euclid(ONE)).unwrap()
}

/// As Stripe's documentation describes its models: a line for the units of each tier, one for its fee.
fn stripe(shape: &Shape, units: i64) -> i64 {
    match shape {
        Shape::Unit(unit) => line((0..units).map(|_| fine(*unit)).sum()),
        Shape::Package {
            price,
            size,
            rounded_up,
        } => {
            let full = (1..=units).filter(|unit| unit % size == 0).count();
            let begun = full + usize::from(units % size != 0);
            let packages = if *rounded_up { begun } else { full };
            line((0..packages).map(|_| fine(*price)).sum())
        }
        Shape::Tiered { mode, tiers } => {
            let holds = |tier: &StripeTier, unit: i64| tier.up_to.is_none_or(|up_to| unit <= up_to);
            let place = |unit: i64| tiers.iter().position(|tier| holds(tier, unit)).unwrap();
            let last = place(units);
            let mut of_units = vec![0_i128; tiers.len()];
            for unit in 1..=units {
                let place = if *mode == Mode::Volume {
                    last
                } else {
                    place(unit)
                };
                of_units[place] += fine(tiers[place].unit);
            }
            let entered = |at: &usize| *at == last || (*mode == Mode::Graduated && *at < last);
            let fees = (0..tiers.len())
                .filter(entered)
                .map(|at| line(fine(tiers[at].flat)));
            of_units.into_iter().map(line).sum::<i64>() + fees.sum::<i64>()
        }
    }
}

fn core(terms: &PlanTerms, units: i64) -> i64 {
    let usage = &terms.usage()[0];
    let by = Priced {
        by: &usage.price,
        scale: usage.meter.scale,
        zero_use: usage.zero_use,
    };
    let charged = Quantity::from_scaled(units).above(usage.included);
    let exact = pricing::price(&by, charged).unwrap();
    exact
        .round(terms.currency(), terms.rounding())
        .unwrap()
        .minor()
}

/// Cents mostly, sometimes parts of them.
fn price() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0_u32..300).prop_map(|cents| format!("{}.{:02}", cents / 100, cents % 100)),
        1 => (0_u32..30_000).prop_map(|parts| format!("0.{parts:05}")),
    ]
}

fn tiers() -> impl Strategy<Value = Vec<TierDraft>> {
    let rows = prop::collection::vec((1_i64..30, price(), price()), 1..5);
    rows.prop_map(|rows| {
        let last = rows.len() - 1;
        let mut top = 0;
        let tiers = rows
            .into_iter()
            .enumerate()
            .map(|(place, (width, unit, flat))| {
                top += width;
                tier((place < last).then_some(top), &unit, &flat)
            });
        tiers.collect()
    })
}

fn usage() -> impl Strategy<Value = UsageDraft> {
    let step_of = |tier: TierDraft| StepDraft {
        up_to: tier.up_to,
        price: tier.flat.unwrap(),
    };
    let partial = prop_oneof![Just(PartialPackage::Charged), Just(PartialPackage::Free)];
    let models = prop_oneof![
        price().prop_map(|price| per_unit(&price)),
        tiers().prop_map(|tiers| UsageDraft {
            graduated: Some(tiers),
            ..unpriced()
        }),
        tiers().prop_map(|tiers| UsageDraft {
            volume: Some(tiers),
            ..unpriced()
        }),
        tiers().prop_map(move |tiers| UsageDraft {
            stairstep: Some(tiers.into_iter().map(step_of).collect()),
            ..unpriced()
        }),
        (1_i64..20, price(), partial).prop_map(|(size, price, partial)| package(
            &size.to_string(),
            &price,
            partial
        )),
    ];
    let zero_use = prop_oneof![Just(ZeroUse::Charged), Just(ZeroUse::Free)];
    let included = prop_oneof![Just(0_u32), 1_u32..20];
    (models, zero_use, included).prop_map(|(model, zero_use, included)| UsageDraft {
        zero_use,
        included: Some(included.to_string()),
        ..model
    })
}

fn rounding() -> impl Strategy<Value = Rounding> {
    prop_oneof![
        Just(Rounding::HalfAwayFromZero),
        Just(Rounding::HalfEven),
        Just(Rounding::Up),
        Just(Rounding::Down),
    ]
}

proptest! {
    #[test]
    fn what_stripe_bills_is_what_core_would_have_r_v5(
        usage in usage(),
        rounding in rounding(),
        units in 0_i64..150,
    ) {
        let mut draft = TermsDraft::new(Billing::Metered, "USD".parse().unwrap(), Cycle::MONTH);
        draft.usage = vec![usage];
        draft.rounding = rounding;
        let Ok(terms) = PlanTerms::new(draft, &[meter(Scale::WHOLE)]) else {
            return Ok(());
        };
        if let Ok(wanted) = wanted(&terms) {
            let shape = &wanted[0].shape;
            prop_assert_eq!(stripe(shape, units), core(&terms, units), "{:?}", shape);
        }
    }
}

/// The property is about as many plans as it seems to be about.
#[test]
fn most_plans_in_whole_cents_can_be_sold_through_stripe() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut sold = 0;
    for _ in 0..1_000 {
        let usage = usage().new_tree(&mut runner).unwrap().current();
        let mut draft = TermsDraft::new(Billing::Metered, "USD".parse().unwrap(), Cycle::MONTH);
        draft.usage = vec![usage];
        let terms = PlanTerms::new(draft, &[meter(Scale::WHOLE)]);
        sold += usize::from(terms.is_ok_and(|terms| wanted(&terms).is_ok()));
    }
    assert!(sold > 400, "{sold} of 1000");
}
