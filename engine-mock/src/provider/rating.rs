//! The provider's own price calculation, on decimal digits as one does it on paper. It shares no
//! arithmetic with core's, so that comparing the two can fail.
//!
//! Units are handed out to tiers from the lowest on. What they cost is the price's digits times the
//! units' digits, written below each other with the point in one place and added. What lies below the
//! currency's minor unit is cut off and rounded by looking at the digits that are lost, once for
//! each line.

use monetization_core::money::{Currency, Money, Quantity, Rounding, UnitPrice};
use monetization_core::plan::{PartialPackage, PlanTerms, Price, UsagePrice, ZeroUse};

use super::command::StatedLine;

mod digits;

/// What the use of one meter costs; `None` where the amount cannot be expressed.
pub(crate) fn usage_line(
    price: &UsagePrice,
    used: Quantity,
    terms: &PlanTerms,
) -> Option<StatedLine> {
    let charged = used.scaled().checked_sub(price.included.scaled())?.max(0);
    let currency = terms.currency();
    let scale = u32::from(price.meter.scale.decimals());
    let items = items(price, charged, scale)?;
    let minor = sum(&items, currency, terms.rounding())?;
    let meter = &price.meter;
    let shown = |scaled: i64| meter.scale.render(Quantity::from_scaled(scaled));
    let mut text = format!(
        "{}: {} used, {} charged",
        meter.name,
        shown(used.scaled()),
        shown(charged)
    );
    if let Price::PerUnit { unit_price } = &price.price {
        text = format!("{text} at {unit_price} {currency}");
    }
    Some(StatedLine {
        text,
        amount: Money::new(minor, currency),
    })
}

/// So many units at a price.
struct Item {
    price: String,
    units: i64,
    /// Decimals of the units.
    scale: u32,
}

impl Item {
    fn flat(price: UnitPrice) -> Self {
        Self {
            price: price.to_string(),
            units: 1,
            scale: 0,
        }
    }

    /// Single units, or the packages that hold them.
    fn units(price: UnitPrice, units: i64, scale: u32, package: Option<Quantity>) -> Option<Self> {
        let price = price.to_string();
        Some(match package {
            Some(size) => Self {
                price,
                units: packages(units, size, true)?,
                scale: 0,
            },
            None => Self {
                price,
                units,
                scale,
            },
        })
    }
}

/// How many packages units fill, a begun one counted or not.
fn packages(units: i64, size: Quantity, counts_begun: bool) -> Option<i64> {
    let full = units.checked_div(size.scaled())?;
    let is_begun = units.checked_rem(size.scaled())? != 0;
    full.checked_add(i64::from(is_begun && counts_begun))
}

/// Everything that is to be paid for `charged` units.
fn items(price: &UsagePrice, charged: i64, scale: u32) -> Option<Vec<Item>> {
    if charged == 0 && price.zero_use == ZeroUse::Free {
        return Some(Vec::new());
    }
    let falls_in = |up_to: Option<Quantity>| up_to.is_none_or(|up_to| charged <= up_to.scaled());
    let mut items = Vec::new();
    match &price.price {
        Price::PerUnit { unit_price } => {
            items.push(Item::units(*unit_price, charged, scale, None)?);
        }
        Price::Package {
            size,
            price,
            partial,
        } => items.push(Item {
            price: price.to_string(),
            units: packages(charged, *size, *partial == PartialPackage::Charged)?,
            scale: 0,
        }),
        Price::Volume { tiers } => {
            let tier = tiers.iter().find(|tier| falls_in(tier.up_to))?;
            items.push(Item::flat(tier.flat));
            items.push(Item::units(tier.unit_price, charged, scale, tier.package)?);
        }
        Price::Stairstep { steps } => {
            let step = steps.iter().find(|step| falls_in(step.up_to))?;
            items.push(Item::flat(step.price));
        }
        // The descriptor says that it is not offered.
        Price::Percentage(_) => return None,
        Price::Graduated { tiers } => {
            let (mut left, mut handed_out) = (charged, 0_i64);
            for (place, tier) in tiers.iter().enumerate() {
                let room = tier
                    .up_to
                    .map_or(Some(left), |up_to| up_to.scaled().checked_sub(handed_out))?;
                let taken = left.min(room);
                if taken > 0 || place == 0 {
                    items.push(Item::flat(tier.flat));
                    items.push(Item::units(tier.unit_price, taken, scale, tier.package)?);
                }
                left = left.checked_sub(taken)?;
                handed_out = handed_out.checked_add(taken)?;
            }
        }
    }
    Some(items)
}

/// The sum of lines in one currency; `None` where there are two or it does not fit.
pub(crate) fn total(lines: &[StatedLine], currency: Currency) -> Option<Money> {
    let mut minor = 0_i64;
    for line in lines {
        if line.amount.currency() != currency {
            return None;
        }
        minor = minor.checked_add(line.amount.minor())?;
    }
    Some(Money::new(minor, currency))
}

/// The part `left` of `whole` of an amount, rounded; `None` where that cannot be.
pub(crate) fn part_of(minor: i64, (left, whole): (i64, i64), rounding: Rounding) -> Option<i64> {
    let product = i128::from(minor).checked_mul(left.into())?;
    let whole = i128::from(whole);
    let down = product.checked_div_euclid(whole)?;
    let lost = product.checked_rem_euclid(whole)?.checked_mul(2)?;
    let goes_up = match rounding {
        Rounding::Down => false,
        Rounding::Up => lost > 0,
        Rounding::HalfAwayFromZero => lost >= whole,
        Rounding::HalfEven => lost > whole || (lost == whole && down.checked_rem(2)? != 0),
    };
    down.checked_add(i128::from(goes_up))?.try_into().ok()
}

/// All items together, in minor units of the currency; `None` where that does not fit 64 bits.
fn sum(items: &[Item], currency: Currency, rounding: Rounding) -> Option<i64> {
    /// As many as a price and a quantity can have together.
    const DECIMALS: u32 = 18;
    let mut sum = Vec::new();
    for item in items {
        let (whole, decimals) = item.price.split_once('.').unwrap_or((&item.price, ""));
        let price = digits::read(&format!("{whole}{decimals}"))?;
        let product = digits::multiply(&price, &digits::read(&item.units.to_string())?)?;
        let decimals = u32::try_from(decimals.len())
            .ok()?
            .checked_add(item.scale)?;
        let aligned = digits::extend(&product, DECIMALS.checked_sub(decimals)?);
        sum = digits::add(&sum, &aligned)?;
    }
    let surplus = usize::try_from(DECIMALS.checked_sub(currency.exponent())?).ok()?;
    digits::show(&digits::cut(&sum, surplus, rounding)?)
        .parse()
        .ok()
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "big integers do not overflow"
)]
mod tests {
    use monetization_core::ids::{MeterId, TypedId};
    use monetization_core::money::Scale;
    use monetization_core::plan::{Commitment, Overage, Step, Tier};
    use monetization_core::pricing::{self, Priced};
    use monetization_core::product::Meter;
    use num_bigint::BigUint;
    use proptest::prelude::*;

    use super::*;

    fn minor(price: &str, units: i64, currency: &str, rounding: Rounding) -> Option<i64> {
        let item = Item {
            price: price.to_owned(),
            units,
            scale: 0,
        };
        sum(&[item], currency.parse().unwrap(), rounding)
    }

    #[test]
    fn a_tenth_of_a_cent_does_not_collapse_b3() {
        assert_eq!(
            minor("0.0001", 12_345, "USD", Rounding::HalfAwayFromZero),
            Some(123)
        );
        assert_eq!(
            minor("0.01", 1_000, "USD", Rounding::HalfAwayFromZero),
            Some(1_000)
        );
        assert_eq!(minor("0.01", 0, "USD", Rounding::HalfAwayFromZero), Some(0));
        assert_eq!(
            minor("5", 100, "JPY", Rounding::HalfAwayFromZero),
            Some(500)
        );
        assert_eq!(
            minor("0.05", 100, "KWD", Rounding::HalfAwayFromZero),
            Some(5_000)
        );
    }

    #[test]
    fn halves_are_rounded_as_named() {
        let price = "0.005";
        let rounded = |units, rounding| minor(price, units, "USD", rounding).unwrap();
        assert_eq!(rounded(1, Rounding::HalfAwayFromZero), 1);
        assert_eq!(rounded(1, Rounding::HalfEven), 0);
        assert_eq!(rounded(3, Rounding::HalfEven), 2);
        assert_eq!(rounded(1, Rounding::Up), 1);
        assert_eq!(rounded(1, Rounding::Down), 0);
    }

    #[test]
    fn an_amount_that_does_not_fit_is_none() {
        assert_eq!(minor("999999999", i64::MAX, "USD", Rounding::Down), None);
    }

    proptest! {
        #[test]
        fn paper_agrees_with_core_and_with_big_integers(
            whole in 0_u64..1_000_000_000, fraction in 0_u64..1_000_000_000_000, decimals in 0_usize..=12,
            units in 0_i64..1_000_000_000_000_000, scale in 0_u8..=6, currency in 0_usize..3, mode in 0_usize..4,
        ) {
            let fraction = &format!("{fraction:012}")[..decimals];
            let price = if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") };
            let currency: Currency = ["JPY", "USD", "KWD"][currency].parse().unwrap();
            let rounding = [Rounding::HalfAwayFromZero, Rounding::HalfEven, Rounding::Up, Rounding::Down][mode];
            let item = Item { price: price.clone(), units, scale: scale.into() };
            let paper = sum(&[item], currency, rounding);

            let unit_price: UnitPrice = price.parse().unwrap();
            let scale = Scale::try_from(scale).unwrap();
            let core = unit_price.times(Quantity::from_scaled(units), scale, currency, rounding);
            prop_assert_eq!(paper, core.ok().map(Money::minor));

            let digits: BigUint = format!("{whole}{fraction}").parse().unwrap();
            let surplus = u32::try_from(decimals).unwrap() + u32::from(scale.decimals());
            let product = digits * BigUint::from(units.unsigned_abs());
            let exact = product * BigUint::from(10_u32).pow(currency.exponent());
            let floor = i64::try_from(exact / BigUint::from(10_u32).pow(surplus)).ok();
            if let (Some(floor), Some(paper)) = (floor, paper) {
                prop_assert!(paper == floor || paper == floor + 1);
            }
        }

        /// Every model, any tiers: the provider asks for what core says.
        #[test]
        fn paper_agrees_with_core_under_every_model(
            price in prices(), included in 0_i64..50, zero_use in 0_usize..2, units in 0_i64..400,
        ) {
            let usage = UsagePrice {
                meter: Meter {
                    scale: Scale::try_from(1).unwrap(),
                    ..Meter::requests(MeterId::derived(&[b"requests"])).unwrap()
                },
                price,
                included: Quantity::from_scaled(included),
                overage: Overage::Loose,
                zero_use: [ZeroUse::Charged, ZeroUse::Free][zero_use],
                commitment: Commitment::default(),
            };
            let currency: Currency = "USD".parse().unwrap();
            let charged = (units - included).max(0);
            let paper = sum(&items(&usage, charged, 1).unwrap(), currency, Rounding::HalfEven);
            let priced = Priced { by: &usage.price, scale: usage.meter.scale, zero_use: usage.zero_use };
            let core = pricing::price(&priced, Quantity::from_scaled(charged)).unwrap();
            let core = core.round(currency, Rounding::HalfEven).unwrap();
            prop_assert_eq!(paper, Some(core.minor()));
        }
    }

    fn prices() -> impl Strategy<Value = Price> {
        let unit_price =
            || (0_u32..2_000).prop_map(|mills| format!("{}.{:03}", mills / 1_000, mills % 1_000));
        let unit_price = move || unit_price().prop_map(|text| text.parse::<UnitPrice>().unwrap());
        let size = || (1_i64..40).prop_map(Quantity::from_scaled);
        let tier = (unit_price(), unit_price(), prop::option::of(size()));
        let widths = || prop::collection::vec(1_i64..80, 0..5);
        let tiers = (widths(), prop::collection::vec(tier, 6)).prop_map(|(widths, tiers)| {
            let bounds = bounds(&widths);
            let tiers = bounds.into_iter().zip(tiers);
            let tiers = tiers.map(|(up_to, (unit_price, flat, package))| Tier {
                up_to,
                unit_price,
                flat,
                package,
            });
            tiers.collect::<Vec<_>>()
        });
        let steps =
            (widths(), prop::collection::vec(unit_price(), 6)).prop_map(|(widths, prices)| {
                let steps = bounds(&widths).into_iter().zip(prices);
                let steps = steps.map(|(up_to, price)| Step { up_to, price });
                Price::Stairstep {
                    steps: steps.collect(),
                }
            });
        let partial = prop_oneof![Just(PartialPackage::Charged), Just(PartialPackage::Free)];
        let package =
            (size(), unit_price(), partial).prop_map(|(size, price, partial)| Price::Package {
                size,
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

    /// Upper bounds of tiers that are so wide, and the open last one.
    fn bounds(widths: &[i64]) -> Vec<Option<Quantity>> {
        let mut top = 0;
        let bounds = widths.iter().map(|width| {
            top += width;
            Some(Quantity::from_scaled(top))
        });
        bounds.chain([None]).collect()
    }
}
