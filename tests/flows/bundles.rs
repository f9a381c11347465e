//! Bundles of calls: B4.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue};
use monetization_core::engine::CancelMode;
use monetization_core::flows::{FlowError, NewPlan, NewProduct, ProductChange};
use monetization_core::ids::{PlanVersionId, ProductId};
use monetization_core::invoice::{InvoiceState, Invoicing, Occasion};
use monetization_core::plan::{Approval, Plan, TermsDraft};
use monetization_core::product::{Product, ProductState};
use monetization_core::runtime::{Denial, Target};
use monetization_core::secret::Secret;
use monetization_core::subscription::Subscription;
use monetization_core::text::ForeignId;

use crate::checking::Database;
use crate::meanwhile;
use crate::world::{DAY, HOUR, World, ok, text};

const TERMS: &str = r#"{"billing": "fixed", "currency": "EUR", "cycle": "month", "bundles": [
    {"name": "ten", "resource": "search", "calls": 10, "price": "5.00"},
    {"name": "gift", "resource": "search", "calls": 1, "price": "0"}]}"#;

const WITHOUT: &str = r#"{"billing": "fixed", "currency": "EUR", "cycle": "month"}"#;

/// A subscriber to a product of two resources, one of which is sold in bundles.
struct Shop {
    world: World,
    subscription: Subscription,
    key: Secret,
    plan: Plan,
}

impl Shop {
    async fn open() -> Self {
        Self::open_in(World::new(Invoicing::ByCore).await, TERMS).await
    }

    async fn open_in(world: World, terms: &str) -> Self {
        let resource = |name: &str| {
            let json = format!(
                r#"{{"identifier": "{name}", "method": "GET", "path": "/{name}", "name": "{name}"}}"#
            );
            serde_json::from_str(&json).unwrap()
        };
        let new = NewProduct {
            publisher: world.product.publisher,
            slug: text("library"),
            name: text("Library"),
            description: text(""),
            gateway_endpoint: text("http://127.0.0.1:9"),
            resources: vec![resource("search"), resource("browse")],
            meters: Vec::new(),
        };
        let (tenant, monetizer) = (world.tenant_id(), &world.monetizer);
        let product: Product = monetizer.create_product(tenant, new).await.unwrap();
        let active = ProductChange {
            state: Some(ProductState::Active),
            ..ProductChange::default()
        };
        let product = monetizer.change_product(tenant, product.id, active);
        let product = product.await.unwrap().id;
        monetizer
            .enable_monetization(tenant, product, &BTreeMap::new())
            .await
            .unwrap();
        let new = new_plan(product, terms);
        let (plan, _) = monetizer.create_plan(tenant, new).await.unwrap();
        let ordered = world.subscribe(&plan).await;
        let (_, key) = ordered.key.unwrap();
        world.settle().await;
        Self {
            subscription: ordered.subscription,
            key,
            plan,
            world,
        }
    }

    async fn buy(&self, bundle: &str, key: Option<&str>) -> Result<InvoiceState, FlowError> {
        let (bundle, key) = (text(bundle), key.map(text));
        let (tenant, id) = (self.world.tenant_id(), self.subscription.id);
        let bought = self
            .world
            .monetizer
            .buy_bundle(tenant, id, &bundle, key.as_ref());
        bought.await.map(|bought| bought.invoice.state)
    }

    /// Makes the next version of the plan.
    async fn revise(&self, json: &str) -> PlanVersionId {
        let monetizer = &self.world.monetizer;
        let revised = monetizer.revise_plan(self.plan.tenant, self.plan.id, terms(json));
        revised.await.unwrap().1.id
    }

    async fn migrate(
        &self,
        version: PlanVersionId,
        at: Option<&str>,
    ) -> Result<Subscription, FlowError> {
        let of = &self.subscription;
        let monetizer = &self.world.monetizer;
        monetizer
            .migrate(of.tenant, of.id, version, at.map(text))
            .await
    }

    async fn remove(&self, resource: &str) -> Result<Product, FlowError> {
        let (tenant, product) = (self.plan.tenant, self.plan.product);
        let monetizer = &self.world.monetizer;
        monetizer
            .remove_resource(tenant, product, &text(resource))
            .await
    }

    /// How the invoice of the only bundle stands.
    async fn bundle(&self) -> InvoiceState {
        let mut invoices = self.world.invoices(self.subscription.id).await;
        invoices.retain(|invoice| invoice.occasion == Occasion::Bundle);
        assert_eq!(invoices.len(), 1);
        invoices[0].state
    }

    /// The provider's name of the newest invoice.
    fn newest(&self) -> ForeignId {
        self.world.provider.invoices().pop().unwrap().id
    }

    /// How many of so many calls are let through.
    async fn calls(&self, path: &str, count: usize) -> usize {
        self.world.gatekeeper.refresh().await.unwrap();
        let target = Target {
            product: "library",
            method: "GET",
            path,
        };
        let mut headers = HeaderMap::new();
        let key = HeaderValue::from_str(self.key.reveal()).unwrap();
        headers.insert("x-api-key", key);
        let mut passed = 0;
        for _ in 0..count {
            let now = self.world.clock.now();
            match self.world.gatekeeper.admit(&headers, &target, now).await {
                Ok(permit) => {
                    permit.settle(ok()).durable().await.unwrap();
                    passed += 1;
                }
                Err(Denial::Limited(limited)) => {
                    assert_eq!(limited.retry_at, None, "waiting brings nothing");
                }
                Err(other) => panic!("{other}"),
            }
        }
        passed
    }
}

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
    let shop = Shop::open_in(database.world(Invoicing::ByCore).await, TERMS).await;
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
        let taken = monetizer.take_in(&mock, &secrets, &message.headers, &message.body);
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

#[tokio::test]
async fn a_database_is_checked_for_calls_that_nobody_bought_b4() {
    let database = Database::new();
    let world = database.world(Invoicing::ByCore).await;
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
    for unpaid in [
        "UPDATE fact SET body = json_remove(body, '$.prepaid') WHERE kind = 'subscription'",
        "UPDATE fact SET body = json_replace(body, '$.prepaid.search', 10) WHERE kind = 'subscription'",
        "UPDATE fact SET body = json_replace(body, '$.terms.quotas[0].max', 4) WHERE kind = 'plan_version'",
    ] {
        let broken = database.tampered(unpaid).await.broken().await;
        assert!(
            broken
                .iter()
                .any(|it| it.starts_with("quotas_within_limit")),
            "{unpaid}: {broken:?}"
        );
    }
}

/// Another version of the plan took the calls away that were paid, or opened the operation to all.
#[tokio::test]
async fn paid_calls_outlast_a_change_of_the_plan_b4() {
    let shop = Shop::open().await;
    let without = shop.revise(WITHOUT).await;
    let with = shop.revise(TERMS).await;
    let refused = async |at: Option<&str>| {
        let error = shop.migrate(without, at).await.unwrap_err();
        let FlowError::Field(error) = error else {
            panic!("{error}");
        };
        assert_eq!(error.field(), "version");
    };
    // It may still be paid.
    shop.buy("ten", None).await.unwrap();
    refused(None).await;
    shop.world.settle().await;
    shop.world.pay_all().await;
    assert_eq!(shop.calls("/search", 9).await, 9);
    refused(None).await;
    refused(Some("2026-06-01T00:00:00Z")).await;
    shop.migrate(with, None).await.unwrap();
    shop.world.pass(HOUR).await;
    assert_eq!(shop.calls("/search", 2).await, 1);
    // Nothing is left, and nothing more is sold.
    shop.migrate(without, Some("2026-06-01T00:00:00Z"))
        .await
        .unwrap();
    for bundle in ["ten", "gift"] {
        let FlowError::Field(error) = shop.buy(bundle, None).await.unwrap_err() else {
            panic!("{bundle} was sold");
        };
        assert_eq!(error.field(), "bundle");
    }
    shop.world.pass_until("2026-06-02T00:00:00Z").await;
    assert_eq!(shop.calls("/search", 20).await, 20);
}

/// Calls were sold that nobody could make: only what new subscribers get was looked at.
#[tokio::test]
async fn an_operation_stays_while_anybody_is_on_a_version_that_counts_it_b4() {
    let shop = Shop::open().await;
    let without = shop.revise(WITHOUT).await;
    let FlowError::InUse { problem } = shop.remove("search").await.unwrap_err() else {
        panic!("it was removed");
    };
    assert!(
        problem.contains("version 1 of the plan prepaid"),
        "{problem}"
    );
    shop.migrate(without, Some("2026-01-20T00:00:00Z"))
        .await
        .unwrap();
    let still = shop.remove("search").await.unwrap_err();
    assert!(matches!(still, FlowError::InUse { .. }), "{still}");
    shop.world.pass_until("2026-01-21T00:00:00Z").await;
    assert_eq!(shop.remove("search").await.unwrap().resources.len(), 1);
    let FlowError::Field(error) = shop.buy("ten", None).await.unwrap_err() else {
        panic!("it was sold");
    };
    assert_eq!(error.field(), "bundle");
}

#[tokio::test]
async fn an_operation_stays_where_a_plan_begins_to_count_it_meanwhile_b4() {
    for begins in ["with another version", "with another plan"] {
        let (world, before) = meanwhile::world().await;
        let shop = Shop::open_in(world, TERMS).await;
        let without = shop.revise(WITHOUT).await;
        shop.migrate(without, None).await.unwrap();
        shop.world.pass(HOUR).await;
        let (monetizer, plan) = (shop.world.monetizer.clone(), shop.plan.clone());
        let count_it = async move {
            if begins == "with another version" {
                let revised = monetizer.revise_plan(plan.tenant, plan.id, terms(TERMS));
                revised.await.unwrap();
            } else {
                let new = new_plan(plan.product, TERMS);
                monetizer.create_plan(plan.tenant, new).await.unwrap();
            }
        };
        *before.lock().unwrap() = Some(Box::pin(count_it));
        let error = shop.remove("search").await.unwrap_err();
        assert!(
            matches!(error, FlowError::InUse { .. }),
            "{begins}: {error}"
        );
    }
}

fn terms(json: &str) -> TermsDraft {
    serde_json::from_str(json).unwrap()
}

fn new_plan(product: ProductId, json: &str) -> NewPlan {
    NewPlan {
        product,
        name: text("prepaid"),
        approval: Approval::Automatic,
        terms: terms(json),
    }
}
