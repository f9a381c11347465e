use super::*;

pub(super) mod counted;
mod junk;

pub(super) const WHOLE: &str = r#"
[product]
slug = "weather"
name = "Weather"
description = "Forecasts"
gateway_endpoint = "http://127.0.0.1:9000"
status = "active"

[[product.resources]]
identifier = "forecast"
method = "GET"
path = "/forecast/{city}"
name = "Forecast"

[[meters]]
name = "tokens"
decimals = 2

[[plans]]
name = "Free"

[plans.terms]
billing = "free"
currency = "USD"
cycle = "month"
quotas = [{ window = "month", max = 1000, overage = "strict" }]

[[plans]]
name = "Pro"
approval = "manual"

[plans.terms]
billing = "metered"
currency = "USD"
cycle = "month"
base_price = "25.00"
setup_fee = "10"
commitment = { minimum = "5.00", maximum = "500.00", short_period = "whole" }
rounding = "half_even"
metering = { bill = "attempt", unbilled = "spends" }
price_label = "from 25 dollars"

[[plans.terms.usage]]
meter = "requests"
included = "1000"
overage = "loose"
graduated = [
  { up_to = "10000", unit_price = "0.01", flat = "1" },
  { unit_price = "0.008" },
]

[[plans.terms.usage]]
meter = "tokens"
package = { size = "1000", price = "0.02", partial = "free" }
zero_use = "free"

[[plans.terms.rates]]
kind = "calendar"
window = "minute"
max = 60

[[plans.terms.rates]]
kind = "gcra"
count = 100
seconds = 10
burst = 20
"#;

fn mistakes(text: &str) -> Vec<String> {
    let error = PlanFile::parse("plans.toml", text.as_bytes()).unwrap_err();
    error.mistakes().iter().map(ToString::to_string).collect()
}

/// The mistakes of the whole file with one text in place of another.
fn with(from: &str, to: &str) -> Vec<String> {
    assert!(WHOLE.contains(from), "{from}");
    mistakes(&WHOLE.replacen(from, to, 1))
}

#[test]
fn a_file_says_what_the_rest_bodies_say() {
    let file = PlanFile::parse("plans.toml", WHOLE.as_bytes()).unwrap();
    let product = file.product().unwrap();
    assert_eq!(product.slug.as_str(), "weather");
    assert_eq!(product.status, ProductState::Active);
    let meters: Vec<&str> = file.meters().iter().map(|it| it.name.as_str()).collect();
    assert_eq!(meters, ["requests", "tokens"]);
    let pro = file.plan(Some("Pro")).unwrap();
    // The same words in JSON make the same draft.
    let json = serde_json::to_string(&pro.draft).unwrap();
    assert_eq!(serde_json::from_str::<PlanDraft>(&json).unwrap(), pro.draft);
    assert_eq!(pro.terms.label(), "from 25 dollars");
    assert_eq!(pro.terms.usage().len(), 2);
}

#[test]
fn of_several_plans_one_has_to_be_named() {
    let file = PlanFile::parse("plans.toml", WHOLE.as_bytes()).unwrap();
    assert_eq!(
        file.plan(None).unwrap_err().to_string(),
        "plans.toml:1:1: plans: which one is meant? allowed are Free, Pro: write plans.toml#NAME"
    );
    assert_eq!(
        file.plan(Some("pro")).unwrap_err().to_string(),
        "plans.toml:1:1: plans: there is no plan \"pro\": allowed are Free, Pro"
    );
}

/// What is written in place of what, and what is told.
const MISTAKES: [(&str, &str, &str); 26] = [
    (
        "\"25.00\"",
        "25.00",
        "36:14: plans[1].terms.base_price: 25.00 is a number without quotes: allowed is text, \"25.00\"",
    ),
    (
        "\"25.00\"",
        "\"25.001\"",
        "36:14: plans[1].terms.base_price: \"25.001\" has too many digits: allowed are 12 before the point, 2 after it and 16 in all",
    ),
    (
        "\"25.00\"",
        "[1]",
        "36:14: plans[1].terms.base_price: its kind is array: allowed is text in quotes",
    ),
    (
        "base_price",
        "price",
        "36:1: plans[1].terms.price: there is no such field: allowed are billing, currency, cycle, alignment, base_price, proration, setup_fee, trial, usage, commitment, resources, rates, rates_when_away, quotas, bundles, price_label, past_due, metering, rounding",
    ),
    (
        "rounding = \"half_even\"",
        "rounding = \"even\"",
        "39:12: plans[1].terms.rounding: \"even\" is none of them: allowed are half_away_from_zero, half_even, up, down",
    ),
    (
        "\"0.01\"",
        "\"0,01\"",
        "48:35: plans[1].terms.usage[0].graduated[0].unit_price: \"0,01\" is not a number: allowed are the digits 0 to 9 with at most one point between them",
    ),
    (
        "{ unit_price = \"0.008\" }",
        "{ unit_price = \"0.008\", up_to = \"9\" }",
        "49:35: plans[1].terms.usage[0].graduated[1].up_to: the last one has no bound, so that every quantity has a price: leave it out",
    ),
    (
        "meter = \"tokens\"",
        "meter = \"token\"",
        "53:9: plans[1].terms.usage[1].meter: \"token\" is no meter of the product: allowed are requests, tokens",
    ),
    (
        "max = 60",
        "max = \"60\"",
        "60:7: plans[1].terms.rates[0].max: its kind is string: allowed is a whole number, 0 or more",
    ),
    (
        "max = 1000,",
        "max = -1,",
        "26:37: plans[0].terms.quotas[0].max: -1 is not allowed: allowed is a whole number, 0 or more",
    ),
    (
        "decimals = 2",
        "decimals = 7",
        "17:12: meters[0].decimals: 7 decimals are too many: a meter has 0 to 6",
    ),
    (
        "name = \"tokens\"",
        "name = \"requests\"",
        "16:8: meters[0].name: \"requests\" is there already: allowed is a name of its own",
    ),
    (
        "name = \"Pro\"",
        "name = \"Free\"",
        "29:8: plans[1].name: \"Free\" is there already: allowed is a name of its own",
    ),
    (
        "approval = \"manual\"",
        "approval = true",
        "30:12: plans[1].approval: its kind is boolean: allowed is text in quotes",
    ),
    (
        "slug = \"weather\"",
        "slug = \"Weather\"",
        "3:8: product.slug: \"Weather\" begins with another character: allowed is 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit",
    ),
    (
        "path = \"/forecast/{city}\"",
        "path = \"forecast\"",
        "12:8: product.resources[0].path: it does not begin with /",
    ),
    (
        "slug = \"weather\"\n",
        "",
        "2:1: product.slug: it is missing, and has to be given: allowed is 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit",
    ),
    (
        "cycle = \"month\"\nbase_price",
        "base_price",
        "32:1: plans[1].terms.cycle: it is missing, and has to be given: allowed is day, week, month or year, or so many of them such as \"3 months\": how often it is billed",
    ),
    (
        "billing = \"metered\"\n",
        "",
        "32:1: plans[1].terms.billing: it is missing, and has to be given: allowed are free, fixed, metered",
    ),
    (
        "kind = \"calendar\"\n",
        "",
        "57:1: plans[1].terms.rates[0].kind: it is missing, and has to be given: allowed are calendar, gcra",
    ),
    (
        "count = 100\n",
        "",
        "62:1: plans[1].terms.rates[1].count: it is missing, and has to be given: allowed is a whole number, 1 or more",
    ),
    (
        "seconds = 10\n",
        "seconds = 8640001\n",
        "65:11: plans[1].terms.rates[1].seconds: period is longer than 100 days: allowed are 1 to 8640000",
    ),
    (
        "seconds = 10\nburst = 20",
        "seconds = 864000\nburst = 4000000000",
        "66:9: plans[1].terms.rates[1].burst: burst takes longer than 50 years to come back: allowed are 1 to 182500",
    ),
    (
        "[[meters]]",
        "[[meter]]",
        "15:3: meter: there is no such field: allowed are product, meters, plans",
    ),
    (
        "[[meters]]",
        "[meters]",
        "15:1: meters: one table stands here: allowed is [[meters]] for each",
    ),
    (
        "cycle = \"month\"",
        "cycle = ",
        "25:9: string values must be quoted: allowed is literal string",
    ),
];

#[test]
fn each_mistake_is_told_by_line_column_field_and_what_is_allowed() {
    let mut wrong = Vec::new();
    for (from, to, expected) in MISTAKES {
        let told = with(from, to);
        if told != [expected] {
            wrong.push(format!("{to}\n  expected {expected}\n  told {told:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_mistakes_are_told_at_once_and_none_that_only_follows() {
    let text = WHOLE
        .replace("slug = \"weather\"\n", "slug = \"Weather\"\nprice = 1\n")
        .replace("decimals = 2", "decimals = \"2\"")
        .replace(
            "cycle = \"month\"\nbase_price",
            "cycle = \"moon\"\nbase_price",
        )
        .replace("\"25.00\"", "25.00")
        .replace("max = 1000", "maximum = 1000")
        .replace("burst = 20", "burst = 0");
    let told = mistakes(&text);
    let fields = told.iter().map(|told| told.split(": ").nth(1).unwrap());
    assert_eq!(
        fields.collect::<Vec<_>>(),
        [
            "product.slug",
            "product.price",
            "meters[0].decimals",
            "plans[0].terms.quotas[0].max",
            "plans[0].terms.quotas[0].maximum",
            "plans[1].terms.cycle",
            "plans[1].terms.base_price",
            "plans[1].terms.rates[1].burst",
        ],
        "{told:#?}"
    );
}

#[test]
fn every_mistake_of_the_syntax_is_told() {
    let told = mistakes("a = \nb = 1\nb = 2\n[[plans\n");
    let lines = told.iter().map(|told| told.split(':').next().unwrap());
    assert_eq!(lines.collect::<Vec<_>>(), ["1", "3", "4"], "{told:#?}");
}

#[test]
fn what_is_no_text_is_answered_sensibly() {
    let told = |bytes: &[u8]| PlanFile::parse("f", bytes).unwrap_err().to_string();
    assert_eq!(
        told(b"[[plans]]\nname = \"\xff\"\n"),
        "f:2:9: the byte 0xff is no UTF-8: allowed is text in UTF-8"
    );
    for binary in [&b"\x7fELF\x02\x01\x00\xff"[..], b"a = 1\0"] {
        assert_eq!(
            told(binary),
            "f:1:1: this is no text but a binary file: allowed is TOML in UTF-8"
        );
    }
    assert_eq!(
        told(b""),
        "f:1:1: plans: there is none: allowed are 1 to 100, each under [[plans]]"
    );
    assert_eq!(
        told(&vec![b'#'; PlanFile::BYTES_MAX + 1]),
        "f:1:1: the file is too large: allowed are 1048576 bytes"
    );
}
