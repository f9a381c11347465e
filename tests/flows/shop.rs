//! A product that sells calls in bundles.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue};
use monetization_core::flows::{FlowError, NewPlan, NewProduct, ProductChange};
use monetization_core::ids::{PlanVersionId, ProductId};
use monetization_core::invoice::{InvoiceState, Invoicing, Occasion};
use monetization_core::plan::{Approval, Plan, TermsDraft};
use monetization_core::product::{Product, ProductState};
use monetization_core::runtime::{Denial, Target};
use monetization_core::secret::Secret;
use monetization_core::subscription::Subscription;
use monetization_core::text::ForeignId;

use crate::world::{World, ok, text};

pub const TERMS: &str = r#"{"billing": "fixed", "currency": "EUR", "cycle": "month", "bundles": [
    {"name": "ten", "resource": "search", "calls": 10, "price": "5.00"},
    {"name": "gift", "resource": "search", "calls": 1, "price": "0"}]}"#;

pub const WITHOUT: &str = r#"{"billing": "fixed", "currency": "EUR", "cycle": "month"}"#;

/// A subscriber to a product of two resources, one of which is sold in bundles.
pub struct Shop {
    pub world: World,
    pub subscription: Subscription,
    pub key: Secret,
    pub plan: Plan,
}

impl Shop {
    pub async fn open() -> Self {
        Self::open_in(World::new(Invoicing::ByCore).await, TERMS).await
    }

    pub async fn open_in(world: World, terms: &str) -> Self {
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

    pub async fn buy(&self, bundle: &str, key: Option<&str>) -> Result<InvoiceState, FlowError> {
        let (bundle, key) = (text(bundle), key.map(text));
        let (tenant, id) = (self.world.tenant_id(), self.subscription.id);
        let bought = self
            .world
            .monetizer
            .buy_bundle(tenant, id, &bundle, key.as_ref());
        bought.await.map(|bought| bought.invoice.state)
    }

    /// Makes the next version of the plan.
    pub async fn revise(&self, json: &str) -> PlanVersionId {
        let monetizer = &self.world.monetizer;
        let revised = monetizer.revise_plan(self.plan.tenant, self.plan.id, terms(json));
        revised.await.unwrap().1.id
    }

    pub async fn migrate(
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

    pub async fn remove(&self, resource: &str) -> Result<Product, FlowError> {
        let (tenant, product) = (self.plan.tenant, self.plan.product);
        let monetizer = &self.world.monetizer;
        monetizer
            .remove_resource(tenant, product, &text(resource))
            .await
    }

    /// How the invoice of the only bundle stands.
    pub async fn bundle(&self) -> InvoiceState {
        let mut invoices = self.world.invoices(self.subscription.id).await;
        invoices.retain(|invoice| invoice.occasion == Occasion::Bundle);
        assert_eq!(invoices.len(), 1);
        invoices[0].state
    }

    /// The provider's name of the newest invoice.
    pub fn newest(&self) -> ForeignId {
        self.world.provider.invoices().pop().unwrap().id
    }

    /// How many of so many calls are let through.
    pub async fn calls(&self, path: &str, count: usize) -> usize {
        let mut passed = 0;
        for _ in 0..count {
            match self.call(&self.key, path).await {
                Ok(()) => passed += 1,
                Err(Denial::Limited(limited)) => {
                    assert_eq!(limited.retry_at, None, "waiting brings nothing");
                }
                Err(other) => panic!("{other}"),
            }
        }
        passed
    }

    /// A call with this key.
    pub async fn call(&self, key: &Secret, path: &str) -> Result<(), Denial> {
        self.world.gatekeeper.refresh().await.unwrap();
        let target = Target {
            product: "library",
            method: "GET",
            path,
        };
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::from_str(key.reveal()).unwrap());
        let now = self.world.clock.now();
        let permit = self.world.gatekeeper.admit(&headers, &target, now).await?;
        permit.settle(ok()).durable().await.unwrap();
        Ok(())
    }
}

pub fn terms(json: &str) -> TermsDraft {
    serde_json::from_str(json).unwrap()
}

pub fn new_plan(product: ProductId, json: &str) -> NewPlan {
    NewPlan {
        product,
        name: text("prepaid"),
        approval: Approval::Automatic,
        terms: terms(json),
    }
}
