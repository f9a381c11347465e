//! The provider's own price calculation, on decimal digits as one does it on paper. It shares no
//! arithmetic with core's, so that comparing the two can fail.
//!
//! A line is the price's digits times the charged units' digits. The decimals of both together
//! say where the point stands; what lies below the currency's minor unit is cut off and rounded
//! by looking at the digits that are lost, once for each line.

use monetization_core::money::{Currency, Money, Quantity, Rounding};
use monetization_core::plan::{PlanTerms, UsagePrice};

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
    let minor = multiply(
        &price.unit_price.to_string(),
        (&charged.to_string(), scale),
        currency,
        terms.rounding(),
    )?;
    let meter = &price.meter;
    let shown = |scaled: i64| meter.scale.render(Quantity::from_scaled(scaled));
    let text = format!(
        "{}: {} used, {} charged at {} {}",
        meter.name,
        shown(used.scaled()),
        shown(charged),
        price.unit_price,
        currency,
    );
    Some(StatedLine {
        text,
        amount: Money::new(minor, currency),
    })
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

/// `price` times `units` with `scale` decimals, in minor units of the currency; `None` where that
/// does not fit 64 bits.
fn multiply(
    price: &str,
    (units, scale): (&str, u32),
    currency: Currency,
    rounding: Rounding,
) -> Option<i64> {
    let (whole, decimals) = price.split_once('.').unwrap_or((price, ""));
    let price_digits = digits::read(&format!("{whole}{decimals}"))?;
    let product = digits::multiply(&price_digits, &digits::read(units)?)?;
    let decimals = u32::try_from(decimals.len()).ok()?.checked_add(scale)?;
    let minor = match decimals.checked_sub(currency.exponent()) {
        Some(surplus) => digits::cut(&product, usize::try_from(surplus).ok()?, rounding)?,
        None => digits::extend(&product, currency.exponent().checked_sub(decimals)?),
    };
    digits::show(&minor).parse().ok()
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "big integers do not overflow"
)]
mod tests {
    use monetization_core::money::{Scale, UnitPrice};
    use num_bigint::BigUint;
    use proptest::prelude::*;

    use super::*;

    fn minor(price: &str, units: i64, currency: &str, rounding: Rounding) -> Option<i64> {
        multiply(
            price,
            (&units.to_string(), 0),
            currency.parse().unwrap(),
            rounding,
        )
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
            let paper = multiply(&price, (&units.to_string(), u32::from(scale)), currency, rounding);

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
    }
}
