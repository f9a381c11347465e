//! Invoices that core has made, and those that the provider has.
//!
//! Of an invoice of core's only what never changes is sent. Its state, its link and the version
//! that core has seen move on after it was issued, and a repetition has to be the same order all
//! the same, or the provider would take it for another invoice under a used key.

use async_trait::async_trait;
use monetization_core::engine::{
    EngineContext, EngineError, EngineErrorKind, EngineInvoice, InvoiceIssuing, InvoiceReading,
    Issued, Removal,
};
use monetization_core::invoice::{Credit, Invoice, Occasion};
use monetization_core::text::ForeignId;

use super::{Client, unexpected};
use crate::provider::{FinishedInvoice, Order, Query, Reply, StatedLine};

#[async_trait]
impl InvoiceIssuing for Client {
    async fn issue(
        &self,
        cx: &EngineContext,
        customer: &ForeignId,
        invoice: &Invoice,
    ) -> Result<Issued, EngineError> {
        // Only what of an invoice never changes is sent: repeated later, it is the same order.
        let lines = invoice.lines.iter().map(|line| StatedLine {
            text: line.description.clone(),
            amount: line.amount,
        });
        let finished = FinishedInvoice {
            invoice: invoice.id,
            customer: customer.clone(),
            period: match invoice.occasion {
                Occasion::Start | Occasion::Bundle => None,
                Occasion::Period { period, .. } => Some(period),
            },
            lines: lines.collect(),
            total: invoice.total,
            due_at: invoice.due_at,
        };
        match self.order(cx, Order::IssueInvoice(finished)).await? {
            Reply::Started { object, link } => Ok(Issued {
                external: object,
                payment_url: self.payment_url(link.as_ref()),
            }),
            other => Err(unexpected(&other)),
        }
    }

    async fn void(&self, cx: &EngineContext, invoice: &ForeignId) -> Result<Removal, EngineError> {
        let invoice = invoice.clone();
        self.remove(cx, Order::VoidInvoice { invoice }).await
    }

    async fn payment_url(
        &self,
        cx: &EngineContext,
        invoice: &ForeignId,
    ) -> Result<Option<String>, EngineError> {
        let invoice = invoice.clone();
        match self.ask(cx, Query::Invoice { invoice }).await? {
            Reply::Invoices(stated) => {
                let link = stated.first().and_then(|stated| stated.link.as_ref());
                Ok(self.payment_url(link))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn credit(
        &self,
        cx: &EngineContext,
        invoice: &ForeignId,
        credit: &Credit,
    ) -> Result<ForeignId, EngineError> {
        let order = Order::CreditInvoice {
            invoice: invoice.clone(),
            number: credit.number,
            amount: credit.amount,
            to: credit.to,
        };
        match self.order(cx, order).await? {
            Reply::Named(credit) => Ok(credit),
            other => Err(unexpected(&other)),
        }
    }
}

#[async_trait]
impl InvoiceReading for Client {
    async fn list(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<Vec<EngineInvoice>, EngineError> {
        let subscription = subscription.clone();
        match self.ask(cx, Query::Invoices { subscription }).await? {
            Reply::Invoices(stated) => Ok(stated
                .into_iter()
                .map(|stated| self.engine_invoice(stated))
                .collect()),
            other => Err(unexpected(&other)),
        }
    }

    async fn preview(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<EngineInvoice, EngineError> {
        let subscription = subscription.clone();
        match self.ask(cx, Query::Preview { subscription }).await? {
            Reply::Invoices(stated) => {
                let preview = stated
                    .into_iter()
                    .next()
                    .map(|stated| self.engine_invoice(stated));
                let missing =
                    || EngineError::new(EngineErrorKind::NotFound, "there is nothing to preview");
                preview.ok_or_else(missing)
            }
            other => Err(unexpected(&other)),
        }
    }
}
