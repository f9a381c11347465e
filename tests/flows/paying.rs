//! The engine's own pages, and payment methods that are stored there.

use monetization_core::engine::{CancelMode, Page};
use monetization_core::invoice::{InvoiceState, Invoicing};
use monetization_core::subscription::SubscriptionState;
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::provider::PaymentBehaviour;
use monetization_engine_mock::transport::Operation;

use crate::world::{DAY, HOUR, World, text};

const MONTHLY: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;

#[tokio::test]
async fn who_stores_a_payment_method_pays_no_later_invoice_by_hand_d8() {
    for invoicing in [Invoicing::ByCore, Invoicing::ByEngine] {
        let world = World::new(invoicing).await;
        let (of, key) = world.subscriber(MONTHLY).await;
        let back = text("https://shop.example.com/account");
        let url = world
            .monetizer
            .page_url(of.tenant, of.id, Page::Checkout, &back);
        let url = url.await.unwrap();
        let lost = Injection::next(Fault::LoseReply).on(Operation::ChargeStored);
        world.provider.inject(lost);
        let shown = world.provider.submit(&url).unwrap();
        assert!(
            shown.html.contains("https://shop.example.com/account"),
            "the way back"
        );
        world.settle().await;
        world.pass(HOUR).await;
        world.settle().await;
        world.pass_until("2026-02-01T14:00:00Z").await;
        world.settle().await;
        let second = world.invoices(of.id).await.pop().unwrap();
        assert_eq!(second.state, InvoiceState::Paid, "{invoicing:?}");
        world.pass(20 * DAY).await;
        world.settle().await;
        world.call(&key).await.unwrap();
    }
}

#[tokio::test]
async fn the_portal_shows_what_is_owed_and_where_to_pay_it_d8() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(MONTHLY).await;
    let of = world.subscribe(&plan).await.subscription;
    world.settle().await;
    let back = text("https://shop.example.com/?a=1&b=2");
    let url = world
        .monetizer
        .page_url(of.tenant, of.id, Page::Portal, &back);
    let page = world.provider.page(&url.await.unwrap());
    let link = world.subscription(of.id).await.payment_url.unwrap();
    assert!(
        page.html.contains("25.00 USD") && page.html.contains(&link),
        "{}",
        page.html
    );
    assert!(
        page.html.contains("?a=1&amp;b=2"),
        "what others have written is shown as text"
    );
}

/// The engine has taken the money before anybody could tell it: that is never silent.
#[tokio::test]
async fn what_was_charged_for_a_start_that_was_cancelled_is_left_to_an_operator_d6() {
    for (invoicing, operation) in [
        (Invoicing::ByCore, Operation::IssueInvoice),
        (Invoicing::ByEngine, Operation::StartSubscription),
    ] {
        let world = World::new(invoicing).await;
        let (first, _) = world.subscriber(MONTHLY).await;
        let customer = world.provider.customers().remove(0).id;
        let charged = PaymentBehaviour::Automatically;
        world
            .provider
            .set_payment_behaviour(&customer, charged)
            .unwrap();
        let lost = Injection::next(Fault::LoseReply).on(operation);
        world.provider.inject(lost);
        let (plan, _) = world.plan(MONTHLY).await;
        let of = world.subscribe(&plan).await.subscription;
        world.monetizer.run_jobs().await.unwrap();
        world.cancel(of.id, CancelMode::Now).await;
        let mut parked = 0;
        for _ in 0..3 {
            world.pass(HOUR).await;
            parked += world.monetizer.run_jobs().await.unwrap().operations.parked;
        }
        assert_eq!(parked, 1, "{invoicing:?}");
        assert_eq!(
            world.subscription(of.id).await.state,
            SubscriptionState::Ended
        );
        let going_on = world.subscription(first.id).await.state;
        assert_eq!(going_on, SubscriptionState::Active);
    }
}
