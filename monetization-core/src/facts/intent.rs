//! Operations that are to be carried out at an engine.
//!
//! An intent is written in the same change as the facts that call for it, with its idempotency
//! key, before the engine is asked. A crash anywhere is mended by carrying it out again.
//!
//! | written with | operation |
//! |---|---|
//! | a subscription that the engine invoices | [`StartSubscription`](Operation::StartSubscription) |
//! | a change of its plan | [`ChangeSubscription`](Operation::ChangeSubscription) |
//! | its cancellation, its start where a trial expires, or its last use being published | [`CancelSubscription`](Operation::CancelSubscription) |
//! | an invoice that core made, also of a bundle | [`IssueInvoice`](Operation::IssueInvoice) |
//! | the end of what was never paid: a start, or a bundle | [`VoidInvoice`](Operation::VoidInvoice) |
//! | a credit of an invoice | [`CreditInvoice`](Operation::CreditInvoice) |
//! | the news that a consumer has stored what they pay with | [`ChargeStored`](Operation::ChargeStored) |
//!
//! The id of an intent derives from its key, and a change that holds an intent which exists leaves
//! it as it is: however often a flow decides the same, the engine is asked for one thing.
//!
//! ```
//! use monetization_core::clock::Timestamp;
//! use monetization_core::ids::{InvoiceId, TenantId, TypedId};
//! use monetization_core::intent::{Intent, Operation};
//!
//! let (tenant, invoice) = (TenantId::derived(&[b"t"]), InvoiceId::derived(&[b"i"]));
//! let issue = Operation::IssueInvoice { invoice };
//! assert_eq!(issue.key(), format!("issue:{invoice}"));
//! let today = Intent::new(tenant, issue, Timestamp::from_micros(0));
//! let tomorrow = Intent::new(tenant, issue, Timestamp::from_micros(1));
//! assert_eq!(today.id, tomorrow.id);
//! ```

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{
    IntentId, InvoiceId, PlanVersionId, ReferenceId, SubscriptionId, TenantId, TypedId,
};

/// One operation that is to be carried out at the tenant's engine.
///
/// It ends in one of two ways: done, in the change that writes what the engine answered, or parked
/// with a reason for an operator to look at, who may have it carried out again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Derived from the operation: one operation, one intent.
    pub id: IntentId,
    /// Whose engine.
    pub tenant: TenantId,
    /// What is to be done.
    pub operation: Operation,
    /// Not before this instant, in business time.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
}

impl Intent {
    /// The intent to do this.
    #[must_use]
    pub fn new(tenant: TenantId, operation: Operation, due_at: Timestamp) -> Self {
        let id = IntentId::derived(&[operation.key().as_bytes()]);
        Self {
            id,
            tenant,
            operation,
            due_at,
            attempts: 0,
        }
    }
}

/// How far an operation has come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum IntentState {
    /// To be carried out, or being carried out.
    Open,
    /// Carried out.
    Done,
    /// Given up, until somebody has it carried out again.
    Parked(Parking),
}

/// Why an operation was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Parking {
    /// What went wrong.
    pub reason: String,
    /// When it was given up, in business time.
    pub parked_at: Timestamp,
}

/// An operation that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct ParkedIntent {
    /// Which one.
    pub intent: Intent,
    /// Why.
    pub parking: Parking,
}

/// What is to be done at an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "operation")]
#[expect(clippy::exhaustive_enums, reason = "a new operation needs a runner")]
pub enum Operation {
    /// Make the subscription there, with its customer and its plan.
    StartSubscription {
        /// Which one.
        subscription: SubscriptionId,
    },
    /// Move the subscription to another plan there.
    ChangeSubscription {
        /// Which one.
        subscription: SubscriptionId,
        /// To which version.
        version: PlanVersionId,
        /// Which change of its plan this is, from 1: only the last one is carried out.
        number: u32,
        /// From its next period on; otherwise at once.
        at_period_end: bool,
    },
    /// End the subscription there.
    CancelSubscription {
        /// Which one.
        subscription: SubscriptionId,
        /// With its current period; otherwise at once.
        at_period_end: bool,
    },
    /// Ask for the money of an invoice that core made.
    IssueInvoice {
        /// Which one.
        invoice: InvoiceId,
    },
    /// Take an unpaid invoice back.
    VoidInvoice {
        /// Which one.
        invoice: InvoiceId,
    },
    /// Give money of an invoice back, or ask for it no longer.
    CreditInvoice {
        /// Which one.
        invoice: InvoiceId,
        /// Which of its credits.
        number: u32,
    },
    /// Charge what a customer is invoiced to the payment method that they have stored.
    ChargeStored {
        /// The customer's reference, which says at which account.
        customer: ReferenceId,
        /// The version of the news that told of it: a method may be stored again and again.
        news: u64,
    },
}

impl Operation {
    /// The idempotency key: made of stable ids alone, so that repeating is not doing twice.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::StartSubscription { subscription } => format!("start:{subscription}"),
            Self::ChangeSubscription {
                subscription,
                number,
                ..
            } => format!("change:{subscription}:{number}"),
            Self::CancelSubscription {
                subscription,
                at_period_end: true,
            } => format!("cancel-at-end:{subscription}"),
            Self::CancelSubscription {
                subscription,
                at_period_end: false,
            } => format!("cancel:{subscription}"),
            Self::IssueInvoice { invoice } => format!("issue:{invoice}"),
            Self::VoidInvoice { invoice } => format!("void:{invoice}"),
            Self::CreditInvoice { invoice, number } => format!("credit:{invoice}:{number}"),
            Self::ChargeStored { customer, news } => format!("charge-stored:{customer}:{news}"),
        }
    }
}
