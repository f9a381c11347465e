//! What happens when an invoice is not paid in time.
//!
//! | | the invoice | calls |
//! |---|---|---|
//! | it falls due, or a payment of it fails | is past due | pass until its grace is over |
//! | its grace is over | | stop; a plan that says so cancels its subscription |
//! | it is given up, also within its grace | is uncollectible | the same, at once |
//! | it is paid, whenever | is paid | pass again, where nothing else stops them |
//!
//! ```text
//! issued            due              grace over
//!   |--- payment_days ---|--- grace_days ---|---------->
//!   |        open        |     past due     | past due
//!   |    calls pass      |    calls pass    | calls stop until it is paid, or the plan cancels
//! ```
//!
//! Days of grace are those of the consumer, of the plan, or of the tenant: the first of them that says any.
//! They are counted from when the invoice is due. Without grace calls stop as soon as a payment fails.

use std::time::Duration;

use super::{FlowError, Monetizer};
use crate::clock::Timestamp;
use crate::consumer::Consumer;
use crate::engine::CancelMode;
use crate::invoice::{Invoice, InvoiceEvent, InvoiceState, Occasion};
use crate::plan::{PastDue, PlanVersion};
use crate::store::{ChangeSet, Kind, Listing, Stored};
use crate::subscription::{BlockReason, Subscription, SubscriptionState};
use crate::tenant::Tenant;

impl Monetizer {
    /// Marks invoices that were to be paid by now, and stops the calls of subscriptions whose grace is
    /// over; answers how many invoices there were. A bundle is taken back instead.
    ///
    /// One change for each: the invoice, and the block of its subscription. Whoever marks at the same
    /// time finds it marked. A payment takes the block back by the message that tells of it.
    ///
    /// # Errors
    /// [`FlowError::Store`].
    pub async fn mark_past_due(&self) -> Result<usize, FlowError> {
        let mut marked = 0_usize;
        let mut after = None;
        loop {
            let limit = Listing::LIMIT_MAX;
            let rows = self
                .store
                .due(Kind::Invoice, self.now(), after, limit)
                .await?;
            for row in &rows {
                after = row.due_at.map(|due_at| (due_at, row.id));
                let invoice = Stored::<Invoice>::read(row)?;
                // One that was changed meanwhile is looked at the next time.
                marked = marked.saturating_add(usize::from(self.demand(invoice).await?));
            }
            if rows.len() < limit {
                return Ok(marked);
            }
        }
    }

    /// Does what is due about an invoice that was not paid in time; `false` where it was changed
    /// meanwhile, and for bundles.
    async fn demand(&self, mut invoice: Stored<Invoice>) -> Result<bool, FlowError> {
        let mut change = self.change();
        if invoice.fact.occasion == Occasion::Bundle {
            // It is sold no more. A payment that comes first wins.
            self.take_back(invoice, &mut change)?;
            self.apply(&change).await?;
            return Ok(false);
        }
        if invoice.fact.state == InvoiceState::PastDue {
            invoice.fact.grace_ends_at = None;
        } else {
            invoice.fact.state = invoice.fact.state.on(InvoiceEvent::FellDue)?;
            self.begin_grace(&mut invoice.fact).await?;
            invoice.fact.grace_ends_at = invoice.fact.grace_ends_at.filter(|end| *end > self.now());
        }
        let tenant = invoice.fact.tenant;
        let of = invoice.fact.subscription;
        let mut subscription = self.must::<Subscription>(tenant, of).await?;
        if invoice.fact.stops_calls(self.now()) {
            subscription.fact.blocks.insert(BlockReason::Payment);
            self.end_unpaid(&mut subscription.fact, &mut change).await?;
        }
        change.writes.push(invoice.write()?);
        // Written though it may be as it was: a payment that takes a block back meanwhile knows nothing
        // of this invoice.
        change.writes.push(subscription.write()?);
        self.apply(&change).await
    }

    /// Lets the grace of an invoice begin that has just become past due.
    pub(super) async fn begin_grace(&self, invoice: &mut Invoice) -> Result<(), FlowError> {
        let tenant = self.must::<Tenant>(invoice.tenant, invoice.tenant).await?;
        let of_consumer = self
            .must::<Consumer>(invoice.tenant, invoice.consumer)
            .await?
            .fact
            .grace_days;
        let subscription = self
            .must::<Subscription>(invoice.tenant, invoice.subscription)
            .await?;
        let of_plan = self.past_due(&subscription.fact).await?.grace_days;
        let days = of_consumer.or(of_plan).unwrap_or(tenant.fact.grace_days);
        invoice.grace_ends_at = Some(grace_end(invoice.due_at, days, self.now()));
        Ok(())
    }

    /// Ends what is in force and not paid, where its plan says so.
    pub(super) async fn end_unpaid(
        &self,
        subscription: &mut Subscription,
        change: &mut ChangeSet,
    ) -> Result<(), FlowError> {
        let is_in_force = matches!(
            subscription.state,
            SubscriptionState::Active | SubscriptionState::Ending
        );
        if is_in_force && self.past_due(subscription).await?.cancel {
            self.end(subscription, CancelMode::Now, change).await?;
        }
        Ok(())
    }

    /// What the plan in force says.
    async fn past_due(&self, of: &Subscription) -> Result<PastDue, FlowError> {
        let version = of.timeline.version_at(self.now());
        let version = self.must::<PlanVersion>(of.tenant, version).await?;
        Ok(version.fact.terms.past_due())
    }
}

fn grace_end(due_at: Timestamp, days: u16, now: Timestamp) -> Timestamp {
    if days == 0 {
        return now;
    }
    due_at.saturating_add(Duration::from_secs(u64::from(days).saturating_mul(86_400)))
}
