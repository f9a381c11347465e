//! Invoices as Stripe has them.
//!
//! ```text
//! GET  /v1/invoices                    subscription=sub_1 limit=100
//! GET  /v1/invoices/in_1/lines         where an invoice has more lines than it is told with
//! POST /v1/invoices/create_preview     subscription=sub_1
//! ```
//!
//! A preview changes nothing, though Stripe takes it by `POST`: it is sent under a key of its own each
//! time, so that it is not an earlier one, and its failure leaves nothing open. Of its lines the first
//! ten are told, and what they lack to the total as one more; so it is with invoices that messages tell.

use async_trait::async_trait;
use monetization_core::engine::{EngineContext, EngineError, EngineInvoice, InvoiceReading};
use monetization_core::text::ForeignId;
use stripe_billing::invoice::{CreatePreviewInvoice, ListInvoice};
use stripe_billing::invoice_line_item::ListInvoiceInvoiceLineItem;

use super::{Client, permanent};
use crate::answer::{Invoice, Line};
use crate::error::Failure;
use crate::invoice::{Stated, engine_invoice};
use crate::names;
use crate::session::{Session, page};

#[async_trait]
impl InvoiceReading for Client {
    async fn list(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<Vec<EngineInvoice>, EngineError> {
        let session = self.session(cx);
        let id = names::in_path(subscription)?;
        let mut made: Vec<Invoice> = session
            .all(|after| page!(ListInvoice::new().subscription(id), after))
            .await?;
        // Newest first, also among those of one second.
        made.reverse();
        made.sort_by_key(|invoice| invoice.created);
        let mut invoices = Vec::with_capacity(made.len());
        for mut invoice in made {
            session.fill_lines(&mut invoice).await?;
            invoices.push(self.stated(&invoice, Stated::Made)?);
        }
        Ok(invoices)
    }

    async fn preview(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<EngineInvoice, EngineError> {
        let id = names::in_path(subscription)?;
        let preview = CreatePreviewInvoice::new().subscription(id);
        let preview: Invoice = self.session(cx).reckon(&preview).await?;
        self.stated(&preview, Stated::Preview)
    }
}

impl Client {
    /// The invoice, or an error that says that it makes no sense.
    ///
    /// # Errors
    /// `Permanent` for an invoice that makes no sense.
    fn stated(&self, invoice: &Invoice, stated: Stated) -> Result<EngineInvoice, EngineError> {
        let read = engine_invoice(invoice, stated, self.days_until_due);
        read.map_err(|error| permanent("Stripe's invoice makes no sense").because(error))
    }
}

impl Session<'_> {
    /// An invoice is told with its first lines only.
    ///
    /// # Errors
    /// That of the request that failed.
    pub(super) async fn fill_lines(&self, invoice: &mut Invoice) -> Result<(), Failure> {
        if !invoice.lines.has_more {
            return Ok(());
        }
        let id = invoice.id.as_str();
        let lines: Vec<Line> = self
            .all(|after| page!(ListInvoiceInvoiceLineItem::new(id), after))
            .await?;
        invoice.lines.data = lines;
        invoice.lines.has_more = false;
        Ok(())
    }
}
