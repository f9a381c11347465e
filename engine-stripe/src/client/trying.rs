//! Trials. Stripe would charge at their start what is added to the first invoice, so the fee of the
//! start waits beside the subscription for the invoice with which its trial ends.
//!
//! ```text
//! POST   /v1/invoiceitems           customer=cus_1 subscription=sub_1 pricing[price]=…
//! GET    /v1/invoiceitems           customer=cus_1 pending=true
//! DELETE /v1/invoiceitems/ii_1      where the trial is to end and nothing shall be owed
//! ```
//!
//! A trial begins when Stripe is told of it. What was used of a metered price until it ends is billed to
//! nobody.

use monetization_core::engine::EngineError;
use monetization_core::text::ForeignId;
use stripe_billing::invoice_item::{
    CreateInvoiceItem, DeleteInvoiceItem, ListInvoiceItem, PricingParam,
};

use super::missing_is_none;
use crate::answer::{AnyObject, Line as StripeItem, Price, Subscription};
use crate::error::Failure;
use crate::names;
use crate::session::{Session, page};

impl Session<'_> {
    /// Lets the fee of the start wait for the end of the trial, once.
    ///
    /// # Errors
    /// That of the request that failed: done again, it finds what waits.
    pub(super) async fn owe_at_trial_end(
        &self,
        customer: &ForeignId,
        tried: &Subscription,
        fee: &Price,
    ) -> Result<(), EngineError> {
        if self.cx.repeated && !self.owed(customer.as_str(), tried).await?.is_empty() {
            return Ok(());
        }
        let mut pricing = PricingParam::new();
        pricing.price = Some(fee.id.clone());
        let subscription = tried
            .metadata
            .get(names::SUBSCRIPTION)
            .cloned()
            .unwrap_or_default();
        let create = CreateInvoiceItem::new()
            .customer(customer.as_str())
            .subscription(tried.id.as_str())
            .pricing(pricing)
            .metadata([(names::SUBSCRIPTION.to_owned(), subscription)]);
        self.step::<AnyObject>("fee", &create).await?;
        Ok(())
    }

    /// A trial that ends owes nothing: what waits is taken back.
    ///
    /// # Errors
    /// That of the request that failed: done again, it finds what waits.
    pub(super) async fn forgive(&self, tried: &Subscription) -> Result<(), Failure> {
        for owed in self.owed(tried.customer.id(), tried).await? {
            let delete = DeleteInvoiceItem::new(owed.id.as_str());
            let step = format!("forgive:{}", owed.id);
            missing_is_none(self.step::<AnyObject>(&step, &delete).await)?;
        }
        Ok(())
    }

    /// What waits for the next invoice of a subscription of ours.
    ///
    /// # Errors
    /// That of the request that failed: done again, it finds what waits.
    async fn owed(&self, customer: &str, of: &Subscription) -> Result<Vec<StripeItem>, Failure> {
        let mut waiting: Vec<StripeItem> = self
            .all(|after| {
                page!(
                    ListInvoiceItem::new().customer(customer).pending(true),
                    after
                )
            })
            .await?;
        let ours = of.metadata.get(names::SUBSCRIPTION);
        waiting.retain(|item| ours.is_some() && item.metadata.get(names::SUBSCRIPTION) == ours);
        Ok(waiting)
    }
}
