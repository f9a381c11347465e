//! Credits of invoices, as credit notes.
//!
//! What is not paid yet is taken off what is asked for; of what is paid, Stripe has to be told where it
//! goes: to the customer's balance, which pays for later invoices, or back. Done again, a note that may
//! be there is looked for by its number among those of the invoice.
//!
//! | the invoice at Stripe | what the note says besides its amount |
//! |---|---|
//! | nothing of it is paid | nothing: that much is no longer asked for |
//! | a part of what is credited is paid | `credit_amount` or `refund_amount` of that part |
//! | all of it is paid | `credit_amount` or `refund_amount` of all of it |
//! | it was paid from the customer's balance | `credit_amount`, whatever was asked for: nothing can be refunded that no card has paid, or that earlier notes have refunded |
//! | it is a draft, void, or less is left of it | Stripe refuses, and the credit counts for nothing here |
//!
//! Amounts are in the unit that Stripe counts the currency in; one that it cannot count, such as a fil of a
//! dinar, is refused before anybody is asked. Lines and total of the invoice stay as they are.
//!
//! The invoice is read first and its notes are listed then, so that a note which comes into being meanwhile
//! is found, or is in what Stripe says is left. The step is called by how much of it was paid and goes back, so
//! that the same credit of an invoice that was paid between two attempts is another form under another key.
//!
//! ```text
//! GET  /v1/invoices/in_1
//! POST /v1/credit_notes    invoice=in_1 amount=1000 memo=… credit_amount=1000
//!                          metadata[monetization_credit]=1
//! ```

use monetization_core::engine::EngineError;
use monetization_core::invoice::{Credit, CreditTo};
use monetization_core::text::ForeignId;
use stripe_billing::credit_note::{CreateCreditNote, CreateCreditNoteEmailType, ListCreditNote};
use stripe_billing::invoice::RetrieveInvoice;

use super::{foreign, permanent};
use crate::answer::{CreditNote, Invoice};
use crate::currency::Unit;
use crate::error::Failure;
use crate::names;
use crate::session::{Session, page};

/// A credit note that is to be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Note<'a> {
    /// In the unit that Stripe counts.
    pub(super) amount: i64,
    /// Why, for who reads the invoice.
    pub(super) memo: &'a str,
    /// Which credit of the invoice it is.
    pub(super) number: &'a str,
    /// Where what is paid of it goes.
    pub(super) to: CreditTo,
}

impl Session<'_> {
    /// Credits an invoice, once.
    ///
    /// # Errors
    /// `Permanent` for an amount that Stripe cannot credit, because it is more than is left or the invoice
    /// was taken back; else that of the request that failed.
    pub(super) async fn credit(
        &self,
        invoice: &str,
        credit: &Credit,
    ) -> Result<ForeignId, EngineError> {
        // First, so that a note which comes into being meanwhile is found, or counted in what is left.
        let of: Invoice = self.ask(&RetrieveInvoice::new(invoice)).await?;
        let notes = self.notes(&of, credit.to).await?;
        let number = credit.number.to_string();
        let is_it = |note: &&CreditNote| note.metadata.get(names::CREDIT) == Some(&number);
        if let Some(known) = notes.iter().find(is_it) {
            return foreign(&known.id);
        }
        let unit = Unit::of(credit.amount.currency());
        let amount = unit.and_then(|unit| unit.amount(credit.amount));
        let amount =
            amount.map_err(|error| permanent("Stripe cannot credit this amount").because(error))?;
        let note = Note {
            amount,
            memo: credit.reason.as_str(),
            number: &number,
            to: credit.to,
        };
        foreign(&self.note(&of, &notes, note).await?.id)
    }

    /// Makes a note of an invoice, beside those that it has.
    ///
    /// # Errors
    /// That of the request that failed.
    pub(super) async fn note(
        &self,
        of: &Invoice,
        notes: &[CreditNote],
        new: Note<'_>,
    ) -> Result<CreditNote, Failure> {
        let create = CreateCreditNote::new(of.id.as_str())
            .amount(new.amount)
            .memo(new.memo)
            .email_type(CreateCreditNoteEmailType::None)
            .metadata([(names::CREDIT.to_owned(), new.number.to_owned())]);
        let paid = new
            .amount
            .saturating_sub(of.amount_remaining.unwrap_or(0))
            .max(0);
        // What a balance has paid cannot go back to where it came from.
        let back = match new.to {
            CreditTo::Balance => 0,
            CreditTo::Payment => {
                let refunded = notes.iter().map(CreditNote::refunded);
                let refunded = refunded.fold(0, i64::saturating_add);
                let left = of.amount_paid.unwrap_or(0).saturating_sub(refunded);
                paid.min(left).max(0)
            }
        };
        let kept = paid.saturating_sub(back);
        let create = if back > 0 {
            create.refund_amount(back)
        } else {
            create
        };
        let create = if kept > 0 {
            create.credit_amount(kept)
        } else {
            create
        };
        // Another key where it was paid or refunded meanwhile: it is another form.
        let step = format!("{}:paid:{paid}:back:{back}", of.id);
        Ok(self.step::<CreditNote>(&step, &create).await?.object)
    }

    /// The notes of an invoice, where an earlier call may have made the one that is wanted, or what they have
    /// refunded counts.
    ///
    /// # Errors
    /// That of the request that failed.
    async fn notes(&self, of: &Invoice, to: CreditTo) -> Result<Vec<CreditNote>, Failure> {
        let is_refunded =
            to == CreditTo::Payment && of.post_payment_credit_notes_amount.unwrap_or(0) > 0;
        if !self.cx.repeated && !is_refunded {
            return Ok(Vec::new());
        }
        self.notes_of(&of.id).await
    }

    /// All notes of an invoice.
    ///
    /// # Errors
    /// That of the request that failed.
    pub(super) async fn notes_of(&self, invoice: &str) -> Result<Vec<CreditNote>, Failure> {
        self.all(|after| page!(ListCreditNote::new().invoice(invoice), after))
            .await
    }
}
