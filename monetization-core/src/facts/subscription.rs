//! What a consumer has bought, and how that lives and ends.
//!
//! The moves of [`SubscriptionState::on`]; an empty place is an [`IllegalMove`], and `=` says that
//! the event changes nothing:
//!
//! | | approved, unpaid | approved, paid | rejected | first paid | cancel at end | cancel now | end reached | lapsed | drained |
//! |---|---|---|---|---|---|---|---|---|---|
//! | `pending_approval` | `awaiting_payment` | `active` | `rejected` | | `ended` | `ended` | | | |
//! | `rejected` | | | | | = | = | | | |
//! | `awaiting_payment` | | | | `active` | `ended` | `ended` | | `ended` | |
//! | `active` | | | | | `ending` | `draining` | | | |
//! | `ending` | | | | | = | `draining` | `draining` | | |
//! | `draining` | | | | | = | = | | | `ended` |
//! | `ended` | | | | | = | = | | | |
//!
//! A subscription that comes into force with its end fixed already, a trial that expires, is `ending` in
//! the place of `active`.
//!
//! ```
//! use monetization_core::subscription::{SubscriptionEvent, SubscriptionState};
//!
//! let mut state = SubscriptionState::PendingApproval;
//! for event in [
//!     SubscriptionEvent::ApprovedUnpaid,
//!     SubscriptionEvent::FirstPaid,
//!     SubscriptionEvent::CancelAtPeriodEnd,
//!     SubscriptionEvent::EndReached,
//!     SubscriptionEvent::Drained,
//! ] {
//!     state = state.on(event)?;
//! }
//! assert!(state.is_final());
//! let error = state.on(SubscriptionEvent::FirstPaid).unwrap_err();
//! assert_eq!(error.to_string(), "there is no way from Ended to FirstPaid");
//! # Ok::<(), monetization_core::product::IllegalMove>(())
//! ```
//!
//! Blocks are apart from the state: a subscription that is blocked lives on, its periods go on and
//! are billed. Whether calls pass is asked of [`access`](fn@crate::access::access).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::consumer::Buyer;
use crate::ids::{ConsumerId, PlanId, ProductId, SubscriptionId, TenantId};
use crate::invoice::{Invoice, Invoicing, LineItem};
use crate::plan::{EnforcedQuota, Overage, PlanTerms, Quota, QuotaCounts, QuotaWindow};
use crate::product::IllegalMove;
use crate::text::{ForeignId, Name, Prose, Slug};

pub use timeline::{PlanChange, Segment, Timeline};

mod timeline;

/// What a consumer has bought: one plan of one product.
///
/// All its instants are business time, UTC. It is never deleted: an ended one stays, with what was
/// used and billed under it.
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
    /// On which plan, or to which it is to change; the versions are in the timeline.
    pub plan: PlanId,
    /// How often its plan was changed, or is to.
    #[serde(default)]
    pub plan_changes: u32,
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
    /// How many calls its paid bundles come to, in all, by operation.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prepaid: BTreeMap<Slug, u64>,
    /// Where the consumer can pay what is due before the first call.
    pub payment_url: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
}

impl Subscription {
    /// The segment that use at `at` belongs to; `None` before it began.
    ///
    /// From the subscription's end on it is the aftermath; see [`Timeline::segment_at`].
    #[must_use]
    pub fn segment_at(&self, at: Timestamp) -> Option<Segment> {
        self.timeline.segment_at(self.id, self.invoicing, at)
    }

    /// What may pass in a long time under these terms: their quotas, and for each operation that they sell
    /// bundles of the calls that were paid.
    #[must_use]
    pub fn enforced_quotas(&self, terms: &PlanTerms) -> Vec<EnforcedQuota> {
        let mut quotas = terms.enforced_quotas(self.product);
        let mut sold: Vec<&Slug> = terms.bundles().iter().map(|it| &it.resource).collect();
        sold.sort_unstable();
        sold.dedup();
        let prepaid = sold
            .into_iter()
            .map(|resource| self.prepaid_quota(resource));
        quotas.extend(prepaid);
        quotas
    }

    /// What lets the calls of paid bundles of this operation through.
    pub(crate) fn prepaid_quota(&self, resource: &Slug) -> EnforcedQuota {
        let prepaid = Quota {
            counts: QuotaCounts::Resource(resource.clone()),
            window: QuotaWindow::Ever,
            max: self.prepaid.get(resource).copied().unwrap_or(0),
            overage: Overage::Strict,
        };
        prepaid.enforced(self.product)
    }

    /// Adds the calls that a paid invoice has bought.
    pub(crate) fn add_prepaid(&mut self, invoice: &Invoice) {
        for line in &invoice.lines {
            if let LineItem::Bundle(bundle) = &line.item {
                let calls = self.prepaid.entry(bundle.resource.clone()).or_default();
                *calls = calls.saturating_add(bundle.calls);
            }
        }
    }

    /// Lets something happen to it. One that comes into force with its end fixed already, a trial that
    /// expires, is ending from then on.
    ///
    /// # Errors
    /// [`IllegalMove`] where that cannot happen in its state; nothing is changed then.
    pub fn on(&mut self, event: SubscriptionEvent) -> Result<(), IllegalMove> {
        let mut state = self.state.on(event)?;
        if state == SubscriptionState::Active && self.timeline.ends_at.is_some() {
            state = state.on(SubscriptionEvent::CancelAtPeriodEnd)?;
        }
        self.state = state;
        Ok(())
    }

    /// When a job has to look at it next: the end of the period that is still open, which may be a trial,
    /// or the end of the subscription where that is earlier. What is due before the first call may be paid
    /// until the first period ends, and until the second one does where an alignment makes the first one
    /// short. `None` once there is nothing left to come.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            SubscriptionState::PendingApproval
            | SubscriptionState::Rejected
            | SubscriptionState::Ended => None,
            SubscriptionState::AwaitingPayment => {
                let schedule = &self.timeline.schedule;
                let is_whole = schedule.period(0)? == schedule.whole(0)?;
                let period = schedule.period(if is_whole { 0 } else { 1 })?;
                Some(period.end)
            }
            SubscriptionState::Active | SubscriptionState::Ending | SubscriptionState::Draining => {
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
///
/// In JSON its name: `pending_approval`, `awaiting_payment` and so on.
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
///
/// In JSON `admin` and `payment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new reason changes every match on purpose"
)]
pub enum BlockReason {
    /// The owner has stopped it.
    Admin,
    /// An invoice is past due and its days of grace are over, or it was given up.
    Payment,
}

#[cfg(test)]
mod tests;
