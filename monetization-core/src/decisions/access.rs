//! Who may call.

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
    /// What is due before the first call has not been paid, or an invoice is past due.
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
