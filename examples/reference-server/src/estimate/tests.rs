use proptest::prelude::*;

use super::*;

const PLANS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plans.toml");

fn args(plan: &str, usage: &[&str]) -> EstimateArgs {
    EstimateArgs {
        plan: format!("{PLANS}#{plan}"),
        usage: usage.iter().map(|text| (*text).to_owned()).collect(),
        ..EstimateArgs::default()
    }
}

fn told(args: &EstimateArgs) -> String {
    let mut out = Vec::new();
    estimate(args, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn refused(args: &EstimateArgs) -> String {
    estimate(args, Vec::new()).unwrap_err().to_string()
}

#[test]
fn an_estimate_is_a_table_with_a_reason_for_each_amount() {
    let told = told(&args("Pro", &["requests=123456", "tokens=12345"]));
    let table = told.split_once("\n\n").unwrap().1;
    let expected = "  setup                10.00  once, with the first period
  base price           25.00  for each month, whatever is used
  requests    123456  932.28  123456 used, 1000 included: 122456 to pay
                              tier 1, up to 10000: 10000 x 0.01 = 100
                              tier 2, above 10000 up to 100000: 90000 x 0.008 = 720
                              tier 3, above 100000: 22456 x 0.005 = 112.28
  tokens       12345    0.26  13 x 0.02 for 12345 in packages of 1000 = 0.26

  total               967.54  USD
";
    assert_eq!(table, expected);
}

#[test]
fn the_document_says_what_the_table_says() {
    let mut args = args("Pro", &["requests=1200"]);
    args.from = Some("2026-01-01".to_owned());
    args.to = Some("2026-03-01".to_owned());
    let table = told(&args);
    args.json = true;
    let document: serde_json::Value = serde_json::from_str(&told(&args)).unwrap();
    let periods = document["periods"].as_array().unwrap();
    assert_eq!(periods.len(), 2);
    for line in periods
        .iter()
        .flat_map(|period| period["lines"].as_array().unwrap())
    {
        let amount = line["amount"]["amount"].as_str().unwrap();
        assert!(table.contains(amount), "{amount}");
        for reason in line["reasons"].as_array().unwrap() {
            assert!(table.contains(reason["text"].as_str().unwrap()), "{reason}");
        }
    }
    assert!(table.contains(document["total"]["amount"].as_str().unwrap()));
    assert!(table.contains("2 billing periods; the quantities are those of each"));
}

#[test]
fn two_plans_stand_side_by_side_with_their_break_even() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("chart.svg");
    let mut args = args("Pro", &[]);
    args.compare = Some(format!("{PLANS}#Flat"));
    args.svg = Some(svg.clone());
    let table = told(&args);
    assert!(
        table.ends_with(
            "\nbreak-even: at 20250 requests both cost 199.00 USD; above, Flat costs less\n"
        ),
        "{table}"
    );
    assert!(
        table.contains("     20250   199.00  199.00  both the same\n"),
        "{table}"
    );
    let chart = fs::read_to_string(&svg).unwrap();
    assert!(chart.contains(">20,250 requests: 199.00 USD</text>"));
    args.json = true;
    args.range = Some("requests=0..1000".to_owned());
    let document: serde_json::Value = serde_json::from_str(&told(&args)).unwrap();
    assert_eq!(document["break_even"], serde_json::json!([]));
    assert_eq!(document["points"][0]["first"]["amount"], "30.00");
    assert_eq!(document["to"], "1000");
}

const MARKET: &str = r#"
[[meters]]
name = "sales"
unit = "amount"

[[plans]]
name = "Market"

[plans.terms]
billing = "metered"
currency = "USD"
cycle = "month"
usage = [{ meter = "sales", percentage = { rate = "2.9", fee = "0.30", maximum = "12" } }]
"#;

#[test]
fn an_amount_is_estimated_by_its_transactions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("market.toml");
    fs::write(&path, MARKET).unwrap();
    let args = |usage: &str| EstimateArgs {
        plan: path.display().to_string(),
        usage: vec![usage.to_owned()],
        ..EstimateArgs::default()
    };
    let told = told(&args("sales=1000000/10000"));
    assert!(
        told.contains("32000.00  10000 x 3.2 = 32000, each 2.9 % of 100 and 0.30"),
        "{told}"
    );
    for (usage, expected) in [
        (
            "sales=5",
            "--usage: sales: each transaction has its price: how many they are is missing: \
             allowed is sales=AMOUNT/TRANSACTIONS",
        ),
        (
            "sales=5/0",
            "--usage: sales: \"0\" is no number of transactions: allowed is 1 to 999999999999999",
        ),
        (
            "requests=5/1",
            "--usage: requests: only amounts are made in transactions: allowed is a quantity alone",
        ),
    ] {
        assert_eq!(refused(&args(usage)), expected);
    }
}

#[test]
fn options_that_make_no_sense_are_refused_by_name() {
    let with = |change: fn(&mut EstimateArgs)| {
        let mut args = args("Pro", &[]);
        change(&mut args);
        refused(&args)
    };
    let table = [
        (
            with(|it| it.usage = vec!["requests".into()]),
            "--usage: \"requests\" is not understood",
        ),
        (
            with(|it| it.usage = vec!["x=1".into()]),
            "--usage: \"x\" is no meter: allowed are requests, tokens",
        ),
        (
            with(|it| it.usage = vec!["requests=1".into(), "requests=2".into()]),
            "--usage: requests is given twice",
        ),
        (
            with(|it| it.currency = Some("EUR".into())),
            "--currency: no plan is in EUR, and nothing is converted: allowed are USD",
        ),
        (with(|it| it.currency = Some("E".into())), "--currency: "),
        (
            with(|it| it.from = Some("2026-01-01".into())),
            "--to: it is missing",
        ),
        (
            with(|it| (it.from, it.to) = (Some("now".into()), Some("2026-01-01".into()))),
            "--from: \"now\" is no instant",
        ),
        (with(|it| it.plan = PLANS.into()), PLANS),
        (
            with(|it| it.plan = "gone.toml".into()),
            "failed to read gone.toml",
        ),
        (
            with(|it| {
                (it.compare, it.usage) = (Some(format!("{PLANS}#Flat")), vec!["requests=1".into()])
            }),
            "--usage: requests is what the range runs over",
        ),
        (
            with(|it| {
                (it.compare, it.range) = (Some(format!("{PLANS}#Flat")), Some("requests=5".into()))
            }),
            "--range: ",
        ),
        (
            with(|it| {
                (it.compare, it.range) =
                    (Some(format!("{PLANS}#Flat")), Some("requests=5..1".into()))
            }),
            "--range: ",
        ),
        (
            with(|it| {
                (it.plan, it.compare) = (format!("{PLANS}#Flat"), Some(format!("{PLANS}#Trial")))
            }),
            "--compare: neither plan prices any use",
        ),
    ];
    for (said, expected) in table {
        assert!(said.starts_with(expected), "{said} is not {expected}");
    }
}

#[test]
fn spans_that_make_no_sense_are_refused_by_option() {
    let of = |from: &str, to: &str| {
        let mut args = args("Pro", &[]);
        (args.from, args.to) = (Some(from.to_owned()), Some(to.to_owned()));
        refused(&args)
    };
    assert_eq!(
        of("2026-01-01", "2025-01-01"),
        "--to: 2025-01-01T00:00:00Z is not after 2026-01-01T00:00:00Z: allowed are later instants"
    );
    assert_eq!(
        of("9999-12-01", "9999-12-31"),
        "--to: a billing period ends beyond the calendar: allowed is up to 9999-12-31T23:59:59.999999Z"
    );
}

/// The file was found not to be writable after all the work.
#[test]
fn a_chart_that_cannot_be_written_is_told_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("none/chart.svg");
    let args = EstimateArgs {
        compare: Some("gone.toml".to_owned()),
        svg: Some(svg.clone()),
        ..args("gone", &[])
    };
    assert_eq!(refused(&args), format!("failed to write {}", svg.display()));
}

#[test]
fn what_goes_wrong_leaves_no_empty_chart() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("chart.svg");
    let args = EstimateArgs {
        compare: Some("gone.toml".to_owned()),
        svg: Some(svg.clone()),
        ..args("gone", &[])
    };
    refused(&args);
    assert!(!svg.exists());
    fs::write(&svg, "an older one").unwrap();
    refused(&args);
    assert_eq!(fs::read_to_string(&svg).unwrap(), "an older one");
}

#[test]
fn a_plan_of_its_currency_is_chosen_among_several() {
    let folder = tempfile::tempdir().unwrap();
    let plan = |name: &str, currency: &str| {
        format!(
            "[[plans]]\nname = \"{name}\"\n[plans.terms]\nbilling = \"fixed\"\ncycle = \"month\"\nbase_price = \"5\"\ncurrency = \"{currency}\"\n"
        )
    };
    let path = folder.path().join("p.toml");
    fs::write(&path, plan("Here", "USD") + &plan("There", "JPY")).unwrap();
    let args = EstimateArgs {
        plan: path.display().to_string(),
        currency: Some("jpy".to_owned()),
        ..EstimateArgs::default()
    };
    assert!(told(&args).starts_with("There: 5 JPY per month\n"));
}

proptest! {
    #[test]
    fn any_text_for_quantities_and_instants_is_answered_without_panic_r_v3(
        text in "(requests|tokens|[a-z])?[=.]{0,3}([0-9]{0,20}|.{0,12})(\\.\\.)?[0-9.]{0,18}",
    ) {
        let file = PlanChoice::new(PLANS).file().unwrap();
        let used = quantities::used(std::slice::from_ref(&text), file.meters());
        if let Ok(used) = used {
            prop_assert!(used.values().all(|used| used.quantity.scaled() >= 0));
        }
        if let Err(error) = quantities::range(&text, file.meters()) {
            prop_assert!(error.to_string().starts_with("--range: "));
        }
        if let Err(error) = instant("--from", &text) {
            prop_assert!(error.to_string().contains("allowed are"));
        }
    }
}
