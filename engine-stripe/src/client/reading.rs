//! Invoices as Stripe has them.

use async_trait::async_trait;
use monetization_core::engine::{EngineContext, EngineError, EngineInvoice, InvoiceReading};
use monetization_core::text::ForeignId;
use stripe_billing::invoice::{CreatePreviewInvoice, ListInvoice};
use stripe_billing::invoice_line_item::ListInvoiceInvoiceLineItem;

use super::{Client, permanent};
use crate::answer::{Invoice, Line};
use crate::invoice::{Stated, engine_invoice};
use crate::names;
use crate::session::{PAGE, Session};

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
            .all(|after| {
                let list = ListInvoice::new().subscription(id).limit(PAGE);
                match after {
                    Some(after) => list.starting_after(after),
                    None => list,
                }
            })
            .await?;
        // Newest first, also among those of one second.
        made.reverse();
        made.sort_by_key(|invoice| invoice.created);
        let mut invoices = Vec::with_capacity(made.len());
        for mut invoice in made {
            session.fill_lines(&mut invoice).await?;
            invoices.push(stated(&invoice, Stated::Made)?);
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
        stated(&preview, Stated::Preview)
    }
}

impl Session<'_> {
    /// An invoice is told with its first lines only.
    async fn fill_lines(&self, invoice: &mut Invoice) -> Result<(), EngineError> {
        if !invoice.lines.has_more {
            return Ok(());
        }
        let id = invoice.id.as_str();
        let lines: Vec<Line> = self
            .all(|after| {
                let list = ListInvoiceInvoiceLineItem::new(id).limit(PAGE);
                match after {
                    Some(after) => list.starting_after(after),
                    None => list,
                }
            })
            .await?;
        invoice.lines.data = lines;
        Ok(())
    }
}

fn stated(invoice: &Invoice, stated: Stated) -> Result<EngineInvoice, EngineError> {
    let read = engine_invoice(invoice, stated);
    read.map_err(|error| permanent("Stripe's invoice makes no sense").because(error))
}
