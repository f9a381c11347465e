//! Use that was taken in and that nobody is billed for as things stand: nothing of it is discarded,
//! and here it is listed.
//!
//! | use | why it is not billed | what ends it |
//! |---|---|---|
//! | that came after the last invoice of a subscription that core invoices | there is no invoice to come | an operator bills it elsewhere, or lets it be |
//! | in a batch that is held | the engine has refused it, or nobody knows whether it has it, or it looks like a mistake | [`decide_batch`](Monetizer::decide_batch), [`reconcile`](Monetizer::reconcile) |
//! | in a batch that was written off, or taken back at its engine | somebody has decided so | an operator bills it elsewhere, or lets it be |

use super::{FlowError, Monetizer};
use crate::ids::{MeterId, SegmentId, SubscriptionId, TenantId};
use crate::invoice::Invoicing;
use crate::money::Quantity;
use crate::plan::Percentage;
use crate::product::Product;
use crate::store::{Batch, BatchState};
use crate::subscription::Subscription;

/// Use that nobody is billed for as things stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unbilled {
    /// What came after the last invoice, by subscription.
    pub after_the_end: Vec<TooLate>,
    /// Batches that nobody sends until somebody decides about them, in the order they were sealed.
    pub held: Vec<Batch>,
    /// Batches that were written off by a decision, or taken back, by subscription.
    pub written_off: Vec<Batch>,
}

/// Use that came after the last invoice of its subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLate {
    /// Whose.
    pub subscription: SubscriptionId,
    /// The stretch of time in which it was used.
    pub origin: SegmentId,
    /// What was counted: a meter of the product.
    pub meter: MeterId,
    /// How much, in the meter's scale.
    pub quantity: Quantity,
    /// Whether that is what the meter's transactions cost at a percentage, in [`Percentage::SCALE`], and
    /// not what was counted.
    pub is_charge: bool,
}

impl Monetizer {
    /// Lists all use of the tenant that was taken in and that nobody is billed for as things stand.
    ///
    /// # Errors
    /// [`FlowError::Store`].
    pub async fn unbilled(&self, tenant: TenantId) -> Result<Unbilled, FlowError> {
        let (mut after_the_end, mut written_off) = (Vec::new(), Vec::new());
        let mut after = None;
        while let Some(page) = self.subscriptions_after(tenant, &mut after).await? {
            for subscription in &page {
                match subscription.invoicing {
                    Invoicing::ByCore => after_the_end.extend(self.too_late(subscription).await?),
                    Invoicing::ByEngine => {
                        let reported = self.reported_of(subscription).await?.into_iter();
                        written_off
                            .extend(reported.filter(|it| it.state == BatchState::WrittenOff));
                    }
                }
            }
        }
        Ok(Unbilled {
            after_the_end,
            held: self.held(tenant).await?,
            written_off,
        })
    }

    /// The sums of what came after the last invoice.
    async fn too_late(&self, of: &Subscription) -> Result<Vec<TooLate>, FlowError> {
        let aftermath = of.timeline.ends_at.and_then(|end| of.segment_at(end));
        let Some(aftermath) = aftermath else {
            return Ok(Vec::new());
        };
        let sums = self.store.sums(of.tenant, aftermath.id).await?;
        let product = self.must::<Product>(of.tenant, of.product).await?.fact;
        let charged = |charges: MeterId| {
            let mut meters = product.meters.iter().map(|meter| meter.id);
            meters.find(|meter| Percentage::charges(*meter) == charges)
        };
        let too_late = sums.into_iter().map(|sum| {
            let charged = charged(sum.key.meter);
            TooLate {
                subscription: of.id,
                origin: sum.key.origin,
                meter: charged.unwrap_or(sum.key.meter),
                quantity: sum.total,
                is_charge: charged.is_some(),
            }
        });
        Ok(too_late.collect())
    }
}
