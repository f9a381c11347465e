//! How invoices stand at Stripe, and here.

use std::sync::Arc;

use monetization_conformance::sample::text;
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::fake::{Request, SECRET_KEY};
use monetization_core::engine::Page;
use monetization_core::invoice::InvoiceState;
use monetization_core::subscription::BlockReason;
use serde_json::Value;

use crate::market::{DAY, FIXED, HOUR, Market};
use crate::stripe::{StripeFixture, message};

#[tokio::test]
async fn each_status_of_an_invoice_at_stripe_is_one_of_cores_d5() {
    let debtor = Debtor::new().await;
    let market = &debtor.market;
    market.pass_until("2026-02-01T00:00:30Z").await;
    debtor.stands("draft", InvoiceState::Draft).await;
    market.pass(HOUR).await;
    debtor.stands("open", InvoiceState::Open).await;
    market.pass(15 * DAY).await;
    debtor.stands("open", InvoiceState::PastDue).await;
    assert!(debtor.is_blocked().await);
    debtor.ask("mark_uncollectible").await;
    debtor
        .stands("uncollectible", InvoiceState::Uncollectible)
        .await;
    assert!(debtor.is_blocked().await);
    // A payment that comes all the same still counts.
    debtor.stripe.pay(&debtor.newest()).unwrap();
    debtor.stands("paid", InvoiceState::Paid).await;
    assert!(!debtor.is_blocked().await);
    market.pass_until("2026-03-01T02:00:00Z").await;
    debtor.stands("open", InvoiceState::Open).await;
    debtor.ask("void").await;
    debtor.stands("void", InvoiceState::Void).await;
    assert!(!debtor.is_blocked().await);
}

#[tokio::test]
async fn what_was_said_before_a_payment_and_is_heard_after_it_changes_nothing_d5() {
    let debtor = Debtor::new().await;
    let market = &debtor.market;
    market.pass_until("2026-02-01T02:00:00Z").await;
    market.pass(15 * DAY).await;
    let invoice = debtor.newest();
    debtor.stripe.fail_payment(&invoice).unwrap();
    debtor.stripe.pay(&invoice).unwrap();
    let (now, told) = (debtor.stripe.now(), debtor.stripe.deliveries());
    let (paid, earlier): (Vec<_>, Vec<_>) = told
        .iter()
        .filter(|it| it.kind.starts_with("invoice."))
        .partition(|it| it.kind == "invoice.paid");
    let kinds: Vec<&str> = earlier.iter().map(|it| it.kind.as_str()).collect();
    for kind in [
        "invoice.created",
        "invoice.finalized",
        "invoice.overdue",
        "invoice.payment_failed",
    ] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    assert!(market.take(&message(paid[0], now)).await.unwrap().new);
    assert!(!debtor.is_blocked().await);
    let id = market.subscriptions[0];
    let facts = async || (market.subscription(id).await, market.invoices(id).await);
    let after = facts().await;
    for late in earlier
        .iter()
        .filter(|it| it.kind != "invoice.payment_succeeded")
    {
        let taken = market.take(&message(late, now)).await.unwrap();
        assert_eq!(
            (taken.new, taken.contradictions),
            (true, Vec::new()),
            "{}",
            late.kind
        );
        assert_eq!(facts().await, after, "{}", late.kind);
    }
    debtor.stands("paid", InvoiceState::Paid).await;
    assert!(!debtor.is_blocked().await);
}

/// Stripe names no day by which it will have charged a card, and everybody with one was blocked until the
/// payment was heard of.
#[tokio::test]
async fn whom_stripe_charges_by_itself_is_not_late_before_it_has_tried_d2() {
    let debtor = Debtor::new().await;
    let (market, id) = (&debtor.market, debtor.market.subscriptions[0]);
    let back = text("https://shop.example.com/account");
    let page = market
        .monetizer
        .page_url(market.tenant, id, Page::Checkout, &back);
    market.fixture.store_method(&page.await.unwrap()).await;
    market.settle().await;
    market.pass_until("2026-02-01T02:00:00Z").await;
    let (now, told) = (debtor.stripe.now(), debtor.stripe.deliveries());
    let of_invoice = told.iter().filter(|it| it.kind.starts_with("invoice."));
    let (paid, earlier): (Vec<_>, Vec<_>) = of_invoice.partition(|it| {
        let said: Value = serde_json::from_str(&it.body).unwrap();
        said["data"]["object"]["status"] == "paid"
    });
    for told in &earlier {
        market.take(&message(told, now)).await.unwrap();
        market.monetizer.run_jobs().await.unwrap();
        assert!(!debtor.is_blocked().await, "{}", told.kind);
    }
    let charged = market.invoices(id).await.pop().unwrap();
    assert_eq!(charged.state, InvoiceState::Open);
    market.take(&message(paid[0], now)).await.unwrap();
    debtor.stands("paid", InvoiceState::Paid).await;
}

/// A subscriber whose first invoice is paid.
struct Debtor {
    market: Market,
    stripe: Arc<FakeStripe>,
}

impl Debtor {
    async fn new() -> Self {
        let fixture = StripeFixture::start().await;
        let stripe = fixture.faults();
        let market = Market::open(fixture, FIXED, 1).await;
        market.settle().await;
        market.pay_open().await;
        assert_eq!(market.active().await, 1);
        Self { market, stripe }
    }

    /// The newest invoice has this status there and is in this state here, once that was heard.
    async fn stands(&self, status: &str, state: InvoiceState) {
        self.market.settle().await;
        let there = self.stripe.fake().objects("invoice").pop().unwrap();
        assert_eq!(there["status"], status);
        let here = self.market.invoices(self.market.subscriptions[0]).await;
        assert_eq!(here.last().unwrap().state, state, "{status}");
    }

    async fn is_blocked(&self) -> bool {
        let id = self.market.subscriptions[0];
        let blocks = self.market.subscription(id).await.blocks;
        blocks.contains(&BlockReason::Payment)
    }

    fn newest(&self) -> String {
        let newest = self.stripe.fake().objects("invoice").pop().unwrap();
        newest["id"].as_str().unwrap().to_owned()
    }

    /// What the account's owner does by hand.
    async fn ask(&self, what: &str) {
        let path = format!("/v1/invoices/{}/{what}", self.newest());
        let request = Request::post(&path, "").key(SECRET_KEY).idempotent(what);
        assert_eq!(self.stripe.fake().answer(&request).status, 200);
        self.market.settle().await;
    }
}
