//! Changes of plan, on the same subscription.

use serde_json::Value;

use super::shop::{DAY, HOUR, START, Shop};

/// January has 31 days: after ten of them 21 are left.
const LATER: i64 = START + 10 * DAY;

struct Plans {
    shop: Shop,
    customer: String,
    small: String,
    large: String,
    calls: String,
}

fn plans() -> Plans {
    let mut shop = Shop::open();
    let (meter, product) = (shop.meter("calls"), shop.product("API"));
    let small = shop.flat(&product, 3_100);
    let large = shop.flat(&product, 6_200);
    let calls = shop.metered(&product, &meter, "unit_amount=2");
    let customer = shop.customer();
    Plans {
        shop,
        customer,
        small,
        large,
        calls,
    }
}

fn item(subscription: &Value, index: usize) -> &str {
    subscription["items"]["data"][index]["id"].as_str().unwrap()
}

#[test]
fn an_upgrade_credits_the_rest_and_charges_the_rest() {
    for (behavior, at_once, with_next) in [
        ("create_prorations", None, vec![6_200, -2_100, 4_200]),
        ("always_invoice", Some(vec![-2_100, 4_200]), vec![6_200]),
        ("none", None, vec![6_200]),
    ] {
        let Plans {
            mut shop,
            customer,
            small,
            large,
            ..
        } = plans();
        let made = shop.subscribe(&customer, &[&small], "");
        let id = made["id"].as_str().unwrap();
        shop.fake.advance_to(LATER);
        let path = format!("/v1/subscriptions/{id}");
        let body = format!(
            "items[0][id]={}&items[0][price]={large}&proration_behavior={behavior}",
            item(&made, 0)
        );
        let changed = shop.post(&path, &body);
        assert_eq!(changed["items"]["data"].as_array().unwrap().len(), 1);
        assert_eq!(item(&changed, 0), item(&made, 0));
        let latest = shop.latest_invoice(id);
        match at_once {
            Some(amounts) => {
                assert_eq!(Shop::amounts(&latest), amounts);
                assert_eq!(
                    (latest["status"].as_str(), latest["billing_reason"].as_str()),
                    (Some("open"), Some("subscription_update"))
                );
            }
            None => assert_eq!(latest["billing_reason"], "subscription_create"),
        }
        shop.fake.advance_to(START + 31 * DAY + HOUR);
        assert_eq!(
            Shop::amounts(&shop.latest_invoice(id)),
            with_next,
            "{behavior}"
        );
    }
}

#[test]
fn a_second_change_credits_what_the_first_charged() {
    let Plans {
        mut shop,
        customer,
        small,
        large,
        ..
    } = plans();
    let made = shop.subscribe(&customer, &[&small], "");
    let path = format!("/v1/subscriptions/{}", made["id"].as_str().unwrap());
    let first = made["latest_invoice"].as_str().unwrap();
    shop.post(&format!("/v1/invoices/{first}/finalize"), "");
    let mut change = |price: &str| {
        let body = format!(
            "items[0][id]={}&items[0][price]={price}&proration_behavior=always_invoice",
            item(&made, 0)
        );
        shop.post(&path, &body);
        Shop::amounts(&shop.latest_invoice(made["id"].as_str().unwrap()))
    };
    assert_eq!(change(&large), [-3_100, 6_200]);
    assert_eq!(change(&small), [-6_200, 3_100]);
    // The credit waits for the next bill.
    let balance = shop.get(&format!("/v1/customers/{customer}"), "")["balance"].as_i64();
    assert_eq!(balance, Some(-3_100));
    shop.fake.advance_to(START + 31 * DAY + HOUR);
    let next = shop.latest_invoice(made["id"].as_str().unwrap());
    assert_eq!(
        (
            next["total"].as_i64(),
            next["amount_due"].as_i64(),
            next["starting_balance"].as_i64()
        ),
        (Some(3_100), Some(0), Some(-3_100))
    );
    assert_eq!(next["status"], "paid");
}

#[test]
fn a_metered_price_that_is_taken_off_is_charged_unless_nothing_is_prorated() {
    for (behavior, amounts) in [("create_prorations", vec![6_200, 6]), ("none", vec![6_200])] {
        let Plans {
            mut shop,
            customer,
            large,
            calls,
            ..
        } = plans();
        let made = shop.subscribe(&customer, &[&large, &calls], "");
        let id = made["id"].as_str().unwrap();
        shop.use_units(&customer, START, "a", "3");
        shop.fake.advance_to(LATER);
        let body = format!(
            "items[0][id]={}&items[0][deleted]=true&proration_behavior={behavior}",
            item(&made, 1)
        );
        shop.post(&format!("/v1/subscriptions/{id}"), &body);
        shop.use_units(&customer, LATER, "b", "100");
        shop.fake.advance_to(START + 31 * DAY + HOUR);
        assert_eq!(
            Shop::amounts(&shop.latest_invoice(id)),
            amounts,
            "{behavior}"
        );
    }
}

#[test]
fn a_price_that_is_there_is_not_added_again() {
    let Plans {
        mut shop,
        customer,
        small,
        calls,
        ..
    } = plans();
    let made = shop.subscribe(&customer, &[&small, &calls], "");
    let path = format!("/v1/subscriptions/{}", made["id"].as_str().unwrap());
    let twice = shop.try_post(&path, &format!("items[0][price]={small}"));
    assert_eq!(twice.status, 400);
    let all = format!(
        "items[0][id]={}&items[0][deleted]=true&items[1][id]={}&items[1][deleted]=true",
        item(&made, 0),
        item(&made, 1)
    );
    assert_eq!(
        shop.try_post(&path, &all).status,
        400,
        "nothing would be left"
    );
    let items = shop.get(
        "/v1/subscription_items",
        &format!("subscription={}", made["id"].as_str().unwrap()),
    );
    assert_eq!(items["data"].as_array().unwrap().len(), 2);
    let quantity = shop.try_post(
        &path,
        &format!("items[0][id]={}&items[0][quantity]=2", item(&made, 1)),
    );
    assert_eq!(quantity.status, 400, "metered prices have no quantity");
}

#[test]
fn a_preview_tells_the_next_invoice_and_changes_nothing() {
    let Plans {
        mut shop,
        customer,
        small,
        large,
        calls,
    } = plans();
    let made = shop.subscribe(&customer, &[&small, &calls], "");
    let id = made["id"].as_str().unwrap();
    shop.use_units(&customer, START, "a", "4");
    shop.fake.advance_to(LATER);
    let preview = shop.post(
        "/v1/invoices/create_preview",
        &format!("customer={customer}&subscription={id}"),
    );
    assert_eq!(Shop::amounts(&preview), [3_100, 8]);
    let change = format!(
        "subscription={id}&subscription_details[items][0][id]={}&subscription_details[items][0][price]={large}",
        item(&made, 0)
    );
    let changed = shop.post("/v1/invoices/create_preview", &change);
    assert_eq!(Shop::amounts(&changed), [6_200, -2_100, 4_200, 8]);
    assert_eq!(
        shop.get("/v1/invoices", "")["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        shop.get(&format!("/v1/subscriptions/{id}"), "")["items"]["data"][0]["price"]["id"],
        small.as_str()
    );
}

#[test]
fn a_backdated_subscription_charges_what_was_missed_and_counts_earlier_use() {
    let Plans {
        mut shop,
        customer,
        small,
        calls,
        ..
    } = plans();
    shop.fake.advance_to(LATER);
    shop.use_units(&customer, START + DAY, "early", "5");
    let made = shop.subscribe(
        &customer,
        &[&small, &calls],
        &format!("&backdate_start_date={START}"),
    );
    assert_eq!(
        made["items"]["data"][0]["current_period_end"],
        START + 31 * DAY
    );
    shop.fake.advance_to(START + 31 * DAY + HOUR);
    assert_eq!(
        Shop::amounts(&shop.latest_invoice(made["id"].as_str().unwrap())),
        [3_100, 10]
    );
}
