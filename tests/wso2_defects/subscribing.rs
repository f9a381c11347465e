//! Who is subscribed, and may call.

use monetization_conformance::store::Fault as StoreFault;
use monetization_conformance::stripe::fake::Request;
use monetization_conformance::stripe::faults::{Fault, Plan};
use monetization_core::access::Closed;
use monetization_core::engine::CancelMode;
use monetization_core::flows::FlowError;
use monetization_core::runtime::Denial;
use monetization_core::subscription::SubscriptionState;

use crate::market::{DAY, FIXED, HOUR};
use crate::shop::Shop;
use crate::stripe::message;

const LARGE: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"62"}"#;

/// There a subscription was made without a key of its own: one whose answer was lost was made again.
#[tokio::test]
async fn a_subscription_whose_answer_was_lost_is_there_once() {
    let mut shop = Shop::empty().await;
    let plan = shop.market.sell(FIXED).await;
    for path in ["/v1/customers", "/v1/subscriptions"] {
        shop.stripe.plan(Plan::after(Fault::Drop).on("POST", path));
    }
    shop.market.subscribe(&plan).await;
    for _ in 0..4 {
        shop.market.pass(HOUR).await;
        shop.market.settle().await;
    }
    assert_eq!(shop.at_stripe("customer").len(), 1);
    assert_eq!(shop.at_stripe("subscription").len(), 1);
    assert_eq!(shop.totals_at_stripe(), [2_500]);
    shop.market.pay_open().await;
    assert_eq!(shop.admit(0).await, Ok(()));
}

/// There access was given without looking whether anybody had paid, and customers had a card for tests.
#[tokio::test]
async fn nobody_calls_before_the_first_invoice_is_paid_and_nobody_is_given_a_card() {
    let shop = Shop::open(FIXED, 1).await;
    let refused = Err(Denial::Closed(Closed::PaymentRequired));
    assert_eq!(shop.admit(0).await, refused);
    shop.market.pass(DAY).await;
    shop.market.settle().await;
    assert_eq!(shop.admit(0).await, refused);
    let methods = Request::get("/v1/payment_methods", "");
    assert_eq!(shop.by_hand(methods).json()["data"], serde_json::json!([]));
    for seen in shop.stripe.requests() {
        let fields = seen.body.split('&').map(|it| it.split('=').next());
        let mut names = fields.flatten();
        let card = names.find(|it| it.contains("source") || it.ends_with("payment_method]"));
        let card = card.or(seen.body.contains("tok_").then_some("a token"));
        assert_eq!(card, None, "{} {}", seen.path, seen.body);
    }
    shop.market.pay_open().await;
    assert_eq!(shop.admit(0).await, Ok(()));
}

/// There a payment was claimed before anything came of it: what failed then was told as done, and whoever
/// had paid stayed outside.
#[tokio::test]
async fn a_payment_that_is_heard_of_while_the_store_fails_lets_in_when_it_is_told_again() {
    let (shop, faulty) = Shop::over_faulty_store().await;
    let Shop { mut market, stripe } = shop;
    let plan = market.sell(FIXED).await;
    let mut failed = 0;
    for number in 1.. {
        market.subscribe(&plan).await;
        market.settle().await;
        let newest = stripe.fake().objects("invoice").pop().unwrap();
        stripe.pay(newest["id"].as_str().unwrap()).unwrap();
        let mut told = stripe.deliveries();
        told.retain(|it| it.kind == "invoice.paid");
        let paid = message(&told[0], stripe.now());
        let fault_at = faulty.calls() + number;
        faulty.fail_call(fault_at, StoreFault::Before);
        let taken = market.take(&paid).await;
        if faulty.calls() < fault_at {
            assert!(taken.unwrap().new);
            break;
        }
        if let Err(error) = taken {
            failed += 1;
            assert!(matches!(error, FlowError::Store(_)), "{error:?}");
            assert_eq!(market.active().await + 1, market.subscriptions.len());
            assert!(market.take(&paid).await.unwrap().new);
        }
        assert_eq!(market.active().await, market.subscriptions.len());
    }
    assert!(failed > 2, "{failed} failed");
}

/// There a change of tier made a second subscription beside the first, and both were billed.
#[tokio::test]
async fn a_change_of_plan_leaves_one_subscription_and_one_price() {
    let mut shop = Shop::empty().await;
    let small = shop.market.sell(FIXED).await;
    let large = shop.market.sell(LARGE).await;
    shop.market.subscribe(&small).await;
    shop.market.settle().await;
    shop.market.pay_open().await;
    let (market, id) = (&shop.market, shop.only());
    market.pass(DAY).await;
    let changed = market
        .monetizer
        .change_plan(market.tenant, id, large.id, None);
    assert_eq!(changed.await.unwrap().plan, large.id);
    market.settle().await;
    let there = shop.at_stripe("subscription");
    assert_eq!(there.len(), 1);
    assert_eq!(there[0]["items"]["data"].as_array().unwrap().len(), 1);
    market.pay_open().await;
    market.pass_until("2026-02-01T02:00:00Z").await;
    market.settle().await;
    market.pay_open().await;
    market.pass_until("2026-03-01T02:00:00Z").await;
    market.settle().await;
    assert_eq!(market.totals(id).await.last(), Some(&6_200));
    assert_eq!(shop.at_stripe("subscription").len(), 1);
}

/// There one field said both who had been blocked by hand and who had not paid: a payment undid either.
#[tokio::test]
async fn an_owners_block_outlives_a_payment_at_stripe() {
    let shop = Shop::open(FIXED, 1).await;
    shop.market.pay_open().await;
    let (market, id) = (&shop.market, shop.only());
    market.pass_until("2026-02-01T02:00:00Z").await;
    market.settle().await;
    market.pass(15 * DAY).await;
    market.settle().await;
    market.monetizer.block(market.tenant, id).await.unwrap();
    market.pay_open().await;
    assert_eq!(shop.admit(0).await, Err(Denial::Closed(Closed::Blocked)));
    market.monetizer.unblock(market.tenant, id).await.unwrap();
    assert_eq!(shop.admit(0).await, Ok(()));
}

/// There one that Stripe did not have any more could never be cancelled.
#[tokio::test]
async fn a_subscription_that_is_gone_at_stripe_is_cancelled_all_the_same() {
    let shop = Shop::open(FIXED, 1).await;
    shop.market.pay_open().await;
    let (market, id) = (&shop.market, shop.only());
    let external = market.external(id).await;
    shop.by_hand(Request::delete(
        &format!("/v1/subscriptions/{external}"),
        "",
    ));
    // Nobody has heard of that.
    drop(shop.stripe.deliveries());
    let cancelled = market.monetizer.cancel(market.tenant, id, CancelMode::Now);
    cancelled.await.unwrap();
    for _ in 0..3 {
        let report = market.monetizer.carry_out_operations().await.unwrap();
        assert_eq!(report.parked, 0);
        market.pass(HOUR).await;
        market.settle().await;
    }
    let over = market.subscription(id).await.state;
    assert_eq!(over, SubscriptionState::Ended);
    assert_eq!(shop.admit(0).await, Err(Denial::Closed(Closed::Ended)));
    let again = market.monetizer.cancel(market.tenant, id, CancelMode::Now);
    assert_eq!(again.await.unwrap().state, SubscriptionState::Ended);
}
