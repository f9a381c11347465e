//! Plans of every mode, as a file and by hand.

use super::naive::{Limits, NaivePlan, rounded};

/// Each with its name.
pub(super) fn all() -> Vec<(&'static str, String, NaivePlan)> {
    let nothing = NaivePlan {
        limits: Limits::default(),
        days: 31,
        setup: 0,
        base: 0,
        price: |_| 0,
    };
    let limited = |limits| NaivePlan { limits, ..nothing };
    vec![
        ("free", free(""), nothing),
        (
            "free, 40 a minute and 30 a day",
            free(
                r#"rates = [{ kind = "calendar", window = "minute", max = 40 }]
                quotas = [{ window = "day", max = 30, overage = "strict" },
                          { window = "month", max = 5, overage = "loose" }]"#,
            ),
            limited(Limits {
                minute: Some(40),
                day: Some(30),
                ..Limits::default()
            }),
        ),
        (
            "fixed, attempts count, 30 a period",
            terms(
                r#"billing = "fixed"
                cycle = "month"
                base_price = "2.00"
                setup_fee = "5.00"
                metering = { bill = "attempt" }
                quotas = [{ window = "period", max = 30, overage = "strict" }]"#,
            ),
            NaivePlan {
                limits: Limits {
                    period: Some(30),
                    attempts: true,
                    ..Limits::default()
                },
                setup: 500,
                base: 200,
                ..nothing
            },
        ),
        (
            "each unit, some included",
            metered("unit_price = \"0.0035\"\nincluded = \"7\""),
            NaivePlan {
                price: |used| rounded((0..used.saturating_sub(7)).map(|_| 350)),
                ..nothing
            },
        ),
        (
            "included units that stop",
            metered("unit_price = \"0.01\"\nincluded = \"12\"\noverage = \"strict\""),
            limited(Limits {
                period: Some(12),
                ..Limits::default()
            }),
        ),
        (
            "graduated, each day",
            metered_each(
                "day",
                r#"graduated = [{ up_to = "5", unit_price = "0.01" },
                             { up_to = "20", unit_price = "0.005", flat = "0.25" },
                             { unit_price = "0.0011" }]"#,
            ),
            NaivePlan {
                days: 1,
                base: 10,
                price: graduated,
                ..nothing
            },
        ),
        (
            "by volume",
            metered(
                r#"volume = [{ up_to = "5", unit_price = "0.01" },
                          { up_to = "20", unit_price = "0.0055" },
                          { unit_price = "0.001" }]"#,
            ),
            NaivePlan {
                price: |used| {
                    let each = match used {
                        0..=5 => 1_000,
                        6..=20 => 550,
                        _ => 100,
                    };
                    rounded((0..used).map(|_| each))
                },
                ..nothing
            },
        ),
        (
            "by package",
            metered(r#"package = { size = "10", price = "0.15" }"#),
            NaivePlan {
                price: |used| i64::try_from(used.div_ceil(10)).unwrap() * 15,
                ..nothing
            },
        ),
        (
            "in steps, with a rate",
            metered(
                r#"stairstep = [{ up_to = "5", price = "0" }, { up_to = "20", price = "1.00" },
                             { price = "3.00" }]"#,
            ) + "\n[[plans.terms.rates]]\nkind = \"calendar\"\nwindow = \"minute\"\nmax = 15",
            NaivePlan {
                price: |used| match used {
                    0..=5 => 0,
                    6..=20 => 100,
                    _ => 300,
                },
                ..limited(Limits {
                    minute: Some(15),
                    ..Limits::default()
                })
            },
        ),
    ]
}

fn graduated(used: u64) -> i64 {
    let of_unit = |unit| match unit {
        1..=5 => 1_000,
        6 => 25_500,
        7..=20 => 500,
        _ => 110,
    };
    rounded((1..=used).map(of_unit))
}

fn free(limits: &str) -> String {
    terms(&format!("billing = \"free\"\ncycle = \"month\"\n{limits}"))
}

fn metered(price: &str) -> String {
    let usage = format!("[[plans.terms.usage]]\nmeter = \"requests\"\n{price}");
    terms(&format!(
        "billing = \"metered\"\ncycle = \"month\"\n{usage}"
    ))
}

fn metered_each(cycle: &str, price: &str) -> String {
    metered(price).replace(
        "cycle = \"month\"",
        &format!("cycle = \"{cycle}\"\nbase_price = \"0.10\""),
    )
}

pub(super) fn terms(terms: &str) -> String {
    format!("[[plans]]\nname = \"Plan\"\n[plans.terms]\ncurrency = \"USD\"\n{terms}")
}
