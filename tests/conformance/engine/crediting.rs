//! Money of invoices that is given back, or that is no longer asked for.

use monetization_core::engine::{EngineContext, EngineError, Issued};
use monetization_core::invoice::{Credit, CreditTo, InvoiceState};
use monetization_core::money::Money;
use monetization_core::text::ForeignId;

use super::Bench;
use super::issuing::{customer, issue, issuing, state};
use super::steps::{assert_lost, assert_refused};
use crate::sample::{START, text};

/// Under the same key and, where it may have been given before, under another.
pub async fn a_credit_given_twice_is_one(bench: &Bench) {
    let issued = asked_for(bench, 2_500).await;
    let cx = bench.cx();
    let first = credit(bench, &cx, (&issued, 1, 1_000)).await.unwrap();
    let again = credit(bench, &cx, (&issued, 1, 1_000)).await.unwrap();
    let later = credit(bench, &repeated(bench.cx()), (&issued, 1, 1_000)).await;
    assert_eq!((again, later.unwrap()), (first.clone(), first.clone()));
    // Twice, the first would have left less than this.
    let rest = credit(bench, &bench.cx(), (&issued, 2, 1_500)).await;
    assert_ne!(rest.unwrap(), first);
    assert_eq!(state(bench, &issued.external).await, InvoiceState::Paid);
}

/// A credit that was given without our hearing of it is not given again.
pub async fn a_credit_whose_reply_was_lost_is_given_once(bench: &Bench) {
    let issued = asked_for(bench, 2_500).await;
    let cx = bench.cx();
    bench.fixture.lose_reply(0).await;
    assert_lost(credit(bench, &cx, (&issued, 1, 2_000)).await);
    let again = credit(bench, &repeated(cx), (&issued, 1, 2_000)).await;
    again.unwrap();
    let invoice = bench.fixture.invoice(&issued.external).await.unwrap();
    assert_eq!(invoice.state, InvoiceState::Open);
    assert_eq!(
        invoice.total.minor(),
        2_500,
        "what was billed never changes"
    );
}

/// Nobody is asked for what is left: nothing.
pub async fn an_invoice_that_is_credited_whole_is_paid(bench: &Bench) {
    let issued = asked_for(bench, 2_500).await;
    credit(bench, &bench.cx(), (&issued, 1, 2_500))
        .await
        .unwrap();
    assert_eq!(state(bench, &issued.external).await, InvoiceState::Paid);
    let link = issuing(bench)
        .payment_url(&bench.cx(), &issued.external)
        .await;
    assert_eq!(link.unwrap(), None);
}

/// A mistake of ours cannot become a gift.
pub async fn more_than_is_left_is_not_credited(bench: &Bench) {
    let issued = asked_for(bench, 2_500).await;
    credit(bench, &bench.cx(), (&issued, 1, 2_000))
        .await
        .unwrap();
    assert_refused(credit(bench, &bench.cx(), (&issued, 2, 501)).await);
    assert_eq!(state(bench, &issued.external).await, InvoiceState::Open);
}

/// Neither is what was taken back.
pub async fn what_was_taken_back_is_not_credited(bench: &Bench) {
    let issued = asked_for(bench, 2_500).await;
    let voided = issuing(bench).void(&bench.cx(), &issued.external).await;
    voided.unwrap();
    assert_refused(credit(bench, &bench.cx(), (&issued, 1, 100)).await);
}

/// The balance pays for what the customer is asked for next, as far as it goes.
pub async fn what_was_paid_and_credited_pays_for_the_next_invoice(bench: &Bench) {
    let customer = customer(bench).await;
    let first = issue(bench, &customer, 2_500).await;
    bench.fixture.pay(first.payment_url.as_ref().unwrap()).await;
    credit(bench, &bench.cx(), (&first, 1, 1_500))
        .await
        .unwrap();
    assert_eq!(state(bench, &first.external).await, InvoiceState::Paid);
    let covered = issue(bench, &customer, 1_000).await;
    assert_eq!(covered.payment_url, None);
    assert_eq!(state(bench, &covered.external).await, InvoiceState::Paid);
    let rest = issue(bench, &customer, 1_000).await;
    assert_eq!(state(bench, &rest.external).await, InvoiceState::Open);
    bench.fixture.pay(rest.payment_url.as_ref().unwrap()).await;
    assert_eq!(state(bench, &rest.external).await, InvoiceState::Paid);
}

/// What goes back to where it came from pays for nothing else.
pub async fn a_payment_is_given_back(bench: &Bench) {
    let customer = customer(bench).await;
    let issued = issue(bench, &customer, 2_500).await;
    bench
        .fixture
        .pay(issued.payment_url.as_ref().unwrap())
        .await;
    let mut back = of(1, 2_500);
    back.to = CreditTo::Payment;
    let given = issuing(bench)
        .credit(&bench.cx(), &issued.external, &back)
        .await;
    given.unwrap();
    let next = issue(bench, &customer, 100).await;
    assert_eq!(state(bench, &next.external).await, InvoiceState::Open);
}

/// An open invoice over this much.
async fn asked_for(bench: &Bench, minor: i64) -> Issued {
    let customer = customer(bench).await;
    issue(bench, &customer, minor).await
}

async fn credit(
    bench: &Bench,
    cx: &EngineContext,
    (issued, number, minor): (&Issued, u32, i64),
) -> Result<ForeignId, EngineError> {
    let issuing = issuing(bench);
    issuing
        .credit(cx, &issued.external, &of(number, minor))
        .await
}

fn of(number: u32, minor: i64) -> Credit {
    Credit {
        number,
        amount: Money::new(minor, text("USD")),
        reason: text("an outage"),
        to: CreditTo::Balance,
        request_key: None,
        made_at: START,
        external: None,
        refused_because: None,
    }
}

fn repeated(cx: EngineContext) -> EngineContext {
    EngineContext {
        repeated: true,
        ..cx
    }
}
