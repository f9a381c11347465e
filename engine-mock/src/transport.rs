//! How calls reach a provider.
//!
//! The client speaks to a [`Transport`] and knows nothing of what is behind it. In this process
//! that is the provider itself; faults stand around it as a transport of their own. A transport
//! to a provider elsewhere has to tell three things apart, because the caller's next step hangs
//! on it:
//!
//! * the call has not left: [`TransportError::NotSent`], nothing was done;
//! * it has left and nothing came back: [`TransportError::NoAnswer`], it may have been done;
//! * the provider has answered, be it with a refusal: `Ok`.
//!
//! ```
//! use async_trait::async_trait;
//! use monetization_engine_mock::transport::{Answer, Call, Transport, TransportError};
//!
//! /// Counts what passes.
//! #[derive(Debug)]
//! struct Counted<T> {
//!     inner: T,
//!     calls: std::sync::atomic::AtomicU64,
//! }
//!
//! #[async_trait]
//! impl<T: Transport> Transport for Counted<T> {
//!     async fn send(&self, call: Call) -> Result<Answer, TransportError> {
//!         self.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
//!         self.inner.send(call).await
//!     }
//! }
//! ```

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use monetization_core::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::provider::{Account, Order, Query, Refusal, Reply};

#[cfg(feature = "http")]
pub use self::http::Http;
pub(crate) use direct::Host;

mod direct;
#[cfg(feature = "http")]
mod http;

/// One call of a provider: what would be one HTTP request. An operation of core's port is one call
/// or several: see the keys, which are made of the operation's for each of them.
#[derive(Debug, Clone)]
pub struct Call {
    /// The account it is for.
    pub account: Account,
    /// What the caller signs in with. It is recorded in memory and never written down.
    pub credentials: Option<Secret>,
    /// Recognises it when it is repeated.
    pub key: String,
    /// How long the caller waits. The answer to a call that takes longer is lost, and what it asked
    /// may have been done.
    pub timeout: Duration,
    /// What it asks.
    pub request: Request,
    /// Present where the provider shall fail within.
    pub breaks: Option<Refusal>,
}

/// What a call asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Request {
    /// That something be done.
    #[serde(rename = "order")]
    Do(Order),
    /// How something stands.
    #[serde(rename = "query")]
    Ask(Query),
}

impl Request {
    /// Which operation it is.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Do(order) => match order {
                Order::EnsureProduct { .. } => Operation::EnsureProduct,
                Order::EnsurePlan { .. } => Operation::EnsurePlan,
                Order::RetirePlan { .. } => Operation::RetirePlan,
                Order::RetireProduct { .. } => Operation::RetireProduct,
                Order::EnsureCustomer { .. } => Operation::EnsureCustomer,
                Order::StartSubscription(_) => Operation::StartSubscription,
                Order::ChangePlan { .. } => Operation::ChangePlan,
                Order::EndSubscription { .. } => Operation::EndSubscription,
                Order::IssueInvoice(_) => Operation::IssueInvoice,
                Order::VoidInvoice { .. } => Operation::VoidInvoice,
                Order::CreditInvoice { .. } => Operation::CreditInvoice,
                Order::ChargeStored { .. } => Operation::ChargeStored,
                Order::TakeUsage { .. } => Operation::TakeUsage,
                Order::WithdrawUsage { .. } => Operation::WithdrawUsage,
            },
            Self::Ask(query) => match query {
                Query::Realm => Operation::Realm,
                Query::News { .. } => Operation::News,
                Query::Plans { .. } => Operation::Plans,
                Query::Subscription { .. } => Operation::Subscription,
                Query::Invoices { .. } | Query::Invoice { .. } => Operation::Invoices,
                Query::Preview { .. } => Operation::Preview,
                Query::Page { .. } => Operation::Page,
                Query::Usage { .. } => Operation::Usage,
            },
        }
    }
}

/// An operation of the provider, to choose calls by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "one for each order and question")]
pub enum Operation {
    /// [`Order::EnsureProduct`].
    EnsureProduct,
    /// [`Order::EnsurePlan`].
    EnsurePlan,
    /// [`Order::RetirePlan`].
    RetirePlan,
    /// [`Order::RetireProduct`].
    RetireProduct,
    /// [`Order::EnsureCustomer`].
    EnsureCustomer,
    /// [`Order::StartSubscription`].
    StartSubscription,
    /// [`Order::ChangePlan`].
    ChangePlan,
    /// [`Order::EndSubscription`].
    EndSubscription,
    /// [`Order::IssueInvoice`].
    IssueInvoice,
    /// [`Order::VoidInvoice`].
    VoidInvoice,
    /// [`Order::CreditInvoice`].
    CreditInvoice,
    /// [`Order::ChargeStored`].
    ChargeStored,
    /// [`Order::TakeUsage`].
    TakeUsage,
    /// [`Order::WithdrawUsage`].
    WithdrawUsage,
    /// [`Query::Realm`].
    Realm,
    /// [`Query::News`].
    News,
    /// [`Query::Plans`].
    Plans,
    /// [`Query::Subscription`].
    Subscription,
    /// [`Query::Invoices`].
    Invoices,
    /// [`Query::Preview`].
    Preview,
    /// [`Query::Page`].
    Page,
    /// [`Query::Usage`].
    Usage,
}

impl Operation {
    /// Whether it changes something.
    #[must_use]
    pub fn changes(self) -> bool {
        !matches!(
            self,
            Self::Realm
                | Self::News
                | Self::Plans
                | Self::Subscription
                | Self::Invoices
                | Self::Preview
                | Self::Page
                | Self::Usage
        )
    }
}

/// What came back over a transport: the provider's answer, or its refusal. Both are answers: the
/// call has arrived.
pub type Answer = Result<Reply, Refusal>;

/// Carries calls to a provider, one attempt each.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Carries one call.
    ///
    /// # Errors
    /// [`TransportError`] where no answer came back.
    async fn send(&self, call: Call) -> Result<Answer, TransportError>;
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    async fn send(&self, call: Call) -> Result<Answer, TransportError> {
        (**self).send(call).await
    }
}

/// Why no answer came back, whatever is behind the transport: a journal, a socket.
pub type Cause = Box<dyn Error + Send + Sync>;

/// That no answer came back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The call has not left.
    #[error("the call was not sent")]
    NotSent {
        /// Why not.
        source: Option<Cause>,
    },
    /// The call has left; whether it arrived nobody knows.
    #[error("no answer came back")]
    NoAnswer {
        /// Why not.
        source: Option<Cause>,
    },
}
