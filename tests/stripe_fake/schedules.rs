//! Changes that wait, and periods that end with the month.

use super::shop::{DAY, HOUR, START, Shop};

const FEBRUARY: i64 = START + 31 * DAY;
const MARCH: i64 = FEBRUARY + 28 * DAY;

#[test]
fn a_schedule_changes_the_plan_when_the_period_ends() {
    let mut shop = Shop::open();
    let (meter, product) = (shop.meter("calls"), shop.product("API"));
    let (large, small) = (shop.flat(&product, 6_200), shop.flat(&product, 3_100));
    let old = shop.metered(&product, &meter, "unit_amount=2");
    let new = shop.metered(&product, &meter, "unit_amount=5");
    let customer = shop.customer();
    let made = shop.subscribe(&customer, &[&large, &old], "");
    let id = made["id"].as_str().unwrap();
    let path = format!("/v1/subscriptions/{id}");
    let schedule = shop.make(
        "/v1/subscription_schedules",
        &format!("from_subscription={id}"),
    );
    let now = format!("phases[0][items][0][price]={large}&phases[0][items][1][price]={old}");
    let then = format!("phases[1][items][0][price]={small}&phases[1][items][1][price]={new}");
    let times = format!(
        "phases[0][start_date]={START}&phases[0][end_date]={FEBRUARY}&phases[1][duration][interval]=month"
    );
    let body = format!("end_behavior=release&{now}&{then}&{times}");
    let planned = shop.post(&format!("/v1/subscription_schedules/{schedule}"), &body);
    assert_eq!(planned["current_phase"]["start_date"], START);
    assert_eq!(planned["phases"][1]["end_date"], MARCH);
    assert_eq!(shop.get(&path, "")["schedule"], schedule.as_str());
    assert_eq!(
        shop.try_post(&path, "cancel_at_period_end=true").status,
        400
    );
    shop.use_units(&customer, START, "a", "10");
    let preview = shop.post("/v1/invoices/create_preview", &format!("subscription={id}"));
    assert_eq!(Shop::amounts(&preview), [3_100, 20]);
    shop.fake.advance_to(FEBRUARY + HOUR);
    shop.use_units(&customer, FEBRUARY, "b", "10");
    assert_eq!(Shop::amounts(&shop.latest_invoice(id)), [3_100, 20]);
    let changed = shop.get(&path, "");
    assert_eq!(changed["items"]["data"].as_array().unwrap().len(), 2);
    assert_eq!(changed["items"]["data"][1]["price"]["id"], new.as_str());
    shop.fake.advance_to(MARCH + HOUR);
    assert_eq!(Shop::amounts(&shop.latest_invoice(id)), [3_100, 50]);
    assert!(
        shop.get(&path, "")["schedule"].is_null(),
        "it goes on by itself"
    );
    let over = shop.get(&format!("/v1/subscription_schedules/{schedule}"), "");
    assert_eq!(over["status"], "released");
}

#[test]
fn a_schedule_that_lets_go_changes_nothing() {
    let mut shop = Shop::open();
    let product = shop.product("API");
    let base = shop.flat(&product, 3_100);
    let customer = shop.customer();
    let id = shop.subscribe(&customer, &[&base], "")["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let schedule = shop.make(
        "/v1/subscription_schedules",
        &format!("from_subscription={id}"),
    );
    let path = format!("/v1/subscription_schedules/{schedule}/release");
    assert_eq!(shop.post(&path, "")["status"], "released");
    assert_eq!(shop.try_post(&path, "").status, 400, "it has let go");
    let ending = shop.post(
        &format!("/v1/subscriptions/{id}"),
        "cancel_at_period_end=true",
    );
    assert_eq!(ending["cancel_at_period_end"], true);
    let again = shop.try_post(
        "/v1/subscription_schedules",
        &format!("from_subscription={id}"),
    );
    assert_eq!(again.status, 200);
    shop.delete(&format!("/v1/subscriptions/{id}"), "");
    let ended = again.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        shop.get(&format!("/v1/subscription_schedules/{ended}"), "")["status"],
        "canceled"
    );
}

#[test]
fn periods_from_the_last_of_a_month_end_with_each_month() {
    let mut shop = Shop::open();
    let product = shop.product("API");
    let base = shop.flat(&product, 3_100);
    let customer = shop.customer();
    let start = START + 30 * DAY;
    shop.fake.advance_to(start);
    let each = "billing_cycle_anchor_config[day_of_month]=31&billing_cycle_anchor_config[hour]=0&billing_cycle_anchor_config[minute]=0&billing_cycle_anchor_config[second]=0";
    let made = shop.subscribe(
        &customer,
        &[&base],
        &format!("&backdate_start_date={start}&{each}"),
    );
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        Shop::amounts(&shop.latest_invoice(id)),
        [3_100],
        "28 days are a whole cycle"
    );
    let mut ends = Vec::new();
    for _ in 0..4 {
        let found = shop.get(&format!("/v1/subscriptions/{id}"), "");
        let end = found["items"]["data"][0]["current_period_end"]
            .as_i64()
            .unwrap();
        ends.push((end - START) / DAY);
        shop.fake.advance_to(end);
    }
    // 28 February, 31 March, 30 April, 31 May.
    assert_eq!(ends, [58, 89, 119, 150]);
}
