//! Any text as a number, a duration or an alignment: refused, or read back as the same value.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use monetization_core::money::{Currency, Money, Scale, UnitPrice};
use monetization_core::period::{Alignment, CalendarDuration, Cycle, TimeZone};

fuzz_target!(|text: &str| {
    for decimals in 0..=Scale::DECIMALS_MAX {
        let scale = Scale::try_from(decimals).expect("a scale");
        if let Ok(quantity) = scale.parse(text) {
            assert_eq!(scale.parse(&scale.render(quantity)), Ok(quantity));
        }
    }
    for currency in ["JPY", "USD", "KWD"] {
        let currency: Currency = currency.parse().expect("a currency");
        if let Ok(money) = Money::parse(text, currency) {
            assert!(money.minor() >= 0);
        }
    }
    reads_back::<UnitPrice>(text);
    reads_back::<CalendarDuration>(text);
    reads_back::<Alignment>(text);
    reads_back::<Cycle>(text);
    reads_back::<TimeZone>(text);
});

fn reads_back<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => assert_eq!(value.to_string().parse::<T>().ok().as_ref(), Some(&value)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
