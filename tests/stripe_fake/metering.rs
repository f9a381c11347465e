//! Meter events: taken once, for a time, and looked at later.

use serde_json::Value;

use super::shop::{DAY, HOUR, START, Shop};

/// Summaries lag behind what was taken.
const LAG: i64 = 300;

fn sum(shop: &mut Shop, meter: &str, customer: &str) -> Option<f64> {
    let counted_at = shop.fake.now() + LAG;
    shop.fake.advance_to(counted_at);
    let query = format!(
        "customer={customer}&start_time={}&end_time={}",
        START - DAY,
        START + 40 * DAY
    );
    let found = shop.get(
        &format!("/v1/billing/meters/{meter}/event_summaries"),
        &query,
    );
    found["data"][0]["aggregated_value"].as_f64()
}

fn event(customer: &str, identifier: &str, value: &str) -> String {
    format!(
        "event_name=calls&identifier={identifier}&payload[stripe_customer_id]={customer}&payload[value]={value}"
    )
}

#[test]
fn an_identifier_counts_once_in_a_day_and_again_after_it() {
    let mut shop = Shop::open();
    let (meter, customer) = (shop.meter("calls"), shop.customer());
    shop.use_units(&customer, START, "a", "2");
    shop.fake.advance_to(START + DAY - 1);
    let twice = shop.try_post("/v1/billing/meter_events", &event(&customer, "a", "2"));
    assert_eq!(twice.status, 400);
    assert_eq!(
        twice.json()["error"]["message"],
        "An event already exists with identifier a."
    );
    assert_eq!(twice.header("stripe-should-retry"), Some("false"));
    assert_eq!(sum(&mut shop, &meter, &customer), Some(2.0));
    shop.fake.advance_to(START + DAY);
    shop.post("/v1/billing/meter_events", &event(&customer, "a", "2"));
    assert_eq!(
        sum(&mut shop, &meter, &customer),
        Some(4.0),
        "it is forgotten"
    );
}

#[test]
fn events_of_the_wrong_time_are_refused() {
    let mut shop = Shop::open();
    let customer = shop.customer();
    shop.meter("calls");
    for (at, code) in [
        (START - 35 * DAY - 1, "timestamp_too_far_in_past"),
        (START + 301, "timestamp_in_future"),
    ] {
        let body = format!("{}&timestamp={at}", event(&customer, "a", "1"));
        let refused = shop.try_post("/v1/billing/meter_events", &body);
        assert_eq!(
            (refused.status, refused.json()["error"]["code"].as_str()),
            (400, Some(code))
        );
        assert_eq!(
            shop.fake.forget_violations().len(),
            1,
            "nobody should ask so"
        );
    }
    for at in [START - 35 * DAY, START + 300] {
        shop.use_units(&customer, at, &at.to_string(), "1");
    }
}

#[test]
fn an_event_can_be_cancelled_for_a_day() {
    let mut shop = Shop::open();
    let (meter, customer) = (shop.meter("calls"), shop.customer());
    shop.use_units(&customer, START, "a", "2");
    shop.use_units(&customer, START, "b", "3");
    let cancel =
        |identifier: &str| format!("event_name=calls&type=cancel&cancel[identifier]={identifier}");
    shop.post("/v1/billing/meter_event_adjustments", &cancel("a"));
    assert_eq!(sum(&mut shop, &meter, &customer), Some(3.0));
    let again = shop.try_post("/v1/billing/meter_events", &event(&customer, "a", "2"));
    assert_eq!(again.status, 400, "its identifier is known all the same");
    shop.fake.advance_to(START + DAY);
    assert_eq!(
        shop.try_post("/v1/billing/meter_event_adjustments", &cancel("b"))
            .status,
        400
    );
}

#[test]
fn what_is_wrong_is_told_later_in_thin_events() {
    let mut shop = Shop::open();
    let (meter, customer) = (shop.meter("calls"), shop.customer());
    shop.fake.listen("http://127.0.0.1/hook", false);
    shop.use_units(&customer, START, "good", "1");
    shop.use_units("cus_nobody", START, "lost", "1");
    shop.post(
        "/v1/billing/meter_events",
        "event_name=other&identifier=o&payload[stripe_customer_id]=c&payload[value]=1",
    );
    shop.use_units(&customer, START, "late", "5");
    assert!(shop.fake.reject_meter_event("late"));
    assert!(!shop.fake.reject_meter_event("late"), "it is out already");
    assert_eq!(sum(&mut shop, &meter, &customer), Some(1.0));
    let told: Vec<Value> = shop
        .fake
        .take_deliveries()
        .iter()
        .map(|it| serde_json::from_str(&it.body).unwrap())
        .collect();
    let kinds: Vec<&str> = told.iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "v1.billing.meter.no_meter_found",
            "v1.billing.meter.error_report_triggered"
        ]
    );
    assert_eq!(told[1]["related_object"]["id"], meter.as_str());
    assert!(told[1].get("data").is_none(), "it is thin");
    let read = shop.get(
        &format!("/v2/core/events/{}", told[1]["id"].as_str().unwrap()),
        "",
    );
    let samples = read["data"]["reason"]["error_types"].as_array().unwrap();
    let codes: Vec<&str> = samples
        .iter()
        .map(|it| it["code"].as_str().unwrap())
        .collect();
    assert_eq!(
        codes,
        [
            "meter_event_customer_not_found",
            "meter_event_invalid_value"
        ]
    );
    assert_eq!(
        samples[1]["sample_errors"][0]["request"]["identifier"],
        "late"
    );
    let request = monetization_conformance::stripe::fake::Request::get("/v1/billing/meters", "");
    assert_eq!(
        shop.ask(request).json()["data"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn summaries_are_windows_of_what_counts() {
    let mut shop = Shop::open();
    let (meter, customer) = (shop.meter("calls"), shop.customer());
    shop.fake.advance_to(START + DAY);
    for (at, identifier, value) in [
        (START, "a", "1.5"),
        (START + HOUR - 1, "b", "2"),
        (START + HOUR, "c", "4"),
    ] {
        shop.use_units(&customer, at, identifier, value);
    }
    let path = format!("/v1/billing/meters/{meter}/event_summaries");
    let query = |window: &str, start: i64| {
        format!(
            "customer={customer}&start_time={start}&end_time={}{window}",
            START + DAY
        )
    };
    for (second, sums) in [(LAG - 1, vec![]), (LAG, vec![4.0, 3.5])] {
        shop.fake.advance_to(START + DAY + second);
        let hours = shop.get(&path, &query("&value_grouping_window=hour", START));
        let values: Vec<f64> = hours["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["aggregated_value"].as_f64().unwrap())
            .collect();
        assert_eq!(values, sums, "newest first, after {second} s");
    }
    let crooked = shop.ask(monetization_conformance::stripe::fake::Request::get(
        &path,
        &query("", START + 1),
    ));
    assert_eq!(crooked.status, 400, "not of a minute");
}

#[test]
fn a_meter_has_its_name_alone_as_long_as_it_is_active() {
    let mut shop = Shop::open();
    let meter = shop.meter("calls");
    let body = "display_name=b&event_name=calls&default_aggregation[formula]=sum";
    assert_eq!(shop.try_post("/v1/billing/meters", body).status, 400);
    assert_eq!(
        shop.post(&format!("/v1/billing/meters/{meter}/deactivate"), "")["status"],
        "inactive"
    );
    shop.post("/v1/billing/meters", body);
    let listed = shop.get("/v1/billing/meters", "status=active");
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}
