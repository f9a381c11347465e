//! Payments that come, come late, or never do.

use super::shop::{DAY, HOUR, START, Shop};

const FEBRUARY: i64 = START + 31 * DAY;
const MARCH: i64 = FEBRUARY + 28 * DAY;

#[test]
fn a_card_pays_renewals_and_a_declined_one_makes_them_late() {
    let mut shop = Shop::open();
    let product = shop.product("API");
    let base = shop.flat(&product, 2_500);
    let customer = shop.customer();
    let body = format!("customer={customer}&items[0][price]={base}");
    let refused = shop.try_post("/v1/subscriptions", &body);
    assert_eq!(refused.status, 400, "a customer without a card");
    let incomplete = shop.post(
        "/v1/subscriptions",
        &format!("{body}&payment_behavior=default_incomplete"),
    );
    assert_eq!(incomplete["status"], "incomplete");
    let id = incomplete["id"].as_str().unwrap();
    let first = shop.latest_invoice(id);
    assert_eq!(first["status"], "open");
    shop.fake.pay(first["id"].as_str().unwrap()).unwrap();
    let path = format!("/v1/subscriptions/{id}");
    assert_eq!(shop.get(&path, "")["status"], "active");

    let card = shop.post(
        "/v1/payment_methods/pm_card_visa/attach",
        &format!("customer={customer}"),
    );
    let card = card["id"].as_str().unwrap().to_owned();
    shop.post(
        &format!("/v1/customers/{customer}"),
        &format!("invoice_settings[default_payment_method]={card}"),
    );
    shop.fake.advance_to(FEBRUARY + HOUR);
    assert_eq!(shop.latest_invoice(id)["status"], "paid");
    shop.fake.decline(&card, true);
    shop.fake.advance_to(MARCH + HOUR);
    let third = shop.latest_invoice(id);
    assert_eq!(
        (third["status"].as_str(), third["attempt_count"].as_i64()),
        (Some("open"), Some(1))
    );
    assert_eq!(shop.get(&path, "")["status"], "past_due");
    let strict = format!("{body}&payment_behavior=error_if_incomplete");
    assert_eq!(shop.try_post("/v1/subscriptions", &strict).status, 402);
    let declined = shop.try_post(
        &format!("/v1/invoices/{}/pay", third["id"].as_str().unwrap()),
        "",
    );
    assert_eq!(
        (declined.status, declined.json()["error"]["type"].as_str()),
        (402, Some("card_error"))
    );
    shop.fake.decline(&card, false);
    shop.post(
        &format!("/v1/invoices/{}/pay", third["id"].as_str().unwrap()),
        "",
    );
    assert_eq!(shop.get(&path, "")["status"], "active");
}

#[test]
fn a_first_payment_that_never_comes_expires_the_subscription() {
    let mut shop = Shop::open();
    let product = shop.product("API");
    let base = shop.flat(&product, 2_500);
    let customer = shop.customer();
    let body =
        format!("customer={customer}&items[0][price]={base}&payment_behavior=default_incomplete");
    let id = shop.make("/v1/subscriptions", &body);
    shop.fake.advance_to(START + 23 * HOUR);
    let expired = shop.get(
        &format!("/v1/subscriptions/{id}"),
        "expand[]=latest_invoice",
    );
    assert_eq!(expired["status"], "incomplete_expired");
    assert_eq!(expired["latest_invoice"]["status"], "void");
}

#[test]
fn a_bill_that_is_not_paid_when_due_makes_its_subscription_late() {
    let mut shop = Shop::open();
    let product = shop.product("API");
    let base = shop.flat(&product, 2_500);
    let customer = shop.customer();
    let body = format!(
        "customer={customer}&items[0][price]={base}&collection_method=send_invoice&days_until_due=3"
    );
    let id = shop.make("/v1/subscriptions", &body);
    shop.fake.advance_to(START + HOUR + 3 * DAY);
    assert_eq!(
        shop.get(&format!("/v1/subscriptions/{id}"), "")["status"],
        "past_due"
    );
    let invoice = shop.latest_invoice(&id)["id"].as_str().unwrap().to_owned();
    shop.fake.pay(&invoice).unwrap();
    assert_eq!(
        shop.get(&format!("/v1/subscriptions/{id}"), "")["status"],
        "active"
    );
}
