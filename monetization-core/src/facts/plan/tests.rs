use super::*;
use crate::ids::{MeterId, ProductId, TypedId};
use crate::product::{MeterDraft, Unit};

fn requests() -> Meter {
    Meter::requests(MeterId::derived(&[b"requests"])).unwrap()
}

fn check(json: &str) -> Result<PlanTerms, FieldError> {
    PlanTerms::new(serde_json::from_str(json).unwrap(), &[requests()])
}

#[test]
fn a_free_plan_with_a_price_is_refused_by_field() {
    let base = check(r#"{"billing":"free","currency":"USD","cycle":"month","base_price":"1"}"#);
    assert_eq!(base.unwrap_err().field(), "base_price");
    let setup = check(r#"{"billing":"free","currency":"USD","cycle":"month","setup_fee":"1"}"#);
    assert_eq!(setup.unwrap_err().field(), "setup_fee");
    let trial = check(r#"{"billing":"free","currency":"USD","cycle":"month","trial":{"days":1}}"#);
    assert_eq!(trial.unwrap_err().field(), "trial");
}

#[test]
fn an_alignment_that_does_not_fit_the_cycle_is_refused_with_those_that_do_b9() {
    let of = |cycle: &str, alignment: &str| {
        check(&format!(
            r#"{{"billing":"free","currency":"USD","cycle":"{cycle}","alignment":"{alignment}"}}"#
        ))
    };
    for (cycle, alignment) in [
        ("day", "calendar"),
        ("2 weeks", "friday"),
        ("month", "day 31"),
        ("year", "day 1"),
        ("3 months", "start"),
    ] {
        assert_eq!(
            of(cycle, alignment).unwrap().alignment().to_string(),
            alignment
        );
    }
    for (cycle, alignment, allowed) in [
        ("day", "monday", "start and calendar"),
        ("week", "day 1", "monday to sunday"),
        ("month", "monday", "day 1 to day 31"),
    ] {
        let error = of(cycle, alignment).unwrap_err();
        assert_eq!(error.field(), "alignment");
        assert!(error.problem().ends_with(allowed), "{error}");
    }
}

#[test]
fn a_metered_plan_without_usage_is_refused() {
    let error = check(r#"{"billing":"metered","currency":"USD","cycle":"month"}"#).unwrap_err();
    assert_eq!(error.field(), "usage");
}

#[test]
fn an_unknown_meter_is_refused_with_those_there_are() {
    let error = check(
        r#"{"billing":"metered","currency":"USD","cycle":"month",
            "usage":[{"meter":"bytes","unit_price":"1"}]}"#,
    );
    let error = error.unwrap_err();
    assert_eq!(error.field(), "usage[0].meter");
    assert!(error.problem().contains("allowed are requests"), "{error}");
}

/// The terms of a metered plan whose requests cost this.
fn usage(price: &str) -> Result<PlanTerms, FieldError> {
    check(&format!(
        r#"{{"billing":"metered","currency":"USD","cycle":"month","usage":[{{"meter":"requests",{price}}}]}}"#
    ))
}

#[test]
fn a_price_that_makes_no_sense_is_told_by_field_and_with_what_is_allowed() {
    let table = [
        (r#""included":"5""#, "usage[0]", "one of unit_price"),
        (
            r#""unit_price":"1","volume":[{"unit_price":"1"}]"#,
            "usage[0]",
            "two prices",
        ),
        (
            r#""graduated":[]"#,
            "usage[0].graduated",
            "allowed are 1 to 100",
        ),
        (
            r#""graduated":[{"up_to":"5","unit_price":"1"}]"#,
            "usage[0].graduated[0].up_to",
            "leave it out",
        ),
        (
            r#""volume":[{"unit_price":"1"},{"unit_price":"2"}]"#,
            "usage[0].volume[0].up_to",
            "only the last one has none",
        ),
        (
            r#""volume":[{"up_to":"5","unit_price":"1"},{"up_to":"5","flat":"1"},{"flat":"2"}]"#,
            "usage[0].volume[1].up_to",
            "5 is not above 5",
        ),
        (
            r#""volume":[{"up_to":"0","flat":"1"},{"flat":"2"}]"#,
            "usage[0].volume[0].up_to",
            "0 is not above 0",
        ),
        (
            r#""volume":[{"up_to":"1.5","flat":"1"},{"flat":"2"}]"#,
            "usage[0].volume[0].up_to",
            "0 after it",
        ),
        (
            r#""graduated":[{}]"#,
            "usage[0].graduated[0]",
            "unit_price, flat or both",
        ),
        (
            r#""graduated":[{"flat":"1","package":"0"}]"#,
            "usage[0].graduated[0].package",
            "more than 0",
        ),
        (
            r#""package":{"size":"0","price":"1"}"#,
            "usage[0].package.size",
            "more than 0",
        ),
        (
            r#""unit_price":"1","commitment":{"minimum":"9","maximum":"8"}"#,
            "usage[0].commitment.maximum",
            "9.00 USD or more",
        ),
        (
            r#""unit_price":"1","commitment":{"minimum":"0.001"}"#,
            "usage[0].commitment.minimum",
            "2 after it",
        ),
    ];
    for (price, field, allowed) in table {
        let error = usage(price).unwrap_err();
        assert_eq!(error.field(), field, "{error}");
        assert!(error.problem().contains(allowed), "{error}");
    }
}

/// It made a strict quota of nothing, under which no call ever passed.
#[test]
fn strict_overage_without_included_units_is_refused() {
    for included in ["", r#","included":"0""#] {
        let error =
            usage(&format!(r#""unit_price":"1","overage":"strict"{included}"#)).unwrap_err();
        assert_eq!(error.field(), "usage[0].overage");
        assert!(
            error.problem().ends_with("leave it out, or say included"),
            "{error}"
        );
    }
    assert!(usage(r#""unit_price":"1","overage":"strict","included":"1""#).is_ok());
}

#[test]
fn a_percentage_is_exact_or_refused_with_what_is_allowed() {
    let sales = |decimals: u8| {
        let draft = format!(r#"{{"name":"sales","unit":"amount","decimals":{decimals}}}"#);
        let draft: MeterDraft = serde_json::from_str(&draft).unwrap();
        draft
            .check(crate::ids::MeterId::derived(&[b"sales"]))
            .unwrap()
    };
    let priced = |decimals, percentage: &str| {
        let draft = format!(
            r#"{{"billing":"metered","currency":"USD","cycle":"month",
                "usage":[{{"meter":"sales","percentage":{{{percentage}}}}}]}}"#
        );
        let terms = PlanTerms::new(serde_json::from_str(&draft).unwrap(), &[sales(decimals)]);
        terms.map(|_| ()).map_err(|error| error.to_string())
    };
    let exact = [
        (2, r#""rate":"2.3750""#),
        (0, r#""rate":"0.000001""#),
        (6, r#""rate":"3.00""#),
        (2, r#""rate":"10000""#),
        (2, r#""rate":"1","fee":"0.00000001""#),
    ];
    for (decimals, percentage) in exact {
        assert_eq!(priced(decimals, percentage), Ok(()), "{percentage}");
    }
    let at = "usage[0].percentage";
    let refused = [
        (
            2,
            r#""rate":"2.37505""#,
            "rate: it has too many decimals: allowed are 4, for amounts with 2",
        ),
        (
            6,
            r#""rate":"2.9""#,
            "rate: it has too many decimals: allowed are 0, for amounts with 6",
        ),
        (
            2,
            r#""rate":"10000.01""#,
            "rate: 10000.01 is too much: allowed is 10000",
        ),
        (
            2,
            r#""rate":"1","fee":"0.000000001""#,
            "fee: it has too many decimals: allowed are 8, for amounts with 2",
        ),
    ];
    for (decimals, percentage, problem) in refused {
        assert_eq!(priced(decimals, percentage), Err(format!("{at}.{problem}")));
    }
}

#[test]
fn a_price_has_as_many_tiers_as_it_says_and_no_others() {
    for (priced, tiers) in [
        (r#""unit_price":"1""#, 1),
        (r#""package":{"size":"10","price":"1"}"#, 1),
        (
            r#""volume":[{"up_to":"5","unit_price":"2"},{"unit_price":"1"}]"#,
            2,
        ),
        (
            r#""stairstep":[{"up_to":"5","price":"2"},{"up_to":"9","price":"3"},{"price":"4"}]"#,
            3,
        ),
    ] {
        let terms = usage(priced).unwrap();
        let price = &terms.usage()[0].price;
        assert_eq!(price.tiers(), tiers, "{priced}");
        assert!(
            (0..tiers).all(|place| price.tier(place).is_some()),
            "{priced}"
        );
        assert_eq!(price.tier(tiers), None, "{priced}");
    }
}

#[test]
fn only_the_use_of_a_metered_plan_can_be_committed_to() {
    let fixed =
        r#"{"billing":"fixed","currency":"USD","cycle":"month","commitment":{"minimum":"1"}}"#;
    assert_eq!(check(fixed).unwrap_err().field(), "commitment");
}

#[test]
fn terms_are_written_as_they_were_read() {
    let prices = [
        r#""unit_price":"0.01""#,
        r#""graduated":[{"up_to":"5","unit_price":"1","flat":"2","package":"3"},{"unit_price":"0.5"}]"#,
        r#""volume":[{"up_to":"5","flat":"2"},{"unit_price":"0"}],"zero_use":"free""#,
        r#""stairstep":[{"up_to":"9","price":"30"},{"price":"100"}],"included":"4""#,
        r#""package":{"size":"10","price":"1","partial":"free"},"commitment":{"minimum":"5","short_period":"whole"}"#,
    ];
    for price in prices {
        let terms = usage(price).unwrap();
        let drafts: Vec<UsageDraft> = terms.usage().iter().map(Into::into).collect();
        let written = serde_json::to_string(&drafts).unwrap();
        let draft = TermsDraft {
            usage: serde_json::from_str(&written).unwrap(),
            ..TermsDraft::new(terms.billing(), terms.currency(), terms.cycle())
        };
        assert_eq!(PlanTerms::new(draft, &[requests()]), Ok(terms), "{written}");
    }
}

#[test]
fn two_limits_on_one_window_are_refused() {
    let quotas = check(
        r#"{"billing":"free","currency":"USD","cycle":"month","quotas":[
            {"window":"month","max":1,"overage":"strict"},{"window":"month","max":2,"overage":"loose"}]}"#,
    );
    assert_eq!(quotas.unwrap_err().field(), "quotas[1].window");
    let rates = check(
        r#"{"billing":"free","currency":"USD","cycle":"month","rates":[
            {"kind":"calendar","window":"minute","max":1},{"kind":"calendar","window":"minute","max":2}]}"#,
    );
    assert_eq!(rates.unwrap_err().field(), "rates");
}

#[test]
fn strict_included_units_are_a_quota_of_the_period() {
    let terms = check(
        r#"{"billing":"metered","currency":"USD","cycle":"month","usage":[
            {"meter":"requests","unit_price":"0.01","included":"1000","overage":"strict"}]}"#,
    );
    let expected = EnforcedQuota {
        name: QuotaName::calls(QuotaWindow::Period),
        max: 1_000,
        overage: Overage::Strict,
        unit: Unit::Requests,
        is_reported: false,
    };
    let product = ProductId::derived(&[b"weather"]);
    assert_eq!(terms.unwrap().enforced_quotas(product), [expected]);
}

#[test]
fn the_label_is_returned_as_written_or_made_from_the_prices_b5() {
    let written = check(
        r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25","price_label":"a mere 25!"}"#,
    );
    assert_eq!(written.unwrap().label(), "a mere 25!");
    let made = check(
        r#"{"billing":"metered","currency":"USD","cycle":"Month","base_price":"25","setup_fee":"5","usage":[
            {"meter":"requests","unit_price":"0.01","included":"1000"}]}"#,
    );
    assert_eq!(
        made.unwrap().label(),
        "25.00 USD per month + 0.01 USD per request after 1000 + 5.00 USD once"
    );
}

#[test]
fn unknown_fields_are_refused() {
    let json = r#"{"billing":"free","currency":"USD","cycle":"month","tenant":"x"}"#;
    assert!(
        serde_json::from_str::<TermsDraft>(json)
            .unwrap_err()
            .to_string()
            .contains("tenant")
    );
}

#[test]
fn terms_read_back_as_stored() {
    let terms = check(
        r#"{"billing":"metered","currency":"KWD","cycle":"year","base_price":"5.001","rates":[
            {"kind":"gcra","count":5,"seconds":1,"burst":2}],"usage":[{"meter":"requests","unit_price":"0.000000000001"}]}"#,
    )
    .unwrap();
    let stored = serde_json::to_string(&terms).unwrap();
    assert_eq!(serde_json::from_str::<PlanTerms>(&stored).unwrap(), terms);
}

/// Each call was paid when it was bought, and once more by the price of its use.
#[test]
fn calls_are_not_sold_in_advance_and_by_use_as_well_b4() {
    let of = |usage: &str, filter: &str| {
        let meter = |name: &str, source: &str| MeterDraft {
            filter: serde_json::from_str(filter).unwrap(),
            ..serde_json::from_str(&format!(r#"{{"name": "{name}", "source": "{source}"}}"#))
                .unwrap()
        };
        let checked = |draft: MeterDraft| {
            let id = MeterId::derived(&[draft.name.as_str().as_bytes()]);
            draft.check(id).unwrap()
        };
        let resource = |name: &str| {
            let json = format!(
                r#"{{"identifier": "{name}", "method": "GET", "path": "/{name}", "name": "{name}"}}"#
            );
            serde_json::from_str::<Resource>(&json).unwrap()
        };
        let meters = [meter("queries", "calls"), meter("volume", "bytes")].map(checked);
        let draft = format!(
            r#"{{"billing": "metered", "currency": "USD", "cycle": "month",
                "usage": [{{"meter": "{usage}", "unit_price": "1"}}],
                "bundles": [{{"name": "ten", "resource": "search", "calls": 10, "price": "5"}}]}}"#
        );
        let countable = Countable {
            meters: &meters,
            resources: &[resource("search"), resource("browse")],
        };
        PlanTerms::new(serde_json::from_str(&draft).unwrap(), countable)
    };
    for filter in ["{}", r#"{"resources": ["browse", "search"]}"#] {
        let error = of("queries", filter).unwrap_err();
        assert_eq!(error.field(), "bundles[0].resource");
        assert!(error.problem().contains("queries"), "{error}");
    }
    for (usage, filter) in [
        ("queries", r#"{"resources": ["browse"]}"#),
        ("volume", "{}"),
    ] {
        assert_eq!(of(usage, filter).unwrap().bundles().len(), 1, "{usage}");
    }
}

#[test]
fn a_trial_lasts_from_a_day_to_two_years_b16() {
    let tried = |days: u16| {
        check(&format!(
            r#"{{"billing":"fixed","currency":"USD","cycle":"month","trial":{{"days":{days}}}}}"#
        ))
    };
    for days in [1, 730] {
        assert_eq!(tried(days).unwrap().trial().unwrap().days, days);
    }
    for days in [0, 731, u16::MAX] {
        let error = tried(days).unwrap_err();
        assert_eq!(
            (error.field(), error.problem()),
            ("trial.days", "allowed are 1 to 730")
        );
    }
}
