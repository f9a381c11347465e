//! Calls that are bought in advance: B4.

use monetization_core::engine::CancelMode;
use monetization_core::flows::{FlowError, WebhookEndpoint};
use monetization_core::invoice::{InvoiceState, Invoicing};

use crate::checking::Tampered;
use crate::database::{Database, Kept};
use crate::meanwhile;
use crate::shop::{Shop, TERMS};
use crate::world::{DAY, World, text};

#[tokio::test]
async fn a_bundle_of_n_calls_admits_exactly_n_b4() {
    let shop = Shop::open().await;
    assert_eq!(shop.calls("/search", 3).await, 0, "nothing was bought");
    assert_eq!(shop.calls("/browse", 3).await, 3);
    assert_eq!(
        shop.buy("ten", Some("first")).await.unwrap(),
        InvoiceState::Draft
    );
    shop.world.settle().await;
    assert_eq!(shop.calls("/search", 3).await, 0, "nothing was paid");
    shop.world.pay_all().await;
    assert_eq!(shop.calls("/search", 7).await, 7);
    // The same order again is the same purchase, and what is left outlives the billing period.
    assert_eq!(
        shop.buy("ten", Some("first")).await.unwrap(),
        InvoiceState::Paid
    );
    shop.world.pass(DAY * 40).await;
    shop.world.settle().await;
    assert_eq!(shop.calls("/search", 7).await, 3);

    shop.buy("ten", Some("second")).await.unwrap();
    assert_eq!(shop.buy("gift", None).await.unwrap(), InvoiceState::Paid);
    shop.world.settle().await;
    shop.world.pay_all().await;
    assert_eq!(shop.calls("/search", 30).await, 11);
    let id = shop.subscription.id;
    let paid = shop.world.invoices(id).await;
    let total: i64 = paid.iter().map(|invoice| invoice.total.minor()).sum();
    assert_eq!(total, 1_000);
}

#[tokio::test]
async fn a_bundle_that_is_not_paid_in_time_is_taken_back_and_blocks_nothing() {
    let shop = Shop::open().await;
    shop.buy("ten", Some("first")).await.unwrap();
    shop.world.settle().await;
    shop.world.pass(DAY * 8).await;
    shop.world.settle().await;
    let invoices = shop.world.invoices(shop.subscription.id).await;
    assert_eq!(invoices.last().unwrap().state, InvoiceState::Void);
    assert_eq!(shop.calls("/search", 1).await, 0);
    assert_eq!(shop.calls("/browse", 1).await, 1);
    let kept = shop.world.subscription(shop.subscription.id).await;
    assert!(kept.blocks.is_empty());
}

/// A payment that had failed once took the invoice out of the job's sight, and it could be paid for ever.
#[tokio::test]
async fn a_bundle_whose_payment_failed_is_taken_back_in_time_too_b4() {
    let database = Database::new();
    let shop = Shop::open_in(World::kept_in(&database, Invoicing::ByCore).await, TERMS).await;
    shop.buy("ten", None).await.unwrap();
    shop.world.settle().await;
    let newest = shop.newest();
    shop.world.provider.fail_payment(newest.as_str()).unwrap();
    shop.world.settle().await;
    assert_eq!(shop.bundle().await, InvoiceState::PastDue);
    assert_eq!(database.broken().await, Vec::<String>::new());
    assert_eq!(shop.calls("/browse", 1).await, 1);
    shop.world.pass(DAY * 8).await;
    shop.world.settle().await;
    assert_eq!(shop.bundle().await, InvoiceState::Void);
    let there = shop.world.provider.invoices().pop().unwrap();
    assert_eq!(there.state, InvoiceState::Void);
    assert_eq!(database.broken().await, Vec::<String>::new());
}

/// The invoice outlived its subscription: whoever paid it had nothing for the money.
#[tokio::test]
async fn a_bundle_is_taken_back_when_its_subscription_ends_b4() {
    for invoicing in [Invoicing::ByCore, Invoicing::ByEngine] {
        for (mode, before) in [
            (CancelMode::Now, InvoiceState::Void),
            (CancelMode::AtPeriodEnd, InvoiceState::Open),
        ] {
            let shop = Shop::open_in(World::new(invoicing).await, TERMS).await;
            shop.world.pass_until("2026-01-30T12:00:00Z").await;
            shop.buy("ten", None).await.unwrap();
            shop.world.settle().await;
            let newest = shop.newest();
            shop.world.cancel(shop.subscription.id, mode).await;
            shop.world.settle().await;
            assert_eq!(shop.bundle().await, before, "{invoicing:?} {mode:?}");
            shop.world.pass_until("2026-02-02T12:00:00Z").await;
            shop.world.settle().await;
            assert_eq!(shop.bundle().await, InvoiceState::Void);
            let there = shop.world.provider.invoices();
            let there = there.iter().find(|invoice| invoice.id == newest).unwrap();
            assert_eq!(there.state, InvoiceState::Void, "{invoicing:?} {mode:?}");
        }
    }
}

#[tokio::test]
async fn a_bundle_is_not_bought_while_its_subscription_is_being_cancelled_b4() {
    let (world, before) = meanwhile::world().await;
    let shop = Shop::open_in(world, TERMS).await;
    let (monetizer, of) = (shop.world.monetizer.clone(), shop.subscription.clone());
    let cancel = async move {
        let cancelled = monetizer.cancel(of.tenant, of.id, CancelMode::Now);
        cancelled.await.unwrap();
    };
    *before.lock().unwrap() = Some(Box::pin(cancel));
    let error = shop.buy("ten", None).await.unwrap_err();
    assert!(matches!(error, FlowError::Illegal(_)), "{error}");
    assert_eq!(shop.world.invoices(shop.subscription.id).await, []);
}

#[tokio::test]
async fn a_payment_of_a_bundle_after_the_end_is_told_and_buys_nothing_b4() {
    let shop = Shop::open().await;
    let id = shop.subscription.id;
    shop.world.pass_until("2026-01-30T12:00:00Z").await;
    shop.buy("ten", None).await.unwrap();
    shop.world.settle().await;
    shop.world.cancel(id, CancelMode::AtPeriodEnd).await;
    // It ends, and is paid before a job has taken it back.
    shop.world.pass_until("2026-02-02T12:00:00Z").await;
    let (provider, monetizer) = (&shop.world.provider, &shop.world.monetizer);
    provider.pay(shop.newest().as_str()).unwrap();
    let (mock, secrets) = (text("mock"), provider.webhook_secrets());
    let mut told = Vec::new();
    for message in provider.deliveries() {
        let taken = monetizer.take_in(
            WebhookEndpoint::new(&mock, &secrets),
            &message.headers,
            &message.body,
        );
        told.extend(taken.await.unwrap().contradictions);
    }
    assert_eq!(told.len(), 1);
    assert!(told[0].ends_with(&format!("it was paid, and {id} is over")));
    assert_eq!(shop.bundle().await, InvoiceState::Paid);
    assert!(shop.world.subscription(id).await.prepaid.is_empty());
}

#[tokio::test]
async fn a_request_key_buys_one_bundle_and_no_other_b4() {
    let shop = Shop::open().await;
    shop.buy("ten", Some("first")).await.unwrap();
    let FlowError::Field(error) = shop.buy("gift", Some("first")).await.unwrap_err() else {
        panic!("it was bought");
    };
    assert_eq!(error.field(), "request_key");
    assert_eq!(shop.bundle().await, InvoiceState::Draft);
}

#[tokio::test]
async fn a_bundle_that_is_not_sold_is_refused_with_those_that_are() {
    let shop = Shop::open().await;
    let error = shop.buy("hundred", None).await.unwrap_err();
    let FlowError::Field(error) = error else {
        panic!("{error}");
    };
    assert_eq!(error.field(), "bundle");
    assert!(
        error.problem().ends_with("allowed are ten, gift"),
        "{error}"
    );
    shop.world
        .cancel(shop.subscription.id, CancelMode::Now)
        .await;
    let error = shop.buy("ten", None).await.unwrap_err();
    assert!(matches!(error, FlowError::Illegal(_)), "{error}");
}

/// Sells bundles until there are calls of each kind; what makes them unpaid has to be found.
async fn found_where_unpaid<D: Tampered>(each: [&'static str; 3]) {
    let database = D::begin().await;
    let world = World::kept_in(&database, Invoicing::ByCore).await;
    let limited = TERMS.replace(
        r#""bundles""#,
        r#""quotas": [{"window": "ever", "resource": "browse", "max": 5, "overage": "strict"}], "bundles""#,
    );
    let shop = Shop::open_in(world, &limited).await;
    shop.buy("gift", None).await.unwrap();
    shop.buy("ten", None).await.unwrap();
    shop.world.settle().await;
    shop.world.pay_all().await;
    assert_eq!(shop.calls("/search", 20).await, 11);
    assert_eq!(shop.calls("/browse", 20).await, 5);
    assert_eq!(database.broken().await, Vec::<String>::new());
    for unpaid in each {
        let broken = database.tampered(unpaid).await.broken().await;
        assert!(
            broken
                .iter()
                .any(|it| it.starts_with("quotas_within_limit")),
            "{unpaid}: {broken:?}"
        );
    }
}

#[tokio::test]
async fn a_database_is_checked_for_calls_that_nobody_bought_b4() {
    found_where_unpaid::<Database>([
        "UPDATE fact SET body = json_remove(body, '$.prepaid') WHERE kind = 'subscription'",
        "UPDATE fact SET body = json_replace(body, '$.prepaid.search', 10) WHERE kind = 'subscription'",
        "UPDATE fact SET body = json_replace(body, '$.terms.quotas[0].max', 4) WHERE kind = 'plan_version'",
    ])
    .await;
}

/// The same in PostgreSQL.
#[cfg(feature = "postgres")]
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_shared_database_is_checked_for_calls_that_nobody_bought_b4() {
    found_where_unpaid::<monetization_conformance::postgres::Database>([
        "UPDATE fact SET body = body::jsonb - 'prepaid' WHERE kind = 'subscription'",
        "UPDATE fact SET body = jsonb_set(body::jsonb, '{prepaid,search}', '10')
        WHERE kind = 'subscription'",
        "UPDATE fact SET body = jsonb_set(body::jsonb, '{terms,quotas,0,max}', '4')
        WHERE kind = 'plan_version'",
    ])
    .await;
}
