//! Gives money of an invoice back, or asks for it no longer.

use super::operations::unable;
use super::references::thing;
use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::field::FieldError;
use crate::ids::{InvoiceId, TenantId};
use crate::intent::{Intent, Operation};
use crate::invoice::{Credit, CreditTo, Invoice};
use crate::money::Money;
use crate::reference::ObjectKind;
use crate::text::{ForeignId, Prose};

/// A credit that is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCredit {
    /// How much, in the invoice's currency.
    pub amount: Money,
    /// Why, for the consumer to read.
    pub reason: Prose,
    /// Where money goes that was paid already.
    pub to: CreditTo,
    /// Recognises the order when it comes again.
    pub request_key: Option<ForeignId>,
}

impl Monetizer {
    /// Credits a part of an invoice, or all that is left of it. The credit stands here at once, and at the
    /// engine with the next round of operations; one that the engine refuses counts for nothing, says why,
    /// and its operation is parked. The same order again, by its `request_key`, is the same credit.
    ///
    /// An invoice of which nothing is left to be paid becomes paid, as the engine tells.
    ///
    /// # Errors
    /// [`FlowError::NotFound`]; [`FlowError::Field`] for an amount that is not above zero, in another
    /// currency or more than is left, for an invoice that was never asked for or was taken back, and for a
    /// `request_key` under which another credit was given; [`FlowError::Unable`] where the engine collects no
    /// invoices; [`FlowError::Store`].
    pub async fn credit_invoice(
        &self,
        tenant: TenantId,
        invoice: InvoiceId,
        order: &NewCredit,
    ) -> Result<Invoice, FlowError> {
        let (_, engine) = self.engine_of(tenant).await?;
        if engine.invoices.is_none() {
            return Err(unable(engine, "collect invoices"));
        }
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Invoice>(tenant, invoice).await?;
            if let Some(known) = known(&stored.fact, order)? {
                return Ok(known);
            }
            let number = stored.fact.add_credit(Credit {
                number: 0,
                amount: order.amount,
                reason: order.reason.clone(),
                to: order.to,
                request_key: order.request_key.clone(),
                made_at: self.now(),
                external: None,
                refused_because: None,
            })?;
            let place = self.place(tenant, engine, stored.fact.product).await?;
            let of = thing(tenant, ObjectKind::Invoice, invoice);
            if self.reference(&place, of).await?.is_none() {
                let problem = "the engine does not have it yet: try again once it is open";
                return Err(FieldError::new("invoice", problem).into());
            }
            let operation = Operation::CreditInvoice { invoice, number };
            let mut change = self.change();
            change.writes.push(stored.write()?);
            change
                .intents
                .push(Intent::new(tenant, operation, self.now()));
            if self.apply(&change).await? {
                return Ok(stored.fact);
            }
        }
        Err(FlowError::Contended)
    }
}

/// The invoice, where this order came before.
fn known(invoice: &Invoice, order: &NewCredit) -> Result<Option<Invoice>, FieldError> {
    let Some(key) = &order.request_key else {
        return Ok(None);
    };
    let given = invoice.credits.iter();
    let mut credits = given.filter(|credit| credit.refused_because.is_none());
    match credits.find(|credit| credit.request_key.as_ref() == Some(key)) {
        None => Ok(None),
        Some(same) if same.amount == order.amount && same.to == order.to => {
            Ok(Some(invoice.clone()))
        }
        Some(other) => {
            let problem = format!("it was used for another credit, of {}", other.amount);
            Err(FieldError::new("request_key", problem))
        }
    }
}
