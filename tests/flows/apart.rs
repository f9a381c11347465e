//! Two marketplaces in one store.

use std::time::Duration;

use monetization_conformance::market;
use monetization_core::engine::CancelMode;
use monetization_core::flows::{FlowError, Ingested, NewCredit, NewTenant, RevenueQuestion};
use monetization_core::ids::{ConsumerId, TenantId};
use monetization_core::invoice::{CreditTo, Invoice, Invoicing};
use monetization_core::key::ApiKey;
use monetization_core::money::Money;
use monetization_core::plan::{Plan, PlanVersion, TermsDraft};
use monetization_core::product::Product;
use monetization_core::store::{Index, Kind, Listing, RowKey, StoreExt};
use monetization_core::subscription::Subscription;

use crate::checking::{TERMS, Tampered};
use crate::database::Database;
use crate::world::{World, text};

/// What the first marketplace has, and who is in the other one.
struct Markets {
    world: World,
    plan: Plan,
    version: PlanVersion,
    subscription: Subscription,
    key: ApiKey,
    invoice: Invoice,
    other: TenantId,
    customer: ConsumerId,
    /// What the other one sells under the same name.
    theirs: Product,
}

impl Markets {
    async fn open<D: Tampered>(database: &D) -> Self {
        let world = World::kept_in(database, Invoicing::ByCore).await;
        let (plan, version) = world.plan(TERMS).await;
        let (subscription, secret) = world.subscriber(TERMS).await;
        world.calls(&secret, 3).await;
        let invoice = world.invoices(subscription.id).await.remove(0);
        let monetizer = &world.monetizer;
        let issued = monetizer.issue_key(world.tenant_id(), subscription.id);
        let key = issued.await.unwrap().0;
        let new = NewTenant {
            name: text("Another market"),
            engine: text("mock"),
            invoicing: Invoicing::ByCore,
            payment_days: 14,
            grace_days: 0,
        };
        let other = monetizer.create_tenant(new).await.unwrap().id;
        let publisher = monetizer.create_publisher(other, text("Somebody else"), None);
        let publisher = publisher.await.unwrap().id;
        let same_name = market::new_product(publisher, market::WEATHER);
        let theirs = market::open_product(monetizer, other, same_name).await;
        let customer = monetizer.create_consumer(other, text("Their customer"), Vec::new());
        Self {
            customer: customer.await.unwrap().id,
            plan,
            version,
            subscription,
            key,
            invoice,
            other,
            theirs,
            world,
        }
    }

    /// Whatever the other one asks for by an id of the first, there is no such thing.
    async fn nothing_is_found(&self) {
        let (ask, other) = (&self.world.monetizer, self.other);
        let (id, key) = (self.subscription.id, self.key.id);
        let plan = market::new_plan(self.world.product.id, free());
        let order = market::order(self.customer, self.plan.id);
        let credit = NewCredit {
            amount: Money::new(100, text("USD")),
            reason: text("a gift"),
            to: CreditTo::Balance,
            request_key: None,
        };
        let (invoice, version) = (self.invoice.id, self.version.id);
        let (now, at_once) = (CancelMode::Now, Duration::ZERO);
        let answers = [
            ask.create_plan(other, plan).await.err(),
            ask.revise_plan(other, self.plan.id, free()).await.err(),
            ask.subscribe(other, order).await.err(),
            ask.statement(other, id).await.err(),
            ask.cancel(other, id, now).await.err(),
            ask.block(other, id).await.err(),
            ask.migrate(other, id, version, None).await.err(),
            ask.issue_key(other, id).await.err(),
            ask.rotate_key(other, key, at_once).await.err(),
            ask.revoke_key(other, key).await.err(),
            ask.credit_invoice(other, invoice, &credit).await.err(),
        ];
        for (number, answer) in answers.iter().enumerate() {
            let is_denied = matches!(answer, Some(FlowError::NotFound { .. }));
            assert!(is_denied, "{number}: {answer:?}");
        }
        let used = market::used_elsewhere("theirs", id, ("requests", 1));
        let refused = ask.ingest(other, &[used]).await.unwrap();
        assert!(matches!(refused[0], Ingested::Refused(_)), "{refused:?}");
    }

    /// What the other one lists and adds up is its own.
    async fn nothing_is_listed(&self) {
        let (world, other) = (&self.world, self.other);
        let all = RevenueQuestion::default();
        let earned = world.monetizer.revenue(other, &all).await.unwrap();
        assert_eq!(earned.rows.len(), 0);
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
        for (tenant, product) in [(world.tenant_id(), &world.product), (other, &self.theirs)] {
            let found = world.store.facts_by::<Product>(tenant, by_name.clone());
            let found: Vec<_> = found.await.unwrap().iter().map(|it| it.fact.id).collect();
            assert_eq!(found, [product.id]);
        }
    }
}

fn free() -> TermsDraft {
    serde_json::from_str(r#"{"billing":"free","currency":"USD","cycle":"month"}"#).unwrap()
}

/// A9: what one sells, who buys it, its keys and invoices are nothing to the other; both may sell under one name.
async fn two_marketplaces_never_see_each_other<D: Tampered>() {
    let database = D::begin().await;
    let markets = Markets::open(&database).await;
    markets.nothing_is_found().await;
    markets.nothing_is_listed().await;
    let after = markets.world.subscription(markets.subscription.id).await;
    assert_eq!(after.state, markets.subscription.state);
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
