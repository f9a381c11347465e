//! A marketplace as most tests need one: what is on show, who buys it, uses it, and calls it.
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "what is made up here is valid"
)]

use http::{HeaderMap, HeaderValue};
use monetization_core::clock::Timestamp;
use monetization_core::consumer::Buyer;
use monetization_core::flows::{Monetizer, NewPlan, NewProduct, Order, ProductChange, UsageEvent};
use monetization_core::ids::{
    ConsumerId, PlanId, ProductId, PublisherId, SubscriptionId, TenantId,
};
use monetization_core::period::TimeZone;
use monetization_core::plan::{Approval, TermsDraft};
use monetization_core::product::{Product, ProductState};
use monetization_core::runtime::{Denial, Gatekeeper, Permit, Target};
use monetization_core::secret::Secret;

use crate::sample::text;

/// Under which name calls find the product that most tests sell.
pub const WEATHER: &str = "weather";

/// A product of one operation that counts calls alone.
#[must_use]
pub fn new_product(publisher: PublisherId, slug: &str) -> NewProduct {
    NewProduct {
        publisher,
        slug: text(slug),
        name: text("Weather"),
        description: text("The weather of tomorrow."),
        gateway_endpoint: text("http://127.0.0.1:9"),
        resources: Vec::new(),
        meters: Vec::new(),
    }
}

/// Makes a product, and opens it to everybody.
pub async fn open_product(monetizer: &Monetizer, tenant: TenantId, new: NewProduct) -> Product {
    let product = monetizer.create_product(tenant, new).await.unwrap();
    let active = ProductChange {
        state: Some(ProductState::Active),
        ..ProductChange::default()
    };
    let opened = monetizer.change_product(tenant, product.id, active);
    opened.await.unwrap()
}

/// A plan that nobody has to approve.
#[must_use]
pub fn new_plan(product: ProductId, terms: TermsDraft) -> NewPlan {
    NewPlan {
        product,
        name: text("plan"),
        approval: Approval::Automatic,
        terms,
    }
}

/// What somebody of a consumer's orders, who may order it again.
#[must_use]
pub fn order(consumer: ConsumerId, plan: PlanId) -> Order {
    Order {
        consumer,
        buyer: Buyer {
            user_id: text("user-1"),
            name: text("user.one"),
        },
        application: None,
        plan,
        time_zone: TimeZone::UTC,
        request_key: None,
    }
}

/// Use of now that was recorded elsewhere, under this id.
#[must_use]
pub fn used_elsewhere(id: &str, subscription: SubscriptionId, of: (&str, u64)) -> UsageEvent {
    let (meter, units) = of;
    UsageEvent {
        source: text("elsewhere"),
        id: text(id),
        subscription,
        meter: text(meter),
        quantity: Some(units.to_string()),
        key: None,
        occurred_at: None,
    }
}

/// A call of [`WEATHER`] with this key at a gate whose clock shows `now`.
///
/// # Errors
/// Why it is refused.
pub async fn admit(
    gatekeeper: &Gatekeeper,
    key: &Secret,
    now: Timestamp,
) -> Result<Permit, Denial> {
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", HeaderValue::from_str(key.reveal()).unwrap());
    let target = Target {
        product: WEATHER,
        method: "GET",
        path: "/",
    };
    gatekeeper.admit(&headers, &target, now).await
}
