use async_trait::async_trait;

use super::{EngineContext, EngineError, Removal};
use crate::clock::{Span, Timestamp};
use crate::invoice::{Credit, Invoice, InvoiceState};
use crate::money::Money;
use crate::store::Port;
use crate::text::ForeignId;

/// Collects invoices that core has made.
///
/// The provider shows and collects what it is given: it rates nothing, adds nothing and rounds
/// nothing. That an invoice was paid is told by a message, later.
///
/// A provider that shows a page for each invoice, named by our id, so that issuing the same invoice
/// again is one page:
///
/// ```
/// use monetization_core::engine::*;
/// use monetization_core::invoice::{Credit, Invoice};
/// use monetization_core::text::ForeignId;
///
/// #[derive(Debug)]
/// struct Pages;
///
/// #[async_trait::async_trait]
/// impl InvoiceIssuing for Pages {
///     async fn issue(
///         &self, _: &EngineContext, _customer: &ForeignId, invoice: &Invoice,
///     ) -> Result<Issued, EngineError> {
///         let refuse = |problem| EngineError::new(EngineErrorKind::Permanent, problem);
///         invoice.check().map_err(|error| refuse("it does not add up").because(error))?;
///         let external = invoice.id.to_string().parse();
///         let external: ForeignId = external.map_err(|_| refuse("no name for it"))?;
///         let payment_url = Some(format!("https://pay.example/{external}"));
///         Ok(Issued { external, payment_url })
///     }
///
///     async fn void(&self, _: &EngineContext, _: &ForeignId) -> Result<Removal, EngineError> {
///         Ok(Removal::Deleted)
///     }
///
///     async fn payment_url(
///         &self, _: &EngineContext, invoice: &ForeignId,
///     ) -> Result<Option<String>, EngineError> {
///         Ok(Some(format!("https://pay.example/{invoice}")))
///     }
///
///     async fn credit(
///         &self, _: &EngineContext, invoice: &ForeignId, credit: &Credit,
///     ) -> Result<ForeignId, EngineError> {
///         let refuse = |_| EngineError::new(EngineErrorKind::Permanent, "no name for it");
///         format!("{invoice}-credit-{}", credit.number).parse().map_err(refuse)
///     }
/// }
///
/// let invoices: std::sync::Arc<dyn InvoiceIssuing> = std::sync::Arc::new(Pages);
/// assert_eq!(format!("{invoices:?}"), "Pages");
/// ```
#[async_trait]
pub trait InvoiceIssuing: Port {
    /// Asks the customer for the money of a finished invoice: its lines and its total exactly.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn issue(
        &self,
        cx: &EngineContext,
        customer: &ForeignId,
        invoice: &Invoice,
    ) -> Result<Issued, EngineError>;

    /// Takes an unpaid invoice back.
    ///
    /// # Errors
    /// [`EngineError`]; that it does not exist is [`Removal::AlreadyGone`] and no error.
    async fn void(&self, cx: &EngineContext, invoice: &ForeignId) -> Result<Removal, EngineError>;

    /// Where an invoice can be paid now: links may grow old. `None` where nothing is to be paid any more.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn payment_url(
        &self,
        cx: &EngineContext,
        invoice: &ForeignId,
    ) -> Result<Option<String>, EngineError>;

    /// Credits a part of an invoice, or all of it, and answers what the credit is called. What is not
    /// paid yet is no longer asked for; money that was paid goes where the credit says. An invoice of
    /// which nothing is left to be paid becomes paid.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn credit(
        &self,
        cx: &EngineContext,
        invoice: &ForeignId,
        credit: &Credit,
    ) -> Result<ForeignId, EngineError>;
}

/// An invoice that the provider collects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// What the provider calls it.
    pub external: ForeignId,
    /// Where the consumer pays it.
    pub payment_url: Option<String>,
}

/// Tells what a provider has invoiced and would invoice.
///
/// No flow bills from what is read here.
#[async_trait]
pub trait InvoiceReading: Port {
    /// The invoices of a subscription, oldest first.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn list(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<Vec<EngineInvoice>, EngineError>;

    /// The invoice of the current period as it would be now.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn preview(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<EngineInvoice, EngineError>;
}

/// An invoice as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInvoice {
    /// What the provider calls it; `None` for one that does not exist yet.
    pub external: Option<ForeignId>,
    /// The period whose use it bills; `None` for what is due before the first call.
    pub period: Option<Span>,
    /// Its lines: what they say and what they cost.
    pub lines: Vec<(String, Money)>,
    /// What is owed in all.
    pub total: Money,
    /// How it stands.
    pub state: InvoiceState,
    /// Where the consumer pays it.
    pub payment_url: Option<String>,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From when on it is past due.
    pub due_at: Timestamp,
}
