//! Lives of subscriptions, to the cent.

use super::shop::{DAY, HOUR, START, Shop};

const FEBRUARY: i64 = START + 31 * DAY;
const MARCH: i64 = FEBRUARY + 28 * DAY;

#[test]
fn a_metered_subscription_lives_to_the_cent_of_its_invoices() {
    let mut shop = Shop::open();
    let (meter, product) = (shop.meter("calls"), shop.product("API"));
    let base = shop.flat(&product, 2_500);
    let tiers = "billing_scheme=tiered&tiers_mode=graduated&tiers[0][up_to]=1000&tiers[0][unit_amount]=0&tiers[1][up_to]=inf&tiers[1][unit_amount_decimal]=0.25";
    let calls = shop.metered(&product, &meter, tiers);
    let setup = shop.make(
        "/v1/prices",
        &format!("currency=usd&product={product}&unit_amount=999"),
    );
    let customer = shop.customer();
    let more = format!(
        "&metadata[subscription]=sub-1&application_fee_percent=2.5&add_invoice_items[0][price]={setup}"
    );
    let subscription = shop.subscribe(&customer, &[&base, &calls], &more);
    let id = subscription["id"].as_str().unwrap().to_owned();
    assert_eq!(subscription["status"], "active");
    assert_eq!(subscription["metadata"]["subscription"], "sub-1");
    assert_eq!(subscription["application_fee_percent"], 2.5);
    let first = shop.latest_invoice(&id);
    assert_eq!(
        (first["status"].as_str(), first["total"].as_i64()),
        (Some("draft"), Some(3_499))
    );
    let path = format!("/v1/invoices/{}/finalize", first["id"].as_str().unwrap());
    let first = shop.post(&path, "");
    assert!(
        first["hosted_invoice_url"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1/i/")
    );
    assert_eq!(first["due_date"], START + 30 * DAY);
    shop.fake.pay(first["id"].as_str().unwrap()).unwrap();

    let happened = shop.happened();
    for kind in [
        "customer.subscription.created",
        "invoice.finalized",
        "invoice.paid",
    ] {
        assert!(happened.iter().any(|it| it == kind), "{happened:?}");
    }

    shop.use_units(&customer, START, "a", "1000");
    shop.fake.advance_to(START + 10 * DAY);
    shop.use_units(&customer, START + 10 * DAY, "b", "3");
    shop.fake.advance_to(FEBRUARY + 30 * 60);
    // Late, within the hour of the draft; and early in the next period.
    shop.use_units(&customer, FEBRUARY - 1, "c", "4");
    shop.use_units(&customer, FEBRUARY, "d", "2000");
    let draft = shop.latest_invoice(&id);
    assert_eq!(draft["billing_reason"], "subscription_cycle");
    // 7 x 0.25 is 1.75, which is 2.
    assert_eq!(Shop::amounts(&draft), [2_500, 0, 2]);
    shop.fake.advance_to(FEBRUARY + HOUR);
    let second = shop.latest_invoice(&id);
    assert_eq!(
        (second["status"].as_str(), second["total"].as_i64()),
        (Some("open"), Some(2_502))
    );
    // Too late: a bill does not change.
    shop.use_units(&customer, FEBRUARY - 1, "e", "4000");
    assert_eq!(shop.latest_invoice(&id)["total"], 2_502);

    shop.fake.advance_to(MARCH + HOUR);
    assert_eq!(shop.latest_invoice(&id)["total"], 2_500 + 250);
}

#[test]
fn a_subscription_ends_with_its_period_and_bills_what_was_used() {
    let mut shop = Shop::open();
    let (meter, product) = (shop.meter("calls"), shop.product("API"));
    let calls = shop.metered(&product, &meter, "unit_amount_decimal=1.5");
    let customer = shop.customer();
    let subscription = shop.subscribe(&customer, &[&calls], "");
    assert!(
        subscription["latest_invoice"].is_null(),
        "nothing is due without use"
    );
    let id = subscription["id"].as_str().unwrap();
    let path = format!("/v1/subscriptions/{id}");
    let ending = shop.post(&path, "cancel_at_period_end=true");
    assert_eq!(
        (ending["status"].as_str(), ending["cancel_at"].as_i64()),
        (Some("active"), Some(FEBRUARY))
    );
    shop.use_units(&customer, START, "a", "3");
    shop.fake.advance_to(FEBRUARY + HOUR);
    let ended = shop.get(&path, "expand[]=latest_invoice");
    assert_eq!(
        (ended["status"].as_str(), ended["ended_at"].as_i64()),
        (Some("canceled"), Some(FEBRUARY))
    );
    assert_eq!(ended["latest_invoice"]["total"], 5);
    let again = shop.delete(&path, "");
    assert_eq!(
        (again.status, again.json()["error"]["code"].as_str()),
        (404, Some("resource_missing"))
    );
    assert!(
        shop.get("/v1/subscriptions", "")["data"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        shop.happened()
            .iter()
            .filter(|it| *it == "customer.subscription.deleted")
            .count(),
        1
    );
}

#[test]
fn a_subscription_that_ends_now_bills_what_was_used_where_told_so() {
    let mut shop = Shop::open();
    let (meter, product) = (shop.meter("calls"), shop.product("API"));
    let calls = shop.metered(&product, &meter, "unit_amount=2");
    let (billed, unbilled) = (shop.customer(), shop.customer());
    for (customer, query, total) in [
        (&billed, "invoice_now=true&prorate=false", Some(6)),
        (&unbilled, "", None),
    ] {
        let id = shop.subscribe(customer, &[&calls], "")["id"]
            .as_str()
            .unwrap()
            .to_owned();
        shop.use_units(customer, START, &format!("{customer}-1"), "3");
        shop.fake.advance_to(shop.fake.now() + HOUR);
        let ended = shop.delete(&format!("/v1/subscriptions/{id}"), query);
        assert_eq!(ended.json()["status"], "canceled");
        assert_eq!(shop.latest_invoice(&id)["total"].as_i64(), total);
    }
}

#[test]
fn a_trial_is_free_and_ends_in_a_full_period() {
    let mut shop = Shop::open();
    let (meter, product) = (shop.meter("calls"), shop.product("API"));
    let base = shop.flat(&product, 1_000);
    let calls = shop.metered(&product, &meter, "unit_amount=1");
    let customer = shop.customer();
    let end = START + 14 * DAY;
    let subscription = shop.subscribe(&customer, &[&base, &calls], &format!("&trial_end={end}"));
    let id = subscription["id"].as_str().unwrap();
    assert_eq!(
        (
            subscription["status"].as_str(),
            subscription["trial_end"].as_i64()
        ),
        (Some("trialing"), Some(end))
    );
    shop.use_units(&customer, START, "a", "70");
    shop.fake.advance_to(end + HOUR);
    let invoice = shop.latest_invoice(id);
    assert_eq!(Shop::amounts(&invoice), [1_000]);
    let after = shop.get(&format!("/v1/subscriptions/{id}"), "");
    assert_eq!(after["status"], "active");
    assert_eq!(after["items"]["data"][0]["current_period_start"], end);
}

#[test]
fn a_trial_that_is_cancelled_costs_nothing_at_any_time() {
    let mut shop = Shop::open();
    let (meter, product) = (shop.meter("calls"), shop.product("API"));
    let base = shop.flat(&product, 1_000);
    let calls = shop.metered(&product, &meter, "unit_amount=1");
    let end = START + 14 * DAY;
    for (change, query) in [
        ("cancel_at_period_end=true", None),
        ("", Some("invoice_now=true")),
    ] {
        let customer = shop.customer();
        let made = shop.subscribe(&customer, &[&base, &calls], &format!("&trial_end={end}"));
        let path = format!("/v1/subscriptions/{}", made["id"].as_str().unwrap());
        shop.use_units(&customer, START, &customer, "70");
        match query {
            Some(query) => drop(shop.delete(&path, query)),
            None => drop(shop.post(&path, change)),
        }
    }
    shop.fake.advance_to(end + HOUR);
    let all = shop.fake.objects("subscription");
    assert!(all.iter().all(|it| it["status"] == "canceled"), "{all:?}");
    let all = shop.fake.objects("invoice");
    assert!(all.iter().all(|it| it["total"] == 0), "{all:?}");
}

#[test]
fn an_anchor_makes_the_first_period_short_and_charges_its_share() {
    let mut shop = Shop::open();
    let product = shop.product("API");
    let base = shop.flat(&product, 3_100);
    let anchor = START + 10 * DAY;
    // The cycle before the 11th of January has 31 days.
    for (more, amounts) in [("", vec![1_000]), ("&proration_behavior=none", vec![])] {
        let customer = shop.customer();
        let more = format!("&billing_cycle_anchor={anchor}{more}");
        let made = shop.subscribe(&customer, &[&base], &more);
        assert_eq!(made["items"]["data"][0]["current_period_end"], anchor);
        let first = shop.latest_invoice(made["id"].as_str().unwrap());
        assert_eq!(
            if first.is_null() {
                vec![]
            } else {
                Shop::amounts(&first)
            },
            amounts
        );
    }
}
