use super::*;
use crate::ids::{MeterId, TypedId};
use crate::money::Scale;

fn requests() -> Meter {
    Meter {
        id: MeterId::derived(&[b"requests"]),
        name: Meter::REQUESTS.parse().unwrap(),
        unit: Unit::Requests,
        scale: Scale::WHOLE,
    }
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
    let expected = Quota {
        window: QuotaWindow::Period,
        max: 1_000,
        overage: Overage::Strict,
    };
    assert_eq!(terms.unwrap().enforced_quotas(), [expected]);
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
