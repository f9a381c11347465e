//! The engine port: who bills.
//!
//! An [`Engine`] is a bundle of ports. What it does not hand over cannot be called, so there is
//! no method that quietly does less; and each part can be wrapped alone. Flows hold an engine by
//! this bundle only and never ask which one it is.
//!
//! The port mirrors WSO2 API Manager's monetization interface (`org.wso2.carbon.apimgt.api.model.
//! Monetization`) and repairs it: typed outcomes for booleans, an idempotency key and
//! credentials with every call instead of process-wide state, receipts for each usage record,
//! and the customers and subscriptions that WSO2 leaves to its workflow executors.
//!
//! # Implementing an engine
//! Make one attempt for each call: flows repeat, with the same idempotency key. Answer with an
//! [`EngineError`] only where the outcome is an error or unknown; a declined payment is a value.
//! Keep nothing: every id you hand back is stored by core. Then run the engine suite of the
//! conformance package against it.
//!
//! | part | without it |
//! |---|---|
//! | [`BillingEngine`] | there is no engine |
//! | [`UsageReporting`] | the engine cannot invoice for itself |
//! | [`InvoiceIssuing`] | the engine cannot collect what core invoices |
//! | [`InvoiceReading`] | nobody can ask what it has invoiced |
//! | [`CustomerPortal`] | consumers cannot store what they pay with |
//! | [`Webhooks`] | it sends no news, and so nothing that costs can be sold through it |
//! | [`NewsFeed`] | news that never arrived are lost |
//!
//! What flows promise an engine: a key for each call, made of stable ids and written down before
//! the first call that carries it; no call within a transaction; at most
//! [`batch_max`](EngineLimits::batch_max) reports at once; and at most one runner for one operation
//! at a time, except that a runner which slept past its claim may be overtaken.
//!
//! What an engine promises: a call that is repeated with its key has one effect; an error says
//! truly whether the call may have had one; ids it hands back stay good.
//!
//! ```
//! use monetization_core::engine::Engine;
//!
//! let engine = monetization_core::engine::none();
//! assert_eq!(engine.descriptor.id.as_str(), "none");
//! assert!(engine.usage.is_none() && engine.invoices.is_none());
//! ```

use std::sync::Arc;

pub use billing::{
    BillingEngine, CancelMode, ChangeMode, Enabled, NewSubscription, PlanSwitch, Removal,
    SubscriptionSnapshot, SubscriptionStart,
};
pub use context::{EngineContext, IdempotencyKey};
pub use descriptor::{Attribute, EngineDescriptor, EngineLimits, PriceShapes};
pub use error::{EngineError, EngineErrorKind};
pub use feed::{NewsFeed, NewsPage};
pub use invoices::{EngineInvoice, InvoiceIssuing, InvoiceReading, Issued};
pub use none::none;
pub use portal::{CustomerPortal, Page, PageRequest};
pub use usage::{CurrentUsage, Receipt, SealedReport, UsageReport, UsageReporting, Withdrawal};
pub use webhooks::{
    EngineEvent, News, RejectedReport, RejectedReports, VerifiedEvent, WebhookError, Webhooks,
};

mod billing;
mod context;
mod descriptor;
mod error;
mod feed;
mod invoices;
mod none;
mod portal;
mod usage;
mod webhooks;

/// A billing provider: what it is, and what it can do.
///
/// A program makes one for each provider and hands them to
/// [`Engines`](crate::flows::Engines), by the id in the descriptor. Clones share the parts.
#[derive(Debug, Clone)]
pub struct Engine {
    /// What it is and what it needs, as data that flows obey.
    pub descriptor: EngineDescriptor,
    /// Plans, customers and subscriptions.
    pub billing: Arc<dyn BillingEngine>,
    /// Takes use and invoices it: needed for invoicing by the engine.
    pub usage: Option<Arc<dyn UsageReporting>>,
    /// Collects finished invoices: needed for invoicing by core.
    pub invoices: Option<Arc<dyn InvoiceIssuing>>,
    /// Tells what it has invoiced and would invoice.
    pub statements: Option<Arc<dyn InvoiceReading>>,
    /// Has pages in which consumers look after what they pay with.
    pub portal: Option<Arc<dyn CustomerPortal>>,
    /// Sends news.
    pub webhooks: Option<Arc<dyn Webhooks>>,
    /// Tells its news again.
    pub feed: Option<Arc<dyn NewsFeed>>,
}
