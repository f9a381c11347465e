//! Who may call.
//!
//! What stands in the way, first to last; the first that holds is the answer:
//!
//! | | because | answer of an HTTP gateway |
//! |---|---|---|
//! | [`Closed::NotApproved`] | approval is pending or was refused | 403 |
//! | [`Closed::Ended`] | the subscription's end has come | 403 |
//! | [`Closed::NotServed`] | the product is archived | 404 |
//! | [`Closed::Blocked`] | the owner has stopped it | 403 |
//! | [`Closed::PaymentRequired`] | the first payment is due, a later invoice is past its days of grace, or one was given up | 402 |

use crate::clock::Timestamp;
use crate::product::ProductState;
use crate::subscription::{BlockReason, Subscription, SubscriptionState};

/// Why a subscription opens nothing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Closed {
    /// The owner has not said yes, or has said no.
    #[error("the subscription has not been approved")]
    NotApproved,
    /// What is due before the first call has not been paid, an invoice is past due and its days of grace
    /// are over, or one was given up.
    #[error("payment is due")]
    PaymentRequired,
    /// The owner has stopped it.
    #[error("the subscription has been blocked")]
    Blocked,
    /// It is over.
    #[error("the subscription has ended")]
    Ended,
    /// The product is no longer served.
    #[error("the product is no longer served")]
    NotServed,
}

/// Whether the subscription opens its product at `at`.
///
/// Access is open while the subscription is in force and no block reason stands. A product in
/// draft stays open for those who have subscribed before. Up to the last instant before its end
/// a cancelled subscription is as good as any other.
///
/// ```
/// use std::collections::BTreeSet;
/// use monetization_core::access::{Closed, access};
/// use monetization_core::consumer::Buyer;
/// use monetization_core::ids::*;
/// use monetization_core::invoice::Invoicing;
/// use monetization_core::period::{Cycle, Schedule};
/// use monetization_core::product::ProductState;
/// use monetization_core::subscription::{BlockReason, Subscription, SubscriptionState, Timeline};
///
/// let start = "2026-03-01T00:00:00Z".parse()?;
/// let schedule = Schedule::new(start, Cycle::MONTH);
/// let mut subscription = Subscription {
///     id: SubscriptionId::derived(&[b"s"]),
///     tenant: TenantId::derived(&[b"t"]),
///     consumer: ConsumerId::derived(&[b"c"]),
///     buyer: Buyer { user_id: "u-1".parse()?, name: "ann".parse()? },
///     application: None,
///     product: ProductId::derived(&[b"p"]),
///     plan: PlanId::derived(&[b"p"]),
///     plan_changes: 0,
///     invoicing: Invoicing::ByCore,
///     state: SubscriptionState::Active,
///     blocks: BTreeSet::new(),
///     timeline: Timeline::starting(schedule, PlanVersionId::derived(&[b"v"])),
///     closed_periods: 0,
///     request_key: None,
///     rejected_because: None,
///     prepaid: Default::default(),
///     payment_url: None,
///     created_at: start,
/// };
/// assert_eq!(access(&subscription, ProductState::Deprecated, start), Ok(()));
/// subscription.blocks.insert(BlockReason::Payment);
/// assert_eq!(access(&subscription, ProductState::Active, start), Err(Closed::PaymentRequired));
/// subscription.blocks.insert(BlockReason::Admin);
/// assert_eq!(access(&subscription, ProductState::Active, start), Err(Closed::Blocked));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Closed`], the reason that keeps it closed; what payment cannot mend comes first.
pub fn access(
    subscription: &Subscription,
    product: ProductState,
    at: Timestamp,
) -> Result<(), Closed> {
    let ended = subscription.timeline.ends_at.is_some_and(|end| end <= at);
    match subscription.state {
        SubscriptionState::PendingApproval | SubscriptionState::Rejected => {
            Err(Closed::NotApproved)
        }
        SubscriptionState::Draining | SubscriptionState::Ended => Err(Closed::Ended),
        SubscriptionState::Active | SubscriptionState::Ending if ended => Err(Closed::Ended),
        SubscriptionState::AwaitingPayment
        | SubscriptionState::Active
        | SubscriptionState::Ending => {
            let unpaid = subscription.state == SubscriptionState::AwaitingPayment;
            if !product.is_served() {
                Err(Closed::NotServed)
            } else if subscription.blocks.contains(&BlockReason::Admin) {
                Err(Closed::Blocked)
            } else if unpaid || subscription.blocks.contains(&BlockReason::Payment) {
                Err(Closed::PaymentRequired)
            } else {
                Ok(())
            }
        }
    }
}
