//! Who is asked by whom, and what is asked twice.

use monetization_conformance::stripe::fake::{
    Befalls, CONNECTED, Fake, PLATFORM, Permission, Request, SECRET_KEY,
};

use super::shop::{DAY, START, Shop};

fn customers(shop: &mut Shop) -> usize {
    shop.get("/v1/customers", "")["data"]
        .as_array()
        .unwrap()
        .len()
}

#[test]
fn a_key_answers_again_what_it_answered_for_a_day() {
    let mut shop = Shop::open();
    let request = Request::post("/v1/customers", "name=a").idempotent("same");
    let first = shop.ask(request.clone());
    shop.fake.advance_to(START + DAY - 1);
    let again = shop.ask(request.clone());
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let other = shop.ask(Request::post("/v1/customers", "name=b").idempotent("same"));
    assert_eq!(
        (other.status, other.json()["error"]["type"].as_str()),
        (400, Some("idempotency_error"))
    );
    assert_eq!(customers(&mut shop), 1);
    shop.fake.advance_to(START + DAY);
    let forgotten = shop.ask(request);
    assert_eq!(forgotten.header("idempotent-replayed"), None);
    assert_eq!(customers(&mut shop), 2, "it is another one");
}

#[test]
fn a_failure_within_is_stored_and_answered_again() {
    for is_done in [false, true] {
        let mut shop = Shop::open();
        let request = Request::post("/v1/customers", "name=a").idempotent("same");
        let broken = request.clone().key(SECRET_KEY);
        assert_eq!(
            shop.fake
                .answer_with(&broken, Befalls::StoredFailure { is_done })
                .status,
            500
        );
        let again = shop.ask(request.clone());
        assert_eq!(
            (again.status, again.header("idempotent-replayed")),
            (500, Some("true"))
        );
        assert_eq!(customers(&mut shop), usize::from(is_done));
        shop.fake.advance_to(START + DAY);
        assert_eq!(shop.ask(request).status, 200);
    }
}

#[test]
fn what_is_refused_at_once_is_not_stored() {
    let mut shop = Shop::open();
    let wrong = Request::post("/v1/customers", "nam=a").idempotent("same");
    assert_eq!(shop.ask(wrong).json()["error"]["code"], "parameter_unknown");
    assert_eq!(shop.fake.forget_violations().len(), 1);
    let right = Request::post("/v1/customers", "name=a").idempotent("same");
    assert_eq!(shop.ask(right).status, 200);
}

#[test]
fn accounts_see_nothing_of_each_other() {
    let mut shop = Shop::open();
    let own = shop.customer();
    shop.turn_to(Some(CONNECTED));
    assert_eq!(customers(&mut shop), 0);
    let missing = shop.ask(Request::get(&format!("/v1/customers/{own}"), ""));
    assert_eq!(
        (missing.status, missing.json()["error"]["code"].as_str()),
        (404, Some("resource_missing"))
    );
    let same_key = Request::post("/v1/customers", "name=other").idempotent("key-1");
    assert_eq!(shop.ask(same_key).header("idempotent-replayed"), None);
    assert_eq!(shop.get("/v1/account", "")["id"], CONNECTED);
    shop.meter("calls");
    shop.turn_to(None);
    shop.meter("calls");
    assert_eq!(shop.get("/v1/account", "")["id"], PLATFORM);
    shop.turn_to(Some("acct_1SomebodyElse00"));
    assert_eq!(shop.ask(Request::get("/v1/customers", "")).status, 403);
    shop.turn_to(Some(CONNECTED));
    shop.fake.disconnect(CONNECTED);
    assert_eq!(shop.ask(Request::get("/v1/customers", "")).status, 403);
}

#[test]
fn keys_open_their_account_and_mode_as_far_as_they_may() {
    let mut fake = Fake::new(1, START, "http://127.0.0.1");
    fake.add_restricted_key(
        "rk_test_reader",
        PLATFORM,
        [("customers", Permission::Read)],
    );
    fake.add_key("sk_live_platform", PLATFORM);
    let status =
        |fake: &mut Fake, key: &str, request: Request| fake.answer(&request.key(key)).status;
    let read = || Request::get("/v1/customers", "");
    let write = || Request::post("/v1/customers", "name=a").idempotent("1");
    assert_eq!(status(&mut fake, "sk_test_nobody", read()), 401);
    assert_eq!(status(&mut fake, "rk_test_reader", read()), 200);
    assert_eq!(status(&mut fake, "rk_test_reader", write()), 403);
    assert_eq!(
        status(
            &mut fake,
            "rk_test_reader",
            Request::get("/v1/billing/meters", "")
        ),
        403
    );
    let live = fake.answer(&write().key("sk_live_platform")).json();
    assert_eq!(live["livemode"], true);
    let listed = fake.answer(&read().key(SECRET_KEY)).json();
    assert!(
        listed["data"].as_array().unwrap().is_empty(),
        "modes are apart"
    );
    fake.revoke_key("sk_live_platform");
    assert_eq!(status(&mut fake, "sk_live_platform", read()), 401);
    assert!(fake.violations().is_empty());
}

#[test]
fn a_deletion_heeds_no_key_and_finds_nothing_the_second_time() {
    let mut shop = Shop::open();
    let path = format!("/v1/customers/{}", shop.customer());
    let request = Request::delete(&path, "").idempotent("same");
    assert_eq!(shop.ask(request.clone()).json()["deleted"], true);
    assert_eq!(shop.ask(request).status, 404);
    assert_eq!(shop.get(&path, "")["deleted"], true);
}

#[test]
fn what_the_fake_does_not_know_is_refused_and_not_passed_over() {
    let mut shop = Shop::open();
    let customer = shop.customer();
    let item = format!("customer={customer}&currency=usd&amount=5");
    for more in ["discounts[0][coupon]=c", "tax_rates[0]=txr_1"] {
        let refused = shop.try_post("/v1/invoiceitems", &format!("{item}&{more}"));
        let message = refused.json()["error"]["message"].to_string();
        assert!(message.contains("does not know"), "{message}");
    }
    let taxed = format!("customer={customer}&automatic_tax[enabled]=true");
    assert_eq!(shop.try_post("/v1/invoices", &taxed).status, 400);
    let untaxed = taxed.replace("true", "false");
    assert_eq!(shop.try_post("/v1/invoices", &untaxed).status, 200);
}
