//! Two marketplaces in one store.

use std::time::Duration;

use monetization_conformance::market;
use monetization_core::engine::CancelMode;
use monetization_core::flows::{FlowError, Ingested, NewCredit, NewTenant, RevenueQuestion};
use monetization_core::invoice::{CreditTo, Invoicing};
use monetization_core::money::Money;
use monetization_core::product::Product;
use monetization_core::store::{Index, Kind, Listing, RowKey, StoreExt};

use crate::checking::{TERMS, Tampered};
use crate::database::Database;
use crate::world::{World, text};

/// A9: what one sells, who buys it, its keys and invoices are nothing to the other, by whichever id it is asked for; both
/// may sell under one name.
async fn two_marketplaces_never_see_each_other<D: Tampered>() {
    let database = D::begin().await;
    let world = World::kept_in(&database, Invoicing::ByCore).await;
    let (plan, version) = world.plan(TERMS).await;
    let (subscription, key) = world.subscriber(TERMS).await;
    world.calls(&key, 3).await;
    let (id, own) = (subscription.id, world.tenant_id());
    let invoice = world.invoices(id).await.remove(0);
    let monetizer = &world.monetizer;
    let (issued, _) = monetizer.issue_key(own, id).await.unwrap();

    let other = monetizer.create_tenant(NewTenant {
        name: text("Another market"),
        engine: text("mock"),
        invoicing: Invoicing::ByCore,
        payment_days: 14,
        grace_days: 0,
    });
    let other = other.await.unwrap().id;
    let publisher = monetizer.create_publisher(other, text("Somebody else"), None);
    let publisher = publisher.await.unwrap().id;
    let same_name = market::new_product(publisher, market::WEATHER);
    let theirs = market::open_product(monetizer, other, same_name).await;
    assert_ne!(theirs.id, world.product.id);
    let consumer = monetizer.create_consumer(other, text("Their customer"), Vec::new());
    let consumer = consumer.await.unwrap().id;

    let free =
        || serde_json::from_str(r#"{"billing":"free","currency":"USD","cycle":"month"}"#).unwrap();
    let credit = NewCredit {
        amount: Money::new(100, text("USD")),
        reason: text("a gift"),
        to: CreditTo::Balance,
        request_key: None,
    };
    let now = CancelMode::Now;
    let denied = [
        (
            "a plan for its product",
            monetizer
                .create_plan(other, market::new_plan(world.product.id, free()))
                .await
                .map(drop),
        ),
        (
            "its plan",
            monetizer
                .revise_plan(other, plan.id, free())
                .await
                .map(drop),
        ),
        (
            "a subscription to its plan",
            monetizer
                .subscribe(other, market::order(consumer, plan.id))
                .await
                .map(drop),
        ),
        (
            "its statement",
            monetizer.statement(other, id).await.map(drop),
        ),
        (
            "its subscription's end",
            monetizer.cancel(other, id, now).await.map(drop),
        ),
        (
            "its subscription's block",
            monetizer.block(other, id).await.map(drop),
        ),
        (
            "its subscription's version",
            monetizer
                .migrate(other, id, version.id, None)
                .await
                .map(drop),
        ),
        (
            "a key of it",
            monetizer.issue_key(other, id).await.map(drop),
        ),
        (
            "its key's exchange",
            monetizer
                .rotate_key(other, issued.id, Duration::ZERO)
                .await
                .map(drop),
        ),
        (
            "its key's end",
            monetizer.revoke_key(other, issued.id).await.map(drop),
        ),
        (
            "a credit on its invoice",
            monetizer
                .credit_invoice(other, invoice.id, &credit)
                .await
                .map(drop),
        ),
    ];
    for (what, answer) in denied {
        assert!(
            matches!(answer, Err(FlowError::NotFound { .. })),
            "{what}: {answer:?}"
        );
    }
    let used = market::used_elsewhere("theirs", id, ("requests", 1));
    let refused = monetizer.ingest(other, &[used]).await.unwrap();
    assert!(matches!(refused[0], Ingested::Refused(_)), "{refused:?}");
    let earned = monetizer.revenue(other, &RevenueQuestion::default());
    assert_eq!(earned.await.unwrap().rows.len(), 0);

    for kind in [Kind::Subscription, Kind::Invoice, Kind::ApiKey, Kind::Plan] {
        let listing = Listing {
            kind,
            key: None,
            after: None,
            limit: 100,
        };
        let rows = world.store.rows(other, &listing).await.unwrap();
        assert!(rows.is_empty(), "{kind:?}");
    }
    let by_name = RowKey::new(Index::ProductSlug, market::WEATHER);
    for (tenant, product) in [(own, world.product.id), (other, theirs.id)] {
        let found = world
            .store
            .facts_by::<Product>(tenant, by_name.clone())
            .await
            .unwrap();
        assert_eq!(
            found.iter().map(|it| it.fact.id).collect::<Vec<_>>(),
            [product]
        );
    }
    // Nothing of what was tried has changed anything.
    world.calls(&key, 2).await;
    assert_eq!(world.subscription(id).await.state, subscription.state);
    assert_eq!(database.broken().await, [""; 0]);
}

#[tokio::test]
async fn two_marketplaces_of_one_store_never_see_each_other_a9() {
    two_marketplaces_never_see_each_other::<Database>().await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn two_marketplaces_of_one_database_never_see_each_other_a9() {
    two_marketplaces_never_see_each_other::<monetization_conformance::postgres::Database>().await;
}
