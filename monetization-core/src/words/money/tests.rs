use num_bigint::BigInt;
use proptest::prelude::*;

use super::*;

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

#[test]
fn minor_units_follow_the_currency_b10() {
    for (text, code, minor) in [
        ("500", "JPY", 500),
        ("5.00", "USD", 500),
        ("5.000", "KWD", 5_000),
        ("5", "usd", 500),
    ] {
        assert_eq!(
            Money::parse(text, currency(code)).unwrap().minor(),
            minor,
            "{text} {code}"
        );
    }
}

#[test]
fn an_amount_is_shown_with_its_currency() {
    let money = Money::parse("5.1", currency("KWD")).unwrap();
    assert_eq!(
        (money.to_string(), format!("{money:?}")),
        ("5.100 KWD".to_owned(), "5.100 KWD".to_owned())
    );
}

#[test]
fn what_is_shown_to_developers_is_what_is_shown() {
    let exact: Exact = serde_json::from_str("\"1.25\"").unwrap();
    let price: UnitPrice = "0.50".parse().unwrap();
    let shown = format!("{exact:?} {price:?} {:?}", currency("KWD"));
    assert_eq!(shown, "1.25 0.50 KWD");
}

#[test]
fn exact_amounts_are_subtracted_and_read_back_with_their_sign() {
    let exact = |text: &str| serde_json::from_value::<Exact>(text.into());
    let (more, less) = (
        exact("1.25").unwrap(),
        exact("0.000000000000000001").unwrap(),
    );
    let difference = less.checked_sub(more).unwrap();
    assert_eq!(difference.to_string(), "-1.249999999999999999");
    assert_eq!(exact(&difference.to_string()).unwrap(), difference);
    assert_eq!(difference.checked_add(more), Ok(less));
    for wrong in ["", "-", "--1", "1.", "1e3", "0.0000000000000000001"] {
        assert!(exact(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_scale_is_the_number_of_its_decimals() {
    for decimals in 0..=Scale::DECIMALS_MAX {
        let scale = Scale::try_from(decimals).unwrap();
        assert_eq!((u8::from(scale), scale.decimals()), (decimals, decimals));
    }
    assert!(Scale::try_from(Scale::DECIMALS_MAX + 1).is_err());
}

#[test]
fn an_amount_the_currency_cannot_express_is_refused_not_rounded() {
    assert!(Money::parse("5.001", currency("USD")).is_err());
    assert!(Money::parse("5.0", currency("JPY")).is_err());
}

#[test]
fn money_of_two_currencies_is_never_added() {
    let sum = Money::new(1, currency("USD")).checked_add(Money::new(1, currency("EUR")));
    assert_eq!(
        sum.unwrap_err().to_string(),
        "amounts in USD and EUR cannot be combined"
    );
}

#[test]
fn codes_without_minor_unit_are_refused() {
    for code in ["XAU", "XXX", "", "US", "DOLLAR"] {
        assert!(code.parse::<Currency>().is_err(), "{code}");
    }
}

#[test]
fn a_price_below_a_cent_survives() {
    let price: UnitPrice = "0.0001".parse().unwrap();
    let amount = price.times(
        Quantity::from_scaled(12_345),
        Scale::WHOLE,
        currency("USD"),
        Rounding::default(),
    );
    assert_eq!(amount.unwrap().to_string(), "1.23 USD");
}

#[test]
fn prices_read_back_as_written() {
    for text in [
        "0",
        "0.000000000001",
        "999999999.999999999999",
        "25",
        "0.10",
    ] {
        assert_eq!(text.parse::<UnitPrice>().unwrap().to_string(), text);
    }
    assert!("0.0000000000001".parse::<UnitPrice>().is_err());
    assert!("1000000000".parse::<UnitPrice>().is_err());
}

#[test]
fn money_in_json_is_text_and_refuses_unknown_fields() {
    let money = Money::new(-2_705, currency("USD"));
    let json = serde_json::to_string(&money).unwrap();
    assert_eq!(json, r#"{"amount":"-27.05","currency":"USD"}"#);
    assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
    assert!(serde_json::from_str::<Money>(r#"{"amount":27,"currency":"USD"}"#).is_err());
    assert!(serde_json::from_str::<Money>(r#"{"amount":"1","currency":"USD","x":1}"#).is_err());
}

/// What was stored could not be read: the limits of what users may enter held for it too, and an
/// invoice can come to more.
#[test]
fn the_largest_amounts_read_back_from_json() {
    for code in ["JPY", "USD", "KWD"] {
        for minor in [i64::MIN, -1_000_000_000_000, 1_000_000_000_000, i64::MAX] {
            let money = Money::new(minor, currency(code));
            let json = serde_json::to_string(&money).unwrap();
            assert_eq!(
                serde_json::from_str::<Money>(&json).unwrap(),
                money,
                "{json}"
            );
        }
    }
    let beyond = r#"{"amount":"9223372036854775808","currency":"JPY"}"#;
    serde_json::from_str::<Money>(beyond).unwrap_err();
    Money::parse("1000000000000", currency("JPY")).unwrap_err();
}

#[test]
fn halves_are_rounded_as_their_mode_says() {
    let table = [
        (Rounding::HalfAwayFromZero, [3, 2, -3, 3, -2, 4, 3, -3]),
        (Rounding::HalfEven, [2, 2, -2, 3, -2, 4, 3, -3]),
        (Rounding::Up, [3, 3, -3, 3, -3, 4, 4, -4]),
        (Rounding::Down, [2, 2, -2, 2, -2, 3, 3, -3]),
    ];
    for (rounding, expected) in table {
        let tenths = [25, 24, -25, 26, -24, 35, 34, -34];
        let rounded = tenths.map(|tenths| rounding.divide(tenths, 10).unwrap());
        assert_eq!(rounded, expected, "{rounding:?}");
    }
}

fn big_round(numerator: &BigInt, divisor: &BigInt, rounding: Rounding) -> BigInt {
    let floor: BigInt = {
        let quotient = numerator / divisor;
        if numerator.sign() == num_bigint::Sign::Minus && &quotient * divisor != *numerator {
            quotient - 1
        } else {
            quotient
        }
    };
    let up: BigInt = &floor + 1;
    let twice: BigInt = (numerator - &floor * divisor) * 2;
    let negative = numerator.sign() == num_bigint::Sign::Minus;
    if twice == BigInt::ZERO {
        return floor;
    }
    let (away, towards) = if negative {
        (floor.clone(), up.clone())
    } else {
        (up.clone(), floor.clone())
    };
    match rounding {
        Rounding::Up => away,
        Rounding::Down => towards,
        Rounding::HalfAwayFromZero | Rounding::HalfEven => match twice.cmp(divisor) {
            std::cmp::Ordering::Less => floor,
            std::cmp::Ordering::Greater => up,
            std::cmp::Ordering::Equal if rounding == Rounding::HalfAwayFromZero => away,
            std::cmp::Ordering::Equal => {
                if &floor % 2 == BigInt::ZERO {
                    floor
                } else {
                    up
                }
            }
        },
    }
}

fn any_rounding() -> impl Strategy<Value = Rounding> {
    prop_oneof![
        Just(Rounding::HalfAwayFromZero),
        Just(Rounding::HalfEven),
        Just(Rounding::Up),
        Just(Rounding::Down)
    ]
}

proptest! {
    #[test]
    fn addition_is_exact_or_refused(left in any::<i64>(), right in any::<i64>()) {
        let usd = currency("USD");
        let exact = BigInt::from(left) + BigInt::from(right);
        match Money::new(left, usd).checked_add(Money::new(right, usd)) {
            Ok(sum) => prop_assert_eq!(BigInt::from(sum.minor()), exact),
            Err(error) => {
                prop_assert_eq!(error, MoneyError::Overflow);
                prop_assert!(i64::try_from(exact).is_err());
            }
        }
    }

    #[test]
    fn subtraction_is_exact_or_refused(left in any::<i64>(), right in any::<i64>()) {
        let usd = currency("USD");
        let exact = BigInt::from(left) - BigInt::from(right);
        match Money::new(left, usd).checked_sub(Money::new(right, usd)) {
            Ok(difference) => prop_assert_eq!(BigInt::from(difference.minor()), exact),
            Err(_) => prop_assert!(i64::try_from(exact).is_err()),
        }
    }

    #[test]
    fn a_price_times_a_quantity_is_the_exact_product_rounded_once(
        integer in 0_u64..=999_999_999, fraction in 0_u64..=999_999_999_999, decimals in 0_u8..=6,
        scaled in 0_i64..=999_999_999_999_999, rounding in any_rounding(), code in "USD|JPY|KWD",
    ) {
        let currency = currency(&code);
        let price: UnitPrice = format!("{integer}.{fraction:012}").parse().unwrap();
        let scale = Scale::try_from(decimals).unwrap();
        let product = (BigInt::from(integer) * BigInt::from(10_u64.pow(12)) + BigInt::from(fraction))
            * BigInt::from(scaled) * BigInt::from(10_u64.pow(currency.exponent()));
        let divisor = BigInt::from(10).pow(12 + u32::from(decimals));
        let exact = big_round(&product, &divisor, rounding);
        match price.times(Quantity::from_scaled(scaled), scale, currency, rounding) {
            Ok(money) => prop_assert_eq!(BigInt::from(money.minor()), exact),
            Err(_) => prop_assert!(i64::try_from(exact).is_err()),
        }
    }

    #[test]
    fn quantities_read_back(scaled in 0_i64..=999_999_999_999_999, decimals in 0_u8..=6) {
        let scale = Scale::try_from(decimals).unwrap();
        let quantity = Quantity::from_scaled(scaled);
        prop_assert_eq!(scale.parse(&scale.render(quantity)), Ok(quantity));
    }

    #[test]
    fn any_price_text_is_answered_without_panic(text in ".{0,40}") {
        if let Ok(price) = text.parse::<UnitPrice>() {
            prop_assert_eq!(price.to_string().parse::<UnitPrice>().unwrap(), price);
        }
    }
}
