//! What a consumer has bought, and how that lives and ends.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::consumer::Buyer;
use crate::ids::{ConsumerId, PlanId, ProductId, SubscriptionId, TenantId};
use crate::invoice::Invoicing;
use crate::product::IllegalMove;
use crate::text::{ForeignId, Name, Prose};

pub use timeline::{PlanChange, Segment, Timeline};

mod timeline;

/// What a consumer has bought: one plan of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// The marketplace.
    pub tenant: TenantId,
    /// Who pays.
    pub consumer: ConsumerId,
    /// Who bought it.
    pub buyer: Buyer,
    /// What it is for, in the buyer's words (WSO2's application).
    pub application: Option<Name>,
    /// What was bought.
    pub product: ProductId,
    /// On which plan; its versions are in the timeline.
    pub plan: PlanId,
    /// Who makes its invoices: fixed when it began.
    pub invoicing: Invoicing,
    /// Where it is in its life.
    pub state: SubscriptionState,
    /// Why calls are refused although it lives; access is open when this is empty.
    pub blocks: BTreeSet<BlockReason>,
    /// Which plan version is in force when, and the billing periods.
    pub timeline: Timeline,
    /// Number of billing periods that are closed.
    pub closed_periods: u32,
    /// The key the buyer's program gave the request, so that asking twice buys once.
    pub request_key: Option<ForeignId>,
    /// Why it was rejected, for the consumer.
    pub rejected_because: Option<Prose>,
    /// Where the consumer can pay what is due before the first call.
    pub payment_url: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
}

impl Subscription {
    /// The segment that use at `at` belongs to; `None` before it began.
    #[must_use]
    pub fn segment_at(&self, at: Timestamp) -> Option<Segment> {
        self.timeline.segment_at(self.id, self.invoicing, at)
    }

    /// Lets something happen to it.
    ///
    /// # Errors
    /// [`IllegalMove`] where that cannot happen in its state; nothing is changed then.
    pub fn on(&mut self, event: SubscriptionEvent) -> Result<(), IllegalMove> {
        self.state = self.state.on(event)?;
        Ok(())
    }

    /// When a job has to look at it next: the end of the period that is still open, or the end
    /// of the subscription where that is earlier. `None` once there is nothing left to come.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            SubscriptionState::PendingApproval
            | SubscriptionState::Rejected
            | SubscriptionState::Ended => None,
            SubscriptionState::AwaitingPayment
            | SubscriptionState::Active
            | SubscriptionState::Ending
            | SubscriptionState::Draining => {
                let period = self.timeline.schedule.period(self.closed_periods)?;
                Some(
                    self.timeline
                        .ends_at
                        .map_or(period.end, |end| end.min(period.end)),
                )
            }
        }
    }
}

/// Where a subscription is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new state changes every match on purpose"
)]
pub enum SubscriptionState {
    /// Waits for the owner's yes. No key, no charge.
    PendingApproval,
    /// The owner said no. Final.
    Rejected,
    /// What is due before the first call has not been paid.
    AwaitingPayment,
    /// In force.
    Active,
    /// In force until an instant that is fixed.
    Ending,
    /// No longer in force; the last use is being billed.
    Draining,
    /// Over, and all of its use is billed. Final.
    Ended,
}

/// What can happen to a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new event changes every match on purpose"
)]
pub enum SubscriptionEvent {
    /// The owner says yes, and something is due before the first call.
    ApprovedUnpaid,
    /// The owner says yes, and nothing is due before the first call.
    ApprovedPaid,
    /// The owner says no.
    Rejected,
    /// What was due before the first call has been paid.
    FirstPaid,
    /// It shall end when the period does.
    CancelAtPeriodEnd,
    /// It ends now.
    CancelNow,
    /// The instant at which it ends has come.
    EndReached,
    /// What was due before the first call was not paid in time.
    PaymentLapsed,
    /// All of its use is billed.
    Drained,
}

impl SubscriptionState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::PendingApproval,
        Self::Rejected,
        Self::AwaitingPayment,
        Self::Active,
        Self::Ending,
        Self::Draining,
        Self::Ended,
    ];

    /// The state after `event`. Cancelling what is being cancelled or over changes nothing.
    ///
    /// # Errors
    /// [`IllegalMove`] for an event that cannot happen in this state.
    pub fn on(self, event: SubscriptionEvent) -> Result<Self, IllegalMove> {
        use SubscriptionEvent as Event;
        match (self, event) {
            (Self::PendingApproval, Event::ApprovedUnpaid) => Ok(Self::AwaitingPayment),
            (Self::PendingApproval, Event::ApprovedPaid)
            | (Self::AwaitingPayment, Event::FirstPaid) => Ok(Self::Active),
            (Self::PendingApproval, Event::Rejected) => Ok(Self::Rejected),
            (Self::Active | Self::Ending, Event::CancelAtPeriodEnd) => Ok(Self::Ending),
            // Before the first call there is nothing to bill.
            (
                Self::PendingApproval | Self::AwaitingPayment,
                Event::CancelNow | Event::CancelAtPeriodEnd,
            )
            | (Self::AwaitingPayment, Event::PaymentLapsed)
            | (Self::Draining, Event::Drained) => Ok(Self::Ended),
            (Self::Active | Self::Ending, Event::CancelNow) | (Self::Ending, Event::EndReached) => {
                Ok(Self::Draining)
            }
            (
                Self::Draining | Self::Ended | Self::Rejected,
                Event::CancelNow | Event::CancelAtPeriodEnd,
            ) => Ok(self),
            _ => Err(IllegalMove::new(self, event)),
        }
    }

    /// Whether it has come to its end and nothing more will happen.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Rejected | Self::Ended)
    }
}

/// Why calls are refused although the subscription lives. Reasons come and go by themselves:
/// a payment takes back `Payment` and leaves `Admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new reason changes every match on purpose"
)]
pub enum BlockReason {
    /// The owner has stopped it.
    Admin,
    /// An invoice is past due.
    Payment,
}

#[cfg(test)]
mod tests;
