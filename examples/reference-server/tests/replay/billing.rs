use std::collections::BTreeMap;

use monetization_core::plan_file::PlanFile;
use reference_server::replay::{Offer, Replay, ReplayError, Report};
use serde_json::Value;

use super::naive::{self, NaiveBill};
use super::plans;
use super::world::{SLICE, free, of_one, offer, replay, text, traced};

#[test]
fn totals_are_those_of_a_naive_count_and_every_unit_is_traced_to_its_line() {
    let calls = naive::calls(SLICE);
    for (name, file, plan) in plans::all() {
        let expected = naive::bills(&plan, &calls);
        let (report, trace) = traced(&offer(&file), SLICE);
        assert_eq!(bills(&report, &trace), expected, "{name}");
        let cents: i64 = expected.values().map(|bill| bill.cents).sum();
        assert_eq!(cents_of(&report.plans[0].sum.total), cents, "{name}");
        let billed: usize = expected.values().map(|bill| bill.billed.len()).sum();
        assert_eq!(report.plans[0].sum.billed, billed.to_string(), "{name}");
        assert_eq!(report.log.calls, u64::try_from(calls.len()).unwrap());
        let traced: usize = trace.lines().count();
        assert_eq!(traced, calls.len(), "{name}");
    }
}

/// What the plans are about happens in the slice: without it the test above would show little.
#[test]
fn the_slice_meets_every_limit_and_every_tier() {
    let calls = naive::calls(SLICE);
    let of = |name: &str| naive::bills(&plans::named(name).2, &calls);
    let limited = of("free with limits");
    let (rate, quota): (u64, u64) = limited
        .values()
        .map(|bill| (bill.over_rate, bill.over_quota))
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert!(rate > 4 && quota > 4, "{rate} {quota}");
    let flowing = of("free with a rate that flows");
    let refused: u64 = flowing.values().map(|bill| bill.over_rate).sum();
    let granted: u64 = flowing.values().map(|bill| bill.granted).sum();
    assert!(refused > 40 && granted > 200, "{refused} {granted}");
    let graduated = of("graduated");
    let most = graduated.values().map(|bill| bill.billed.len()).max();
    assert!(most > Some(40), "{most:?}");
    assert_eq!(SLICE.lines().count() - calls.len(), 11);
}

#[test]
fn the_same_log_has_the_same_result_twice() {
    for (name, file, _) in plans::all().into_iter().skip(1).step_by(4) {
        let (first, second) = (traced(&offer(&file), SLICE), traced(&offer(&file), SLICE));
        assert_eq!(first, second, "{name}");
    }
}

#[test]
fn two_plans_are_compared_for_each_consumer_and_in_all() {
    let (first, second) = (
        offer(&plans::named("per unit").1),
        offer(&plans::named("fixed").1),
    );
    let both = Replay {
        compare: Some(second.clone()),
        ..of_one(first.clone())
    };
    let both = both.run(vec![text(SLICE)], |_| {}).unwrap();
    let alone = [replay(&first, SLICE), replay(&second, SLICE)];
    assert_eq!(both.plans[0], alone[0].plans[0]);
    assert_eq!(both.plans[1], alone[1].plans[0]);
    let totals = [0, 1].map(|plan| cents_of(&both.plans[plan].sum.total));
    let difference = cents_of(both.difference.as_ref().unwrap());
    assert_eq!(difference, totals[1] - totals[0]);
    let mut sum = 0;
    for consumer in &both.consumers {
        let pays = [0, 1].map(|plan| cents_of(&consumer.plans[plan].total));
        let difference = cents_of(consumer.difference.as_ref().unwrap());
        assert_eq!(difference, pays[1] - pays[0]);
        sum += difference;
    }
    assert_eq!(sum, difference);
    assert_ne!(sum, 0);
    for (step, alone) in both.course.steps.iter().zip(&alone[1].course.steps) {
        assert_eq!(step.refused[1], alone.refused[0]);
        assert!(step.refused[0].is_empty());
    }
}

#[test]
fn plans_in_two_currencies_have_no_difference() {
    let euros = offer(&plans::terms("billing = \"free\"\ncycle = \"month\"").replace("USD", "EUR"));
    let both = Replay {
        compare: Some(euros),
        ..of_one(free())
    };
    let error = both.run(vec![text(SLICE)], |_| {}).unwrap_err();
    assert!(matches!(error, ReplayError::Currencies { .. }), "{error:?}");
    assert!(error.to_string().contains("USD and EUR"), "{error}");
}

#[test]
fn calls_of_no_operation_are_refused_where_a_product_declares_its_own() {
    let report = replay(
        &of_operations(IMAGES, "billing = \"free\"\ncycle = \"month\""),
        SLICE,
    );
    let images = asked("/images/");
    let sum = &report.plans[0].sum;
    let others = report.log.calls - images;
    assert!(images > 0);
    assert_eq!(sum.granted, images);
    assert_eq!(sum.refused["no_such_resource"], others);
    let steps = report.course.steps.iter();
    let over_time: u64 = steps.flat_map(|step| step.refused[0].values()).sum();
    assert_eq!(over_time, others);
    let page = report.page();
    let named = format!("<br><span class=\"faint\">no_such_resource: {others}</span>");
    assert!(page.contains(&named), "{page}");
    assert!(page.contains("Refused calls: no_such_resource"));
    // Whom it concerns stands beside the reason.
    let first = &report.consumers[0];
    let refused = first.plans[0].refused["no_such_resource"];
    let row =
        format!("<td>{refused}<br><span class=\"faint\">no_such_resource: {refused}</span></td>");
    assert!(page.contains(&row), "{row}");
}

#[test]
fn calls_that_are_sold_in_advance_are_refused_since_nobody_buys_any() {
    let icon = r#"{ method = "GET", path = "/favicon.ico", identifier = "icon", name = "Icon" }"#;
    let offer = of_operations(
        &format!("{IMAGES}, {icon}"),
        r#"billing = "fixed"
        cycle = "month"
        bundles = [{ name = "ten", resource = "images", calls = 10, price = "1.00" }]"#,
    );
    let report = replay(&offer, SLICE);
    let [images, icons] = ["/images/", "/favicon.ico"].map(asked);
    let sum = &report.plans[0].sum;
    assert!(images > 10 && icons > 10);
    assert_eq!(sum.granted, icons);
    assert_eq!(sum.refused["quota_exceeded"], images);
    let others = report.log.calls - images - icons;
    assert_eq!(sum.refused["no_such_resource"], others);
    assert!(report.page().contains("Nobody buys calls in advance"));
}

const IMAGES: &str =
    r#"{ method = "GET", path = "/images/{name}", identifier = "images", name = "Images" }"#;

/// A plan of a product that declares these operations.
fn of_operations(operations: &str, terms: &str) -> Offer {
    let file = format!(
        r#"
        [product]
        slug = "site"
        name = "Site"
        description = ""
        gateway_endpoint = "http://localhost"
        resources = [{operations}]
        {}"#,
        plans::terms(terms)
    );
    let file = PlanFile::parse("plans.toml", file.as_bytes()).unwrap();
    Offer::of(&file, None).unwrap()
}

/// The calls of the slice by GET of a path that begins so, with one segment at most behind it.
fn asked(prefix: &str) -> u64 {
    let is_of = |path: &str| {
        let path = path.split('?').next().unwrap();
        path == prefix
            || prefix.ends_with('/')
                && path
                    .strip_prefix(prefix)
                    .is_some_and(|name| !name.is_empty() && !name.contains('/'))
    };
    let of = naive::calls(SLICE).into_iter().filter(|call| {
        let line = SLICE.lines().nth(usize::try_from(call.line).unwrap() - 1);
        let words: Vec<&str> = line.unwrap().split(' ').collect();
        words[5] == "\"GET" && is_of(words[6])
    });
    u64::try_from(of.count()).unwrap()
}

#[test]
fn bytes_are_billed_as_the_log_has_them() {
    let file = plans::terms(
        r#"billing = "metered"
        cycle = "month"
        [[plans.terms.usage]]
        meter = "traffic"
        package = { size = "100000", price = "0.15" }
        [[meters]]
        name = "traffic"
        unit = "bytes"
        source = "response_bytes""#,
    );
    let (report, trace) = traced(&offer(&file), SLICE);
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for call in naive::calls(SLICE) {
        let line = SLICE.lines().nth(usize::try_from(call.line).unwrap() - 1);
        let size = line.unwrap().split(' ').nth(9).unwrap();
        if (200..300).contains(&call.status) && size != "-" {
            let size = size.parse::<u64>().unwrap();
            *expected.entry(call.consumer).or_default() += size;
        }
    }
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for line in trace.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let bytes = line["counted"]["traffic"].as_str().unwrap_or("0");
        let bytes: u64 = bytes.parse().unwrap();
        if bytes > 0 {
            *counted
                .entry(line["consumer"].as_str().unwrap().to_owned())
                .or_default() += bytes;
        }
    }
    assert_eq!(counted, expected);
    for consumer in &report.consumers {
        let bytes = expected.get(&consumer.name).copied().unwrap_or_default();
        let cents = i64::try_from(bytes.div_ceil(100_000)).unwrap() * 15;
        assert_eq!(
            cents_of(&consumer.plans[0].total),
            cents,
            "{}",
            consumer.name
        );
    }
}

/// What report and trace say of everybody.
fn bills(report: &Report, trace: &str) -> BTreeMap<String, NaiveBill> {
    let mut bills: BTreeMap<String, NaiveBill> = BTreeMap::new();
    for consumer in &report.consumers {
        let figures = &consumer.plans[0];
        let refused = |code: &str| figures.refused.get(code).copied().unwrap_or_default();
        let bill = NaiveBill {
            calls: consumer.calls,
            granted: figures.granted,
            over_rate: refused("rate_exceeded"),
            over_quota: refused("quota_exceeded"),
            billed: Vec::new(),
            cents: cents_of(&figures.total),
        };
        bills.insert(consumer.name.clone(), bill);
    }
    for line in trace.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let bill = bills.get_mut(line["consumer"].as_str().unwrap()).unwrap();
        if line["counted"]["requests"] == "1" {
            bill.billed.push(line["line"].as_u64().unwrap());
        }
    }
    for consumer in &report.consumers {
        let lines = bills[&consumer.name].billed.len();
        assert_eq!(consumer.plans[0].billed, lines.to_string());
    }
    bills
}

fn cents_of(amount: &str) -> i64 {
    let (whole, cents) = amount.split_once('.').unwrap();
    assert_eq!(cents.len(), 2);
    format!("{whole}{cents}").parse().unwrap()
}
