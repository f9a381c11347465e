use proptest::prelude::*;

use super::*;
use crate::money::UnitPrice;
use crate::plan::Step;

/// A table of tiers: upper bound, price of a unit, flat fee.
type Table<'a> = &'a [(Option<i64>, &'a str, &'a str)];

fn tiers(table: Table<'_>) -> Vec<Tier> {
    let tier = |(up_to, unit_price, flat): &(Option<i64>, &str, &str)| Tier {
        up_to: up_to.map(Quantity::from_scaled),
        unit_price: unit_price.parse().unwrap(),
        flat: flat.parse().unwrap(),
        package: None,
    };
    table.iter().map(tier).collect()
}

fn graduated(table: Table<'_>) -> Price {
    let tiers = tiers(table);
    Price::Graduated { tiers }
}

fn volume(table: Table<'_>) -> Price {
    let tiers = tiers(table);
    Price::Volume { tiers }
}

fn stairstep(table: &[(Option<i64>, &str)]) -> Price {
    let steps = table.iter().map(|(up_to, price)| Step {
        up_to: up_to.map(Quantity::from_scaled),
        price: price.parse().unwrap(),
    });
    Price::Stairstep {
        steps: steps.collect(),
    }
}

fn whole(by: &Price) -> Priced<'_> {
    Priced {
        by,
        scale: Scale::WHOLE,
        zero_use: ZeroUse::Charged,
    }
}

fn cost(by: &Price, units: i64) -> String {
    let cost = price(&whole(by), Quantity::from_scaled(units));
    cost.unwrap().to_string()
}

const THREE_TIERS: Table<'_> = &[
    (Some(500), "2", "0"),
    (Some(5_000), "1", "10"),
    (None, "0.5", "20"),
];
const FALLING: Table<'_> = &[
    (Some(1_000), "0.3", "0"),
    (Some(5_000), "0.2", "0"),
    (None, "0.1", "0"),
];

#[test]
fn graduated_tiers_charge_each_unit_in_its_own_b11_w1_w3_w4_w6() {
    assert_eq!(cost(&graduated(THREE_TIERS), 5_001), "5530.5");
    assert_eq!(cost(&graduated(FALLING), 6_000), "1200");
    let two = &[(Some(9), "5", "0"), (None, "3", "0")];
    assert_eq!(cost(&graduated(two), 15), "63");
    let bands = &[
        (Some(100), "2", "0"),
        (Some(200), "1.5", "0"),
        (None, "1", "0"),
    ];
    let costs = [50, 150, 250].map(|units| cost(&graduated(bands), units));
    assert_eq!(costs, ["100", "275", "400"]);
    let steep = &[
        (Some(1_000), "0.10", "0"),
        (Some(10_000), "0.05", "0"),
        (None, "0.01", "0"),
    ];
    assert_eq!(cost(&graduated(steep), 15_000), "600");
    assert_eq!(cost(&volume(steep), 15_000), "150");
}

#[test]
fn volume_tiers_charge_all_units_in_the_last_ones_b12_w2_w3_w4() {
    assert_eq!(cost(&volume(THREE_TIERS), 5_001), "2520.5");
    assert_eq!(cost(&volume(FALLING), 6_000), "600");
    let two = &[(Some(9), "5", "0"), (None, "3", "0")];
    assert_eq!(cost(&volume(two), 15), "45");
}

/// That a unit more may cost less is what such a plan sells.
#[test]
fn a_volume_price_may_fall_where_a_tier_ends_w12() {
    let costs = [1_000, 1_001].map(|units| cost(&volume(FALLING), units));
    assert_eq!(costs, ["300", "200.2"]);
}

#[test]
fn a_step_costs_the_same_for_any_quantity_of_it_b13_w5_w6() {
    let two = stairstep(&[(Some(9), "30"), (None, "100")]);
    assert_eq!(
        [9, 10, 15].map(|units| cost(&two, units)),
        ["30", "100", "100"]
    );
    let three = stairstep(&[(Some(100), "75"), (Some(200), "100"), (None, "150")]);
    assert_eq!(cost(&three, 150), "100");
}

#[test]
fn packages_are_charged_when_they_are_begun_or_full_b13() {
    let package = |partial| Price::Package {
        size: Quantity::from_scaled(100),
        price: "1.25".parse().unwrap(),
        partial,
    };
    let begun = package(PartialPackage::Charged);
    let full = package(PartialPackage::Free);
    for (units, if_begun, if_full) in [
        (0, "0", "0"),
        (1, "1.25", "0"),
        (100, "1.25", "1.25"),
        (101, "2.5", "1.25"),
    ] {
        assert_eq!(
            (cost(&begun, units), cost(&full, units)),
            (if_begun.into(), if_full.into())
        );
    }
}

#[test]
fn the_flat_fee_of_the_first_tier_is_due_without_use_unless_the_plan_says_no_w7() {
    let flat = &[(Some(1_000), "0", "500"), (None, "0.1", "0")];
    let by = graduated(flat);
    assert_eq!(
        [0, 1, 2_000].map(|units| cost(&by, units)),
        ["500", "500", "600"]
    );
    let free = Priced {
        zero_use: ZeroUse::Free,
        ..whole(&by)
    };
    let nothing = price(&free, Quantity::ZERO);
    assert_eq!(nothing, Ok(Exact::ZERO));
    let one = price(&free, Quantity::from_scaled(1)).unwrap();
    assert_eq!(one.to_string(), "500");
}

#[test]
fn each_unit_costs_the_same_w8() {
    let unit_price = "0.01".parse().unwrap();
    assert_eq!(cost(&Price::PerUnit { unit_price }, 1_000), "10");
}

/// R-V5: a unit before the bound, on it and after it, and none at all.
#[test]
fn a_bound_belongs_to_the_tier_it_ends_r_v5() {
    let table = &[
        (Some(10), "1", "7"),
        (Some(20), "2", "11"),
        (None, "3", "13"),
    ];
    let costs = |by: &Price| [0, 9, 10, 11, 19, 20, 21].map(|units| cost(by, units));
    let each = ["7", "16", "17", "30", "46", "48", "64"];
    assert_eq!(costs(&graduated(table)), each);
    let all = ["7", "16", "17", "33", "49", "51", "76"];
    assert_eq!(costs(&volume(table)), all);
}

#[test]
fn a_price_of_more_than_there_is_is_an_error() {
    let dear = "999999999.999999999999".parse().unwrap();
    let by = Price::PerUnit { unit_price: dear };
    let most = price(&whole(&by), Quantity::from_scaled(i64::MAX));
    assert_eq!(most, Err(MoneyError::Overflow));
}

/// What a child would do: look at each unit for itself. In thousandths.
fn unit_by_unit(by: &Price, units: i64) -> i64 {
    let thousandths = |price: UnitPrice| {
        let text = price.to_string();
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        format!("{whole}{part:0<3}").parse::<i64>().unwrap()
    };
    let holds =
        |up_to: Option<Quantity>, unit: i64| up_to.is_none_or(|up_to| unit <= up_to.scaled());
    match by {
        Price::PerUnit { unit_price } => (1..=units).map(|_| thousandths(*unit_price)).sum(),
        Price::Graduated { tiers } => {
            let mut entered = vec![0];
            let mut sum = 0;
            for unit in 1..=units {
                let place = tiers
                    .iter()
                    .position(|tier| holds(tier.up_to, unit))
                    .unwrap();
                entered.extend((!entered.contains(&place)).then_some(place));
                sum += thousandths(tiers[place].unit_price);
            }
            sum + entered
                .iter()
                .map(|place| thousandths(tiers[*place].flat))
                .sum::<i64>()
        }
        Price::Volume { tiers } => {
            let last = tiers.iter().find(|tier| holds(tier.up_to, units)).unwrap();
            (1..=units)
                .map(|_| thousandths(last.unit_price))
                .sum::<i64>()
                + thousandths(last.flat)
        }
        Price::Stairstep { steps } => {
            let last = steps.iter().find(|step| holds(step.up_to, units)).unwrap();
            thousandths(last.price)
        }
        Price::Package {
            size,
            price,
            partial,
        } => {
            let mut packages = 0;
            for unit in 1..=units {
                let place = (unit - 1) % size.scaled();
                let counts = match partial {
                    PartialPackage::Charged => place == 0,
                    PartialPackage::Free => place == size.scaled() - 1,
                };
                packages += i64::from(counts);
            }
            packages * thousandths(*price)
        }
        Price::Percentage(_) => unreachable!("transactions are priced when they are recorded"),
    }
}

fn unit_price() -> impl Strategy<Value = UnitPrice> + Clone {
    let text = (0_u32..3_000).prop_map(|mills| format!("{}.{:03}", mills / 1_000, mills % 1_000));
    text.prop_map(|text| text.parse().unwrap())
}

fn bounds(widths: &[i64]) -> Vec<Option<Quantity>> {
    let mut top = 0;
    let bounds = widths.iter().map(|width| {
        top += width;
        Some(Quantity::from_scaled(top))
    });
    bounds.chain([None]).collect()
}

fn prices() -> impl Strategy<Value = Price> {
    let rows = prop::collection::vec((1_i64..60, unit_price(), unit_price()), 1..6);
    let tiers = rows.prop_map(|rows| {
        let widths: Vec<i64> = rows.iter().skip(1).map(|row| row.0).collect();
        let tiers = bounds(&widths).into_iter().zip(rows);
        let tiers = tiers.map(|(up_to, (_, unit_price, flat))| Tier {
            up_to,
            unit_price,
            flat,
            package: None,
        });
        tiers.collect::<Vec<_>>()
    });
    let steps = tiers.clone().prop_map(|tiers| {
        let steps = tiers.into_iter().map(|tier| Step {
            up_to: tier.up_to,
            price: tier.flat,
        });
        Price::Stairstep {
            steps: steps.collect(),
        }
    });
    let partial = prop_oneof![Just(PartialPackage::Charged), Just(PartialPackage::Free)];
    let package =
        (1_i64..50, unit_price(), partial).prop_map(|(size, price, partial)| Price::Package {
            size: Quantity::from_scaled(size),
            price,
            partial,
        });
    prop_oneof![
        unit_price().prop_map(|unit_price| Price::PerUnit { unit_price }),
        tiers.clone().prop_map(|tiers| Price::Graduated { tiers }),
        tiers.prop_map(|tiers| Price::Volume { tiers }),
        steps,
        package,
    ]
}

proptest! {
    #[test]
    fn a_price_is_what_a_count_unit_by_unit_says_r_v5(by in prices(), units in 0_i64..400) {
        let mills = unit_by_unit(&by, units);
        let expected = Exact::of("0.001".parse().unwrap(), Quantity::from_scaled(mills), Scale::WHOLE);
        prop_assert_eq!(price(&whole(&by), Quantity::from_scaled(units)), expected);
    }

    #[test]
    fn parts_add_up_to_the_price_and_name_every_unit(by in prices(), units in 0_i64..400) {
        let quantity = Quantity::from_scaled(units);
        let parts: Vec<LinePart> = parts(&whole(&by), quantity).collect::<Result<_, _>>().unwrap();
        let sum = parts.iter().try_fold(Exact::ZERO, |sum, part| sum.checked_add(part.amount));
        prop_assert_eq!(sum, price(&whole(&by), quantity));
        let named: i64 = parts.iter().map(|part| part.quantity.scaled()).sum();
        prop_assert_eq!(named, units);
    }
}
