//! What use comes to: tiers, packages, fractions of a cent, currencies.

use monetization_conformance::sample::Sample;
use monetization_conformance::size;
use serde_json::Value;

use super::shop::{HOUR, START, Shop};

/// What `units` come to under a metered price of these terms: the amounts of its lines.
fn rated(terms: &str, units: &str) -> Vec<i64> {
    let mut shop = Shop::open();
    let (meter, product) = (shop.meter("calls"), shop.product("API"));
    let price = shop.metered(&product, &meter, terms);
    let customer = shop.customer();
    let id = shop.subscribe(&customer, &[&price], "")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    if units != "0" {
        shop.use_units(&customer, START, "a", units);
    }
    shop.delete(&format!("/v1/subscriptions/{id}"), "invoice_now=true");
    shop.fake.advance_to(START + 2 * HOUR);
    let invoice = shop.latest_invoice(&id);
    if invoice.is_null() {
        Vec::new()
    } else {
        Shop::amounts(&invoice)
    }
}

#[test]
fn graduated_tiers_have_a_line_for_each_tier_that_was_reached() {
    let terms = "billing_scheme=tiered&tiers_mode=graduated&tiers[0][up_to]=10&tiers[0][unit_amount]=5&tiers[0][flat_amount]=100&tiers[1][up_to]=20&tiers[1][unit_amount]=4&tiers[1][flat_amount]=50&tiers[2][up_to]=inf&tiers[2][unit_amount_decimal]=0.3";
    let cases = [
        ("1", vec![5, 100]),
        ("10", vec![50, 100]),
        ("11", vec![50, 100, 4, 50]),
        ("20", vec![50, 100, 40, 50]),
        ("25", vec![50, 100, 40, 50, 2]),
        ("20.5", vec![50, 100, 40, 50, 0]),
    ];
    for (units, amounts) in cases {
        assert_eq!(rated(terms, units), amounts, "{units}");
    }
}

#[test]
fn volume_tiers_charge_all_units_by_the_tier_of_the_last() {
    let terms = "billing_scheme=tiered&tiers_mode=volume&tiers[0][up_to]=5&tiers[0][unit_amount]=700&tiers[1][up_to]=10&tiers[1][unit_amount]=650&tiers[2][up_to]=inf&tiers[2][unit_amount]=600&tiers[2][flat_amount]=1";
    // The example of Stripe's documentation, with a flat amount on the last tier.
    let cases = [
        ("1", vec![700]),
        ("5", vec![3_500]),
        ("6", vec![3_900]),
        ("20", vec![12_000, 1]),
        ("25", vec![15_000, 1]),
    ];
    for (units, amounts) in cases {
        assert_eq!(rated(terms, units), amounts, "{units}");
    }
}

#[test]
fn packages_are_counted_up_or_down() {
    let up = "unit_amount=10&transform_quantity[divide_by]=5&transform_quantity[round]=up";
    let down = up.replace("=up", "=down");
    let cases = [("1", 10, 0), ("5", 10, 10), ("6", 20, 10), ("10.1", 30, 20)];
    for (units, rounded_up, rounded_down) in cases {
        assert_eq!(rated(up, units), [rounded_up], "{units}");
        assert_eq!(rated(&down, units), [rounded_down], "{units}");
    }
}

#[test]
fn fractions_of_a_cent_are_added_up_before_they_are_rounded() {
    assert_eq!(
        rated("unit_amount_decimal=0.000000000001", "499999999999"),
        [0]
    );
    assert_eq!(
        rated("unit_amount_decimal=0.000000000001", "500000000000"),
        [1]
    );
    assert_eq!(rated("unit_amount_decimal=0.1", "5"), [1]);
    assert_eq!(rated("unit_amount_decimal=0.1", "4.99"), [0]);
    assert_eq!(
        rated("unit_amount_decimal=999999.999999999999", "1"),
        [1_000_000]
    );
}

/// Tiers of whole cents, as their last units with amounts for each unit and flat.
type Steps = Vec<(Option<u64>, u64, u64)>;

#[test]
fn tiers_come_to_what_counting_unit_by_unit_comes_to() {
    let sample = Sample::seeded(11);
    for case in 0..size(40, 1_000) {
        let count = 1 + sample.below(4);
        let mut last = 0;
        let steps: Steps = (1..=count)
            .map(|number| {
                last += 1 + sample.below(30);
                let up_to = (number < count).then_some(last);
                (up_to, sample.below(50), sample.below(3) * 100)
            })
            .collect();
        let units = 1 + sample.below(100);
        let is_volume = sample.below(2) == 0;
        let total: i64 = rated(&terms(&steps, is_volume), &units.to_string())
            .iter()
            .sum();
        let counted = if is_volume {
            of_the_last(&steps, units)
        } else {
            unit_by_unit(&steps, units)
        };
        assert_eq!(
            u64::try_from(total),
            Ok(counted),
            "case {case}: {units} of {steps:?}, {is_volume}"
        );
    }
}

fn terms(steps: &Steps, is_volume: bool) -> String {
    let mode = if is_volume { "volume" } else { "graduated" };
    let mut terms = format!("billing_scheme=tiered&tiers_mode={mode}");
    for (index, (up_to, unit, flat)) in steps.iter().enumerate() {
        let up_to = up_to.map_or_else(|| "inf".to_owned(), |it| it.to_string());
        let tier = format!("tiers[{index}]");
        let amounts = format!("{tier}[unit_amount]={unit}&{tier}[flat_amount]={flat}");
        terms = format!("{terms}&{tier}[up_to]={up_to}&{amounts}");
    }
    terms
}

fn tier_of(steps: &Steps, unit: u64) -> usize {
    let holds = |(up_to, _, _): &(Option<u64>, u64, u64)| up_to.is_none_or(|it| unit <= it);
    steps.iter().position(holds).unwrap()
}

fn of_the_last(steps: &Steps, units: u64) -> u64 {
    let (_, unit, flat) = steps[tier_of(steps, units)];
    unit * units + flat
}

fn unit_by_unit(steps: &Steps, units: u64) -> u64 {
    let mut entered = None;
    let mut total = 0;
    for unit in 1..=units {
        let tier = tier_of(steps, unit);
        let (_, amount, flat) = steps[tier];
        total += amount + if entered == Some(tier) { 0 } else { flat };
        entered = Some(tier);
    }
    total
}

#[test]
fn a_period_without_use_charges_the_first_flat_amount() {
    let mut shop = Shop::open();
    let (meter, product) = (shop.meter("calls"), shop.product("API"));
    let terms = "billing_scheme=tiered&tiers_mode=graduated&tiers[0][up_to]=inf&tiers[0][unit_amount]=5&tiers[0][flat_amount]=100";
    let price = shop.metered(&product, &meter, terms);
    let customer = shop.customer();
    let id = shop.subscribe(&customer, &[&price], "")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    shop.fake.advance_to(START + 31 * 24 * HOUR);
    assert_eq!(Shop::amounts(&shop.latest_invoice(&id)), [0, 100]);
}

#[test]
fn counts_and_last_values_are_aggregated_as_the_meter_says() {
    for (formula, amount) in [("count", 3), ("last", 4), ("sum", 12)] {
        let mut shop = Shop::open();
        let body =
            format!("display_name=a&event_name=calls&default_aggregation[formula]={formula}");
        let meter = shop.make("/v1/billing/meters", &body);
        let product = shop.product("API");
        let price = shop.metered(&product, &meter, "unit_amount=1");
        let customer = shop.customer();
        let id = shop.subscribe(&customer, &[&price], "")["id"]
            .as_str()
            .unwrap()
            .to_owned();
        shop.fake.advance_to(START + HOUR);
        for (at, identifier, value) in [
            (START + 9, "b", "4"),
            (START, "a", "7"),
            (START + 5, "c", "1"),
        ] {
            shop.use_units(&customer, at, identifier, value);
        }
        shop.delete(&format!("/v1/subscriptions/{id}"), "invoice_now=true");
        assert_eq!(
            Shop::amounts(&shop.latest_invoice(&id)),
            [amount],
            "{formula}"
        );
    }
}

#[test]
fn amounts_in_some_currencies_have_to_be_payable() {
    let mut shop = Shop::open();
    let (product, customer) = (shop.product("API"), shop.customer());
    let cases = [
        ("usd", 1, true),
        ("jpy", 1, true),
        ("kwd", 1_005, false),
        ("kwd", 1_010, true),
        ("isk", 150, false),
        ("isk", 100, true),
        ("ugx", 99, false),
    ];
    for (currency, amount, is_payable) in cases {
        let body = format!("customer={customer}&currency={currency}&amount={amount}");
        let answer = shop.try_post("/v1/invoiceitems", &body);
        assert_eq!(answer.status == 200, is_payable, "{currency} {amount}");
    }
    let meter = shop.meter("calls");
    let body = format!(
        "currency=kwd&product={product}&unit_amount_decimal=1.5&recurring[interval]=month&recurring[usage_type]=metered&recurring[meter]={meter}"
    );
    let price = shop.make("/v1/prices", &body);
    let id = shop.subscribe(&customer, &[&price], "")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    shop.use_units(&customer, START, "a", "11");
    shop.fake.advance_to(START + HOUR);
    shop.delete(&format!("/v1/subscriptions/{id}"), "invoice_now=true");
    // 16.5 of a thousandth, rounded to what can be paid.
    let amounts: Value = shop.latest_invoice(&id)["lines"]["data"].clone();
    assert!(
        amounts
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["amount"] == 20),
        "{amounts}"
    );
}
