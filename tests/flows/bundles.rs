//! Calls that are bought in advance: B4.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue};
use monetization_core::flows::{FlowError, NewPlan, NewProduct, ProductChange};
use monetization_core::invoice::{InvoiceState, Invoicing};
use monetization_core::plan::Approval;
use monetization_core::product::{Product, ProductState};
use monetization_core::runtime::{Denial, Target};
use monetization_core::secret::Secret;
use monetization_core::store::StoreExt;
use monetization_core::subscription::Subscription;

use crate::checking::Database;
use crate::world::{DAY, World, ok, text};

const TERMS: &str = r#"{"billing": "fixed", "currency": "EUR", "cycle": "month", "bundles": [
    {"name": "ten", "resource": "search", "calls": 10, "price": "5.00"},
    {"name": "gift", "resource": "search", "calls": 1, "price": "0"}]}"#;

/// A subscriber to a product of two resources, one of which is sold in advance.
struct Shop {
    world: World,
    subscription: Subscription,
    key: Secret,
}

impl Shop {
    async fn open() -> Self {
        Self::within(World::new(Invoicing::ByCore).await, TERMS).await
    }

    async fn within(world: World, terms: &str) -> Self {
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
        let new = NewPlan {
            product,
            name: text("prepaid"),
            approval: Approval::Automatic,
            terms: serde_json::from_str(terms).unwrap(),
        };
        let (plan, _) = monetizer.create_plan(tenant, new).await.unwrap();
        let ordered = world.subscribe(&plan).await;
        let (_, key) = ordered.key.unwrap();
        world.settle().await;
        Self {
            subscription: ordered.subscription,
            key,
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
        bought.await.map(|invoice| invoice.state)
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
    let tenant = shop.world.tenant_id();
    let kept = shop
        .world
        .store
        .fact::<Subscription>(tenant, shop.subscription.id);
    assert!(kept.await.unwrap().unwrap().fact.blocks.is_empty());
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
        .cancel(
            shop.subscription.id,
            monetization_core::engine::CancelMode::Now,
        )
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
    let shop = Shop::within(world, &limited).await;
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
