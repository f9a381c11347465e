//! Trials. Stripe would charge at their start what is added to the first invoice, so the fee of the
//! start waits beside the subscription for the invoice with which its trial ends.
//!
//! ```text
//! POST   /v1/invoiceitems           customer=cus_1 subscription=sub_1 pricing[price]=…
//! GET    /v1/invoiceitems           customer=cus_1 where the call may have broken off before it
//! GET    /v1/invoiceitems           customer=cus_1 pending=true
//! DELETE /v1/invoiceitems/ii_1      where the trial is to end and nothing shall be owed
//! ```
//!
//! A start that broke off before the fee, and is repeated when the trial is over, has it wait for the next
//! invoice.
//!
//! A trial begins when Stripe is told of it. What was used of a metered price until it ends is billed to
//! nobody.

use monetization_core::engine::EngineError;
use stripe_billing::invoice_item::{
    CreateInvoiceItem, DeleteInvoiceItem, ListInvoiceItem, PricingParam,
};

use super::missing_is_none;
use crate::answer::{AnyObject, Line as StripeItem, Price, Subscription};
use crate::error::Failure;
use crate::names;
use crate::session::{Session, page};

impl Session<'_> {
    /// Lets the fee of the start wait for the invoice with which the trial ends, or for the next one.
    ///
    /// # Errors
    /// That of the request that failed: done again, [`was_owed`](Self::was_owed) finds what waits.
    pub(super) async fn owe_at_trial_end(
        &self,
        customer: &str,
        tried: &Subscription,
        fee: &Price,
    ) -> Result<(), EngineError> {
        let mut pricing = PricingParam::new();
        pricing.price = Some(fee.id.clone());
        let subscription = tried
            .metadata
            .get(names::SUBSCRIPTION)
            .cloned()
            .unwrap_or_default();
        let create = CreateInvoiceItem::new()
            .customer(customer)
            .subscription(tried.id.as_str())
            .pricing(pricing)
            .metadata([(names::SUBSCRIPTION.to_owned(), subscription)]);
        self.step::<AnyObject>("fee", &create).await?;
        Ok(())
    }

    /// A trial that ends owes nothing: what waits is taken back.
    ///
    /// # Errors
    /// That of the request that failed: done again, it takes back what is left.
    pub(super) async fn forgive(&self, tried: &Subscription) -> Result<(), Failure> {
        let pending = ListInvoiceItem::new().pending(true);
        for owed in self.owed(pending, tried.customer.id(), tried).await? {
            let delete = DeleteInvoiceItem::new(owed.id.as_str());
            let step = format!("forgive:{}", owed.id);
            missing_is_none(self.step::<AnyObject>(&step, &delete).await)?;
        }
        Ok(())
    }

    /// Whether the fee of the start waits for an invoice, or is on one.
    ///
    /// # Errors
    /// That of the request that failed.
    pub(super) async fn was_owed(
        &self,
        customer: &str,
        of: &Subscription,
    ) -> Result<bool, Failure> {
        let owed = self.owed(ListInvoiceItem::new(), customer, of).await?;
        Ok(!owed.is_empty())
    }

    /// What was put beside a subscription of ours, as far as the list has it.
    ///
    /// # Errors
    /// That of the request that failed.
    async fn owed(
        &self,
        list: ListInvoiceItem,
        customer: &str,
        of: &Subscription,
    ) -> Result<Vec<StripeItem>, Failure> {
        let list = list.customer(customer);
        let mut beside: Vec<StripeItem> = self.all(|after| page!(list.clone(), after)).await?;
        let ours = of.metadata.get(names::SUBSCRIPTION);
        beside.retain(|item| ours.is_some() && item.metadata.get(names::SUBSCRIPTION) == ours);
        Ok(beside)
    }
}
