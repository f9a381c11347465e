//! Leads consumers to the engine's own pages.

use super::operations::unable;
use super::{FlowError, Monetizer};
use crate::engine::{IdempotencyKey, Page, PageRequest};
use crate::ids::{IntentId, SubscriptionId, TenantId};
use crate::plan::PlanVersion;
use crate::product::Product;
use crate::subscription::Subscription;
use crate::text::PageUrl;

impl Monetizer {
    /// Where the consumer of a subscription finds a page of the engine's now, such as the one on which
    /// they store a payment method. Links may be good for one visit only: each call asks for a new one.
    ///
    /// # Errors
    /// [`FlowError::NotFound`]; [`FlowError::Unable`] where the engine has no such pages;
    /// [`FlowError::Engine`], [`FlowError::Store`].
    pub async fn page_url(
        &self,
        tenant: TenantId,
        subscription: SubscriptionId,
        page: Page,
        return_url: &PageUrl,
    ) -> Result<String, FlowError> {
        let (_, engine) = self.engine_of(tenant).await?;
        let portal = engine
            .portal
            .as_ref()
            .ok_or_else(|| unable(engine, "show pages to consumers"))?;
        let of = self.must::<Subscription>(tenant, subscription).await?.fact;
        let version = of.timeline.version_at(self.now());
        let terms = self.must::<PlanVersion>(tenant, version).await?.fact.terms;
        let product = self.must::<Product>(tenant, of.product).await?.fact;
        let place = self.place(tenant, engine, of.product).await?;
        let customer = self.customer(engine, &place, tenant, of.consumer).await?;
        let request = PageRequest {
            page,
            return_url: return_url.clone(),
            currency: terms.currency(),
            attributes: product
                .monetization
                .map(|known| known.attributes)
                .unwrap_or_default(),
        };
        let visit: IntentId = self.id();
        let key = IdempotencyKey::new(format!("page:{visit}"));
        let cx = self.context(tenant, place.account, key);
        Ok(portal.page_url(&cx, &customer, &request).await?)
    }
}
