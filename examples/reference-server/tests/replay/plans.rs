//! Plans of every mode, as a file and by hand.

use super::naive::{Limits, NaivePlan, rounded};

/// A name, the plan file and the same by hand.
type Plan = (&'static str, String, NaivePlan);

/// Nothing costs anything, and everything passes.
const NOTHING: NaivePlan = NaivePlan {
    limits: NO_LIMITS,
    days: 31,
    setup: 0,
    base: 0,
    price: |_| 0,
};
const NO_LIMITS: Limits = Limits {
    minute: None,
    bucket: None,
    day: None,
    period: None,
    attempts: false,
};

/// Plans of every mode.
pub(super) fn all() -> Vec<Plan> {
    [without_use(), by_unit(), by_many()].concat()
}

/// The plan of this name.
pub(super) fn named(name: &str) -> Plan {
    let found = all().into_iter().find(|(of, _, _)| *of == name);
    found.unwrap()
}

fn without_use() -> Vec<Plan> {
    vec![
        ("free", free(""), NOTHING),
        (
            "free with limits",
            free(
                r#"rates = [{ kind = "calendar", window = "minute", max = 40 }]
                quotas = [{ window = "day", max = 30, overage = "strict" },
                          { window = "month", max = 5, overage = "loose" }]"#,
            ),
            NaivePlan {
                limits: Limits {
                    minute: Some(40),
                    day: Some(30),
                    ..NO_LIMITS
                },
                ..NOTHING
            },
        ),
        (
            "free with a rate that flows",
            free(r#"rates = [{ kind = "gcra", count = 2, seconds = 60, burst = 4 }]"#),
            NaivePlan {
                limits: Limits {
                    bucket: Some((30, 4)),
                    ..NO_LIMITS
                },
                ..NOTHING
            },
        ),
        (
            "fixed",
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
                    ..NO_LIMITS
                },
                setup: 500,
                base: 200,
                ..NOTHING
            },
        ),
    ]
}

fn by_unit() -> Vec<Plan> {
    vec![
        (
            "per unit",
            metered("unit_price = \"0.0035\"\nincluded = \"7\""),
            NaivePlan {
                price: |used| rounded((0..used.saturating_sub(7)).map(|_| 350)),
                ..NOTHING
            },
        ),
        (
            "included units that stop",
            metered("unit_price = \"0.01\"\nincluded = \"12\"\noverage = \"strict\""),
            NaivePlan {
                limits: Limits {
                    period: Some(12),
                    ..NO_LIMITS
                },
                ..NOTHING
            },
        ),
        (
            "graduated",
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
                ..NOTHING
            },
        ),
    ]
}

fn by_many() -> Vec<Plan> {
    vec![
        (
            "volume",
            metered(
                r#"volume = [{ up_to = "5", unit_price = "0.01" },
                          { up_to = "20", unit_price = "0.0055" },
                          { unit_price = "0.001" }]
                [plans.terms.commitment]
                minimum = "0.04""#,
            ),
            NaivePlan {
                price: volume,
                ..NOTHING
            },
        ),
        (
            "package",
            metered(r#"package = { size = "10", price = "0.15" }"#),
            NaivePlan {
                price: |used| i64::try_from(used.div_ceil(10)).unwrap() * 15,
                ..NOTHING
            },
        ),
        (
            "stairstep",
            metered(
                r#"stairstep = [{ up_to = "5", price = "0" }, { up_to = "20", price = "1.00" },
                             { price = "3.00" }]
                [[plans.terms.rates]]
                kind = "calendar"
                window = "minute"
                max = 15"#,
            ),
            NaivePlan {
                limits: Limits {
                    minute: Some(15),
                    ..NO_LIMITS
                },
                price: |used| match used {
                    0..=5 => 0,
                    6..=20 => 100,
                    _ => 300,
                },
                ..NOTHING
            },
        ),
    ]
}

fn volume(used: u64) -> i64 {
    let each = match used {
        0..=5 => 1_000,
        6..=20 => 550,
        _ => 100,
    };
    rounded((0..used).map(|_| each)).max(4)
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
