//! Pages on which consumers look after what they pay with.

use std::collections::BTreeMap;
use std::sync::Arc;

use monetization_core::engine::{CustomerPortal, EngineError, News, Page, PageRequest};
use monetization_core::invoice::InvoiceState;
use monetization_core::reference::ObjectKind;
use monetization_core::text::ForeignId;

use super::issuing::{customer, issue, state};
use super::steps::DAY;
use super::webhooks::events;
use super::{Bench, Offer};
use crate::sample::text;

/// A link that leads somewhere, each time that somebody wants to go there.
pub async fn each_page_has_a_link(bench: &Bench) {
    let customer = customer(bench).await;
    for page in [Page::Portal, Page::Checkout] {
        for _ in 0..2 {
            let url = visit(bench, &customer, page).await.unwrap();
            assert!(url.contains("://"), "{url}");
        }
    }
}

/// Nobody is asked to pay by hand any more, however often that is asked for.
pub async fn what_is_stored_is_told_and_charged_from_then_on(bench: &Bench) {
    let customer = customer(bench).await;
    let before = issue(bench, &customer, 100).await;
    assert_eq!(state(bench, &before.external).await, InvoiceState::Open);
    let url = visit(bench, &customer, Page::Checkout).await.unwrap();
    bench.fixture.store_method(&url).await;
    let events = events(bench).await;
    let stored = events
        .iter()
        .find(|it| it.news == News::PaymentMethodStored);
    let stored = stored.expect("it is told");
    assert_eq!(
        (stored.object, &stored.external),
        (ObjectKind::Customer, &customer)
    );
    for _ in 0..2 {
        charge(bench, &customer).await;
    }
    let issued = issue(bench, &customer, 2_500).await;
    assert_eq!(state(bench, &issued.external).await, InvoiceState::Paid);
}

/// Neither for what they subscribe to later, nor for the next period of what they have.
pub async fn who_has_stored_a_method_is_charged_for_their_subscriptions(bench: &Bench) {
    let before = bench.running(Offer::FIXED).await;
    let link = before.start.payment_url.as_ref().unwrap();
    bench.fixture.pay(link).await;
    let cx = bench.cx();
    let (_, _, new) = bench.wanted(&cx, Offer::FIXED).await;
    for customer in [&before.new.customer, &new.customer] {
        let url = visit(bench, customer, Page::Checkout).await.unwrap();
        bench.fixture.store_method(&url).await;
        charge(bench, customer).await;
    }
    let start = bench.billing().create_subscription(&cx, &new).await;
    let start = start.unwrap();
    assert_eq!(start.payment_url, None);
    let there = bench.billing().subscription(&cx, &start.external).await;
    assert!(there.unwrap().unwrap().first_paid);

    bench.fixture.advance(DAY * 32).await;
    let invoices = bench.statements().list(&cx, before.external()).await;
    let invoices = invoices.unwrap();
    assert_eq!(invoices.len(), 2);
    assert!(
        invoices.iter().all(|it| it.state == InvoiceState::Paid),
        "{invoices:?}"
    );
}

/// Nothing changes for who has stored nothing.
pub async fn nothing_stored_is_nothing_charged(bench: &Bench) {
    let customer = customer(bench).await;
    charge(bench, &customer).await;
    let issued = issue(bench, &customer, 2_500).await;
    assert!(issued.payment_url.is_some());
    assert_eq!(state(bench, &issued.external).await, InvoiceState::Open);
}

/// There is no page of somebody who is not there.
pub async fn a_page_of_nobody_is_refused(bench: &Bench) {
    let nobody: ForeignId = text("cus_that_never_was");
    for page in [Page::Portal, Page::Checkout] {
        assert!(visit(bench, &nobody, page).await.is_err(), "{page:?}");
    }
}

fn portal(bench: &Bench) -> Arc<dyn CustomerPortal> {
    bench.fixture.engine().portal.expect("handed over")
}

async fn visit(bench: &Bench, customer: &ForeignId, page: Page) -> Result<String, EngineError> {
    let request = PageRequest {
        page,
        return_url: text("https://shop.example.com/account?tab=billing"),
        currency: text("USD"),
        attributes: BTreeMap::new(),
    };
    portal(bench)
        .page_url(&bench.cx(), customer, &request)
        .await
}

async fn charge(bench: &Bench, customer: &ForeignId) {
    let charged = portal(bench).charge_stored(&bench.cx(), customer).await;
    charged.unwrap();
}
