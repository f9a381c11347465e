//! How core makes invoices, and takes them back.

use super::operations::unable;
use super::references::thing;
use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::engine::IdempotencyKey;
use crate::ids::{InvoiceId, SubscriptionId, TenantId, TypedId};
use crate::intent::{Intent, Operation};
use crate::invoice::{Invoice, InvoiceEvent, InvoiceState, Invoicing, Line, Occasion};
use crate::plan::PlanTerms;
use crate::rating::total;
use crate::reference::ObjectKind;
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
            credits: Vec::new(),
            engine_version: 0,
        };
        invoice.check()?;
        Ok(invoice)
    }

    /// Asks the engine where an invoice can be paid now, since links may grow old, and keeps the answer. An
    /// invoice that is not to be paid, or not yet known to the engine, stays as it is.
    ///
    /// Nothing changes at the engine: it is the same invoice, and asking twice is asking once.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Engine`], [`FlowError::Store`].
    pub async fn renew_payment_url(
        &self,
        tenant: TenantId,
        id: InvoiceId,
    ) -> Result<Invoice, FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Invoice>(tenant, id).await?;
            let Some(payment_url) = self.payment_url(&stored.fact).await? else {
                return Ok(stored.fact);
            };
            let mut change = self.change();
            if stored.fact.occasion == Occasion::Start {
                let of = stored.fact.subscription;
                let mut subscription = self.must::<Subscription>(tenant, of).await?;
                subscription.fact.payment_url = Some(payment_url.clone());
                change.writes.push(subscription.write()?);
            }
            stored.fact.payment_url = Some(payment_url);
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok(stored.fact);
            }
        }
        Err(FlowError::Contended)
    }

    /// Where an invoice can be paid, as its engine says.
    async fn payment_url(&self, invoice: &Invoice) -> Result<Option<String>, FlowError> {
        let is_to_be_paid = matches!(
            invoice.state,
            InvoiceState::Open | InvoiceState::PastDue | InvoiceState::Uncollectible
        );
        let tenant = invoice.tenant;
        let (_, engine) = self.engine_of(tenant).await?;
        let place = self.place(tenant, engine, invoice.product).await?;
        let of = thing(tenant, ObjectKind::Invoice, invoice.id);
        let external = self.reference(&place, of).await?;
        let Some(external) = external.filter(|_| is_to_be_paid) else {
            return Ok(None);
        };
        let key = IdempotencyKey::new(format!("payment-url:{}", invoice.id));
        let cx = self.context(tenant, place.account.clone(), key);
        let issuing = engine
            .invoices
            .as_ref()
            .ok_or_else(|| unable(engine, "collect invoices"))?;
        Ok(issuing.payment_url(&cx, &external).await?)
    }

    /// Takes an invoice back that has not been paid, here and at the engine.
    pub(super) fn take_back(
        &self,
        mut invoice: Stored<Invoice>,
        change: &mut ChangeSet,
    ) -> Result<(), FlowError> {
        let Invoice { id, tenant, .. } = invoice.fact;
        invoice.fact.state = invoice.fact.state.on(InvoiceEvent::Voided)?;
        invoice.fact.grace_ends_at = None;
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
