//! Invoices that core has made and the provider collects.

use monetization_core::engine::{EngineErrorKind, InvoiceIssuing, Issued, Removal};
use monetization_core::ids::TypedId;
use monetization_core::invoice::{Invoice, InvoiceState, Invoicing, Line, LineItem, Occasion};
use monetization_core::money::Money;
use monetization_core::period::{Cycle, Schedule};
use monetization_core::reference::ObjectKind;
use monetization_core::text::ForeignId;

use super::Bench;
use super::steps::{DAY, assert_conflict, assert_lost, assert_refused};
use crate::sample::{START, text};

/// Line by line, to the minor unit, in each kind of currency.
pub async fn an_invoice_is_issued_with_exactly_its_lines_and_total(bench: &Bench) {
    // Who collects in dinars counts in ten fils.
    for (currency, least, most) in [
        ("JPY", 1, 999_999_999_999),
        ("USD", 1, 999_999_999_999),
        ("KWD", 10, 999_999_999_990),
    ] {
        let customer = customer(bench).await;
        let invoice = made(bench, currency, &[least, 2_500, most]);
        let issued = issuing(bench)
            .issue(&bench.cx(), &customer, &invoice)
            .await
            .unwrap();
        assert!(issued.payment_url.is_some());
        let there = bench.fixture.invoice(&issued.external).await.unwrap();
        let lines: Vec<_> = invoice
            .lines
            .iter()
            .map(|line| (line.description.clone(), line.amount))
            .collect();
        assert_eq!((there.lines, there.total), (lines, invoice.total));
        assert_eq!(
            (there.state, there.due_at),
            (InvoiceState::Open, invoice.due_at)
        );
    }
}

/// The same key and the same invoice: the same answer, and the customer is asked once.
pub async fn an_invoice_issued_twice_under_one_key_is_one(bench: &Bench) {
    let customer = customer(bench).await;
    let invoice = made(bench, "USD", &[100]);
    let cx = bench.cx();
    let first = issuing(bench)
        .issue(&cx, &customer, &invoice)
        .await
        .unwrap();
    let again = issuing(bench)
        .issue(&cx, &customer, &invoice)
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(bench.fixture.count(ObjectKind::Invoice).await, 1);
}

/// Another invoice, and the same with another amount.
pub async fn another_invoice_under_a_used_key_is_a_conflict(bench: &Bench) {
    let customer = customer(bench).await;
    let invoice = made(bench, "USD", &[100]);
    let mut dearer = made(bench, "USD", &[101]);
    dearer.id = invoice.id;
    let cx = bench.cx();
    issuing(bench)
        .issue(&cx, &customer, &invoice)
        .await
        .unwrap();
    for other in [dearer, made(bench, "USD", &[100])] {
        assert_conflict(issuing(bench).issue(&cx, &customer, &other).await);
    }
    assert_eq!(bench.fixture.count(ObjectKind::Invoice).await, 1);
}

/// Here it may be open or past due by the time of a repetition: what is demanded is the same.
pub async fn an_invoice_that_has_moved_on_is_still_the_same(bench: &Bench) {
    let customer = customer(bench).await;
    let mut invoice = made(bench, "USD", &[100]);
    let cx = bench.cx();
    let first = issuing(bench)
        .issue(&cx, &customer, &invoice)
        .await
        .unwrap();
    invoice.state = InvoiceState::Open;
    invoice.payment_url.clone_from(&first.payment_url);
    invoice.engine_version = 1;
    let again = issuing(bench)
        .issue(&cx, &customer, &invoice)
        .await
        .unwrap();
    assert_eq!(first.external, again.external);
}

/// An invoice that was issued without our hearing of it is not issued again.
pub async fn an_invoice_whose_reply_was_lost_is_issued_once(bench: &Bench) {
    let customer = customer(bench).await;
    let invoice = made(bench, "USD", &[100]);
    let cx = bench.cx();
    bench.fixture.lose_reply(0).await;
    assert_lost(issuing(bench).issue(&cx, &customer, &invoice).await);
    issuing(bench)
        .issue(&cx, &customer, &invoice)
        .await
        .unwrap();
    assert_eq!(bench.fixture.count(ObjectKind::Invoice).await, 1);
}

/// Nobody is asked for an amount that no line explains.
pub async fn lines_that_do_not_add_up_are_refused(bench: &Bench) {
    let customer = customer(bench).await;
    let mut invoice = made(bench, "USD", &[100, 200]);
    invoice.total = Money::new(301, invoice.currency);
    assert_refused(issuing(bench).issue(&bench.cx(), &customer, &invoice).await);
    assert_eq!(bench.fixture.count(ObjectKind::Invoice).await, 0);
}

/// Nobody is asked for nothing.
pub async fn an_issued_invoice_over_nothing_is_paid(bench: &Bench) {
    let customer = customer(bench).await;
    let invoice = made(bench, "USD", &[0]);
    let issued = issuing(bench)
        .issue(&bench.cx(), &customer, &invoice)
        .await
        .unwrap();
    assert_eq!(issued.payment_url, None);
    assert_eq!(state(bench, &issued.external).await, InvoiceState::Paid);
}

/// Afterwards it cannot be paid; the second time finds it gone.
pub async fn an_unpaid_invoice_is_voided_once(bench: &Bench) {
    let customer = customer(bench).await;
    let issued = issuing(bench)
        .issue(&bench.cx(), &customer, &made(bench, "USD", &[100]))
        .await
        .unwrap();
    let voided = issuing(bench).void(&bench.cx(), &issued.external).await;
    assert_ne!(voided.unwrap(), Removal::AlreadyGone);
    bench
        .fixture
        .pay(issued.payment_url.as_ref().unwrap())
        .await;
    assert_eq!(state(bench, &issued.external).await, InvoiceState::Void);
    let again = issuing(bench).void(&bench.cx(), &issued.external).await;
    assert_eq!(again.unwrap(), Removal::AlreadyGone);
}

/// What was paid stays paid.
pub async fn a_paid_invoice_is_not_voided(bench: &Bench) {
    let customer = customer(bench).await;
    let issued = issuing(bench)
        .issue(&bench.cx(), &customer, &made(bench, "USD", &[100]))
        .await
        .unwrap();
    bench
        .fixture
        .pay(issued.payment_url.as_ref().unwrap())
        .await;
    assert_eq!(state(bench, &issued.external).await, InvoiceState::Paid);
    assert_refused(issuing(bench).void(&bench.cx(), &issued.external).await);
    assert_eq!(state(bench, &issued.external).await, InvoiceState::Paid);
}

/// Links grow old; there is always one by which an open invoice is paid, and none once it is.
pub async fn a_fresh_link_pays_an_invoice_whenever_it_is_asked_for(bench: &Bench) {
    let customer = customer(bench).await;
    let invoice = made(bench, "USD", &[2_500]);
    let issued = issuing(bench)
        .issue(&bench.cx(), &customer, &invoice)
        .await
        .unwrap();
    bench.fixture.advance(DAY * 10).await;
    let link = || async {
        let issuing = issuing(bench);
        issuing.payment_url(&bench.cx(), &issued.external).await
    };
    let fresh = link().await.unwrap().expect("it is to be paid");
    assert_eq!(link().await.unwrap().as_ref(), Some(&fresh));
    bench.fixture.pay(&fresh).await;
    assert_eq!(state(bench, &issued.external).await, InvoiceState::Paid);
    assert_eq!(link().await.unwrap(), None);
    let unknown = issuing(bench)
        .payment_url(&bench.cx(), &text("inv_that_never_was"))
        .await;
    let error = unknown.unwrap_err();
    assert_eq!(*error.kind(), EngineErrorKind::NotFound);
}

/// That is no error.
pub async fn voiding_what_is_unknown_finds_it_gone(bench: &Bench) {
    let voided = issuing(bench)
        .void(&bench.cx(), &text("inv_that_never_was"))
        .await;
    assert_eq!(voided.unwrap(), Removal::AlreadyGone);
}

pub(super) fn issuing(bench: &Bench) -> std::sync::Arc<dyn InvoiceIssuing> {
    bench.fixture.engine().invoices.expect("handed over")
}

pub(super) async fn customer(bench: &Bench) -> ForeignId {
    bench
        .billing()
        .ensure_customer(&bench.cx(), &bench.consumer())
        .await
        .unwrap()
}

/// An invoice of one line over this much, as the provider has it.
pub(super) async fn issue(bench: &Bench, customer: &ForeignId, minor: i64) -> Issued {
    let (issuing, invoice) = (issuing(bench), made(bench, "USD", &[minor]));
    let issued = issuing.issue(&bench.cx(), customer, &invoice).await;
    issued.unwrap()
}

pub(super) async fn state(bench: &Bench, invoice: &ForeignId) -> InvoiceState {
    bench.fixture.invoice(invoice).await.unwrap().state
}

/// An invoice of a period with these amounts, as core makes them.
pub(super) fn made(bench: &Bench, currency: &str, amounts: &[i64]) -> Invoice {
    let currency = text(currency);
    let schedule = Schedule::new(START, Cycle::MONTH);
    let period = schedule.period(0).unwrap();
    let lines = amounts.iter().enumerate().map(|(index, minor)| Line {
        item: LineItem::Base {
            period,
            share: None,
        },
        description: format!("line {index}"),
        amount: Money::new(*minor, currency),
    });
    Invoice {
        id: bench.sample.id(),
        tenant: bench.tenant,
        consumer: bench.sample.id(),
        subscription: TypedId::derived(&[b"one"]),
        product: TypedId::derived(&[b"one"]),
        invoicing: Invoicing::ByCore,
        occasion: Occasion::Period { index: 0, period },
        lines: lines.collect(),
        currency,
        total: Money::new(amounts.iter().sum(), currency),
        state: InvoiceState::Draft,
        payment_url: None,
        issued_at: period.end,
        due_at: period.end.saturating_add(DAY * 14),
        grace_ends_at: None,
        paid_at: None,
        credits: Vec::new(),
        engine_version: 0,
    }
}
