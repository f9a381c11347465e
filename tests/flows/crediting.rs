//! Money of invoices that is given back, or is no longer asked for.

use monetization_core::flows::{FlowError, NewCredit, RevenueQuestion};
use monetization_core::invoice::{CreditTo, Invoice, InvoiceState, Invoicing};
use monetization_core::money::Money;
use monetization_core::subscription::{Subscription, SubscriptionState};
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::provider::{Refusal, RefusalKind};
use monetization_engine_mock::transport::Operation;

use crate::world::{HOUR, World, text};

const MONTHLY: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;

fn order(minor: i64, key: &str) -> NewCredit {
    NewCredit {
        amount: Money::new(minor, text("USD")),
        reason: text("an outage"),
        to: CreditTo::Balance,
        request_key: Some(text(key)),
    }
}

async fn credit(world: &World, of: &Invoice, order: &NewCredit) -> Result<Invoice, FlowError> {
    let credited = world.monetizer.credit_invoice(of.tenant, of.id, order);
    credited.await
}

/// A subscriber with their paid first invoice, made by either side.
async fn customer(invoicing: Invoicing) -> (World, Subscription, Invoice) {
    let world = World::new(invoicing).await;
    let (of, _) = world.subscriber(MONTHLY).await;
    let invoice = world.invoices(of.id).await.remove(0);
    assert_eq!(invoice.state, InvoiceState::Paid);
    (world, of, invoice)
}

#[tokio::test]
async fn a_credit_is_given_once_here_and_at_the_engine_whatever_is_lost_h5() {
    for invoicing in [Invoicing::ByCore, Invoicing::ByEngine] {
        let (world, of, invoice) = customer(invoicing).await;
        let lost = Injection::next(Fault::LoseReply).on(Operation::CreditInvoice);
        world.provider.inject(lost);
        for _ in 0..2 {
            credit(&world, &invoice, &order(1_000, "refund-1"))
                .await
                .unwrap();
            world.monetizer.run_jobs().await.unwrap();
        }
        world.pass(HOUR).await;
        world.settle().await;
        let here = world.invoices(of.id).await.remove(0);
        let there = world.provider.invoices().remove(0);
        assert_eq!((here.credits.len(), there.credits.len()), (1, 1));
        assert_eq!(
            here.credits[0].external.as_ref(),
            Some(&there.credits[0].id)
        );
        assert_eq!(
            (here.state, here.total.minor()),
            (InvoiceState::Paid, 2_500)
        );
        let question = RevenueQuestion::default();
        let revenue = world.monetizer.revenue(of.tenant, &question).await.unwrap();
        let total = revenue.total.values().next().unwrap();
        assert_eq!(total.paid.amount(), "15.00", "{invoicing:?}");
    }
}

#[tokio::test]
async fn an_invoice_that_is_credited_whole_gives_access_h5() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(MONTHLY).await;
    let ordered = world.subscribe(&plan).await;
    let (of, key) = (ordered.subscription, ordered.key.unwrap().1);
    world.settle().await;
    let invoice = world.invoices(of.id).await.remove(0);
    assert_eq!(invoice.state, InvoiceState::Open);
    assert!(world.call(&key).await.is_err());
    credit(&world, &invoice, &order(2_500, "gift"))
        .await
        .unwrap();
    world.settle().await;
    let invoice = world.invoices(of.id).await.remove(0);
    assert_eq!(
        (invoice.state, invoice.payment_url),
        (InvoiceState::Paid, None)
    );
    assert_eq!(
        world.subscription(of.id).await.state,
        SubscriptionState::Active
    );
    world.call(&key).await.unwrap();
}

#[tokio::test]
async fn what_was_credited_pays_for_the_next_period_h5() {
    let (world, of, invoice) = customer(Invoicing::ByCore).await;
    credit(&world, &invoice, &order(2_500, "all-of-it"))
        .await
        .unwrap();
    world.settle().await;
    world.pass_until("2026-02-01T12:00:00Z").await;
    world.settle().await;
    let second = world.invoices(of.id).await.remove(1);
    assert_eq!(
        (second.state, second.total.minor()),
        (InvoiceState::Paid, 2_500)
    );
}

#[tokio::test]
async fn a_credit_that_makes_no_sense_is_refused_by_field_h5() {
    let (world, of, invoice) = customer(Invoicing::ByCore).await;
    credit(&world, &invoice, &order(1_000, "first"))
        .await
        .unwrap();
    let mut foreign = order(100, "euros");
    foreign.amount = Money::new(100, text("EUR"));
    let cases = [
        (order(0, "nothing"), "credit"),
        (order(-1, "negative"), "credit"),
        (order(1_501, "too-much"), "credit"),
        (foreign, "credit"),
        (order(999, "first"), "request_key"),
    ];
    for (order, field) in cases {
        match credit(&world, &invoice, &order).await {
            Err(FlowError::Field(error)) => assert_eq!(error.field(), field, "{error}"),
            other => panic!("{order:?}: {other:?}"),
        }
    }
    let (plan, _) = world.plan(MONTHLY).await;
    let unpaid = world.subscribe(&plan).await.subscription;
    let draft = world.invoices(unpaid.id).await.remove(0);
    assert_eq!(draft.state, InvoiceState::Draft);
    let refused = credit(&world, &draft, &order(100, "early")).await;
    assert!(matches!(refused, Err(FlowError::Field(it)) if it.field() == "invoice"));
    assert_eq!(world.invoices(of.id).await[0].credits.len(), 1);
}

#[tokio::test]
async fn a_credit_that_the_engine_refuses_counts_for_nothing_h5() {
    let (world, of, invoice) = customer(Invoicing::ByCore).await;
    let refusal = Refusal::new(RefusalKind::Permanent, "no refunds today");
    let refused = Injection::next(Fault::Refuse(refusal)).on(Operation::CreditInvoice);
    world.provider.inject(refused);
    let whole = order(2_500, "refund-1");
    credit(&world, &invoice, &whole).await.unwrap();
    let report = world.monetizer.run_jobs().await.unwrap();
    assert_eq!(report.operations.parked, 1);
    let here = world.invoices(of.id).await.remove(0);
    let why = here.credits[0].refused_because.as_deref().unwrap();
    assert!(why.contains("no refunds today"), "{why}");
    assert_eq!(here.net().unwrap().minor(), 2_500);
    // Ordered anew, it is another one.
    credit(&world, &invoice, &whole).await.unwrap();
    world.settle().await;
    let here = world.invoices(of.id).await.remove(0);
    assert_eq!((here.credits.len(), here.net().unwrap().minor()), (2, 0));
    assert!(here.credits[1].external.is_some());
    // What was refused is not given after all, in addition to that.
    let parked = world.store.parked_intents(of.tenant, None, 10).await;
    let refused = parked.unwrap().remove(0).intent.id;
    let resumed = world.monetizer.resume_operation(of.tenant, refused);
    resumed.await.unwrap();
    world.settle().await;
    assert_eq!(world.provider.invoices()[0].credits.len(), 1);
}

/// An earlier try may have been heard: the credit stood twice at the engine once it was ordered anew.
#[tokio::test]
async fn a_credit_that_may_have_been_given_is_not_given_again_under_another_key_h5() {
    for kind in [
        RefusalKind::Unauthorized,
        RefusalKind::Conflict,
        RefusalKind::NotFound,
    ] {
        let (world, of, invoice) = customer(Invoicing::ByCore).await;
        let lost = Injection::next(Fault::LoseReply).on(Operation::CreditInvoice);
        world.provider.inject(lost);
        let order = order(1_000, "refund-1");
        credit(&world, &invoice, &order).await.unwrap();
        world.monetizer.run_jobs().await.unwrap();
        let refusal = Refusal::new(kind, "the key was revoked");
        let refused = Injection::next(Fault::Refuse(refusal)).on(Operation::CreditInvoice);
        world.provider.inject(refused);
        world.pass(HOUR).await;
        world.monetizer.run_jobs().await.unwrap();
        let credited = credit(&world, &invoice, &order).await.unwrap();
        assert_eq!(credited.credits.len(), 1);
        assert_eq!(credited.credits[0].refused_because, None);

        let parked = world.store.parked_intents(of.tenant, None, 10).await;
        for given_up in parked.unwrap() {
            let resumed = world
                .monetizer
                .resume_operation(of.tenant, given_up.intent.id);
            resumed.await.unwrap();
        }
        world.pass(HOUR).await;
        world.settle().await;
        let here = world.invoices(of.id).await.remove(0);
        let there = world.provider.invoices().remove(0);
        assert_eq!((here.credits.len(), there.credits.len()), (1, 1));
        assert_eq!(
            here.credits[0].external.as_ref(),
            Some(&there.credits[0].id)
        );
    }
}
