//! How core makes invoices, and takes them back.

use super::{FlowError, Monetizer};
use crate::ids::{InvoiceId, SubscriptionId, TypedId};
use crate::intent::{Intent, Operation};
use crate::invoice::{Invoice, InvoiceEvent, InvoiceState, Invoicing, Line, Occasion};
use crate::plan::PlanTerms;
use crate::rating::total;
use crate::store::{ChangeSet, Stored};
use crate::subscription::Subscription;
use crate::tenant::Tenant;

/// What an invoice is made of.
pub(super) struct Draft<'a> {
    pub(super) occasion: Occasion,
    pub(super) lines: Vec<Line>,
    pub(super) terms: &'a PlanTerms,
}

impl Monetizer {
    /// An invoice of this subscription. One over nothing is paid from the start.
    pub(super) fn invoice(
        &self,
        subscription: &Subscription,
        tenant: &Tenant,
        draft: Draft<'_>,
    ) -> Result<Invoice, FlowError> {
        let Draft {
            occasion,
            lines,
            terms,
        } = draft;
        let now = self.now();
        let total = total(terms, &lines)?;
        let paid = total.is_zero();
        let days =
            std::time::Duration::from_secs(u64::from(tenant.payment_days).saturating_mul(86_400));
        let invoice = Invoice {
            id: invoice_id(subscription.id, occasion),
            tenant: subscription.tenant,
            consumer: subscription.consumer,
            subscription: subscription.id,
            product: subscription.product,
            invoicing: Invoicing::ByCore,
            occasion,
            lines,
            currency: terms.currency(),
            total,
            state: if paid {
                InvoiceState::Paid
            } else {
                InvoiceState::Draft
            },
            payment_url: None,
            issued_at: now,
            due_at: now.saturating_add(days),
            grace_ends_at: None,
            paid_at: paid.then_some(now),
            engine_version: 0,
        };
        invoice.check()?;
        Ok(invoice)
    }

    /// Takes an invoice back that has not been paid, here and at the engine.
    pub(super) fn take_back(
        &self,
        mut invoice: Stored<Invoice>,
        change: &mut ChangeSet,
    ) -> Result<(), FlowError> {
        let Invoice { id, tenant, .. } = invoice.fact;
        invoice.fact.state = invoice.fact.state.on(InvoiceEvent::Voided)?;
        change.writes.push(invoice.write()?);
        let operation = Operation::VoidInvoice { invoice: id };
        change
            .intents
            .push(Intent::new(tenant, operation, self.now()));
        Ok(())
    }
}

/// The id of the invoice of this occasion: one occasion, one invoice.
pub(super) fn invoice_id(subscription: SubscriptionId, occasion: Occasion) -> InvoiceId {
    let occasion = match occasion {
        Occasion::Start => "start".to_owned(),
        Occasion::Bundle => "bundle".to_owned(),
        Occasion::Period { index, .. } => format!("period {index}"),
    };
    TypedId::derived(&[subscription.uuid().as_bytes(), occasion.as_bytes()])
}
