//! The end of a subscription.
//!
//! | wish | requests | repeated |
//! |---|---|---|
//! | now | a first invoice that nobody paid is voided; `DELETE` with `invoice_now`, without prorations | it is gone |
//! | with the period | `POST` with `cancel_at_period_end` | it is so already: nothing |
//! | since an instant | as now, once what is billed of periods from then on is taken back | what was taken back is no longer there |
//!
//! A subscription that Stripe was to end with its period, and heard of it late, has been renewed: an invoice bills the
//! use of the last period, which is owed, and the base price of one that nobody is granted. Of a trial that expires
//! nothing is owed.
//!
//! | the invoice | what is done |
//! |---|---|
//! | a draft | an item takes that much off it: what is used is still counted, and its period stays open |
//! | open, over nothing else | it is voided |
//! | over more, or paid | a credit note; what a card has paid of it is refunded |
//!
//! ```text
//! GET    /v1/invoices              subscription=sub_1 created[gte]=…
//! POST   /v1/invoiceitems          invoice=in_2 amount=-2500 description=…
//! POST   /v1/credit_notes          invoice=in_2 amount=2500 refund_amount=2500
//! DELETE /v1/subscriptions/sub_1   invoice_now=true prorate=false
//! ```

use monetization_core::engine::{CancelMode, EngineError, Removal};
use monetization_core::invoice::CreditTo;
use monetization_core::text::ForeignId;
use stripe_billing::invoice::{ListInvoice, VoidInvoiceInvoice};
use stripe_billing::invoice_item::CreateInvoiceItem;
use stripe_billing::subscription::{CancelSubscription, UpdateSubscription};
use stripe_types::RangeQueryTs;

use super::crediting::Note;
use super::missing_is_none;
use crate::answer::{AnyObject, CreditNote, Invoice, Subscription};
use crate::error::Failure;
use crate::names;
use crate::session::{Session, page};
use crate::time::seconds;

/// What a line or a note says that takes something back.
const BEYOND_THE_END: &str = "Not used: the subscription has ended";
/// Which credit of its invoice such a note is.
const NUMBER: &str = "end";

impl Session<'_> {
    /// Ends a subscription. At once: what was used and not invoiced is invoiced, and a first invoice
    /// that nobody has paid is taken back before.
    ///
    /// # Errors
    /// That of the request that failed.
    pub(super) async fn cancel(
        &self,
        subscription: &ForeignId,
        mode: CancelMode,
    ) -> Result<Removal, EngineError> {
        let known = self.known_subscription(subscription).await?;
        let Some(known) = known.filter(Subscription::is_live) else {
            return Ok(Removal::AlreadyGone);
        };
        let id = known.id.as_str();
        if known.is_tried() {
            self.forgive(&known).await?;
        }
        self.unschedule(&known).await?;
        match mode {
            CancelMode::AtPeriodEnd => {
                if !known.cancel_at_period_end {
                    let update = UpdateSubscription::new(id).cancel_at_period_end(true);
                    self.order::<Subscription>(&update).await?;
                }
                return Ok(Removal::Archived);
            }
            CancelMode::Since(at) => self.take_back(&known, seconds(at)).await?,
            CancelMode::Now => {}
        }
        let first = self.first_invoice(&known).await?;
        if let Some(unpaid) = first.filter(|first| first.is("open")) {
            let void = VoidInvoiceInvoice::new(unpaid.id.as_str());
            self.step::<Invoice>("void", &void).await?;
        }
        let cancel = CancelSubscription::new(id).invoice_now(true).prorate(false);
        let ended = missing_is_none(self.order::<Subscription>(&cancel).await)?;
        Ok(ended.map_or(Removal::AlreadyGone, |_| Removal::Deleted))
    }

    /// Takes back what is billed of periods that begin at an instant or later.
    ///
    /// # Errors
    /// That of the request that failed: done again, it takes back what is left.
    async fn take_back(&self, of: &Subscription, ended_at: i64) -> Result<(), Failure> {
        if of.period().is_none_or(|(start, _)| start < ended_at) {
            return Ok(());
        }
        let request = |after: Option<&str>| {
            let made = RangeQueryTs::gte(ended_at);
            let list = ListInvoice::new().subscription(of.id.as_str());
            page!(list.created(made), after)
        };
        let mut made: Vec<Invoice> = self.all(request).await?;
        made.retain(|invoice| !invoice.is("void") && !invoice.is_first());
        for mut invoice in made {
            self.fill_lines(&mut invoice).await?;
            let beyond = beyond(&invoice, of, ended_at);
            if beyond > 0 {
                self.take_off(&invoice, beyond).await?;
            }
        }
        Ok(())
    }

    /// Takes so much off an invoice, once.
    ///
    /// # Errors
    /// That of the request that failed.
    async fn take_off(&self, invoice: &Invoice, amount: i64) -> Result<(), Failure> {
        let id = invoice.id.as_str();
        if invoice.is("draft") {
            let customer = invoice.customer.as_ref().map(|of| of.id().to_owned());
            let mut create = CreateInvoiceItem::new()
                .invoice(id)
                .amount(amount.saturating_neg())
                .description(BEYOND_THE_END);
            create = match customer {
                Some(customer) => create.customer(customer),
                None => create,
            };
            self.step::<AnyObject>(&format!("{id}:less:{amount}"), &create)
                .await?;
            return Ok(());
        }
        if invoice.is("open") && amount >= invoice.total {
            let void = VoidInvoiceInvoice::new(id);
            self.step::<Invoice>(&format!("{id}:void"), &void).await?;
            return Ok(());
        }
        let notes = self.notes_of(id).await?;
        let is_it = |note: &CreditNote| {
            note.metadata
                .get(names::CREDIT)
                .is_some_and(|it| it == NUMBER)
        };
        if !notes.iter().any(is_it) {
            let note = Note {
                amount: amount.min(invoice.total),
                memo: BEYOND_THE_END,
                number: NUMBER,
                to: CreditTo::Payment,
            };
            self.note(invoice, &notes, note).await?;
        }
        Ok(())
    }
}

/// What of an invoice is for periods that begin at an instant or later; all of it where a trial has ended then,
/// which was to expire.
fn beyond(invoice: &Invoice, of: &Subscription, ended_at: i64) -> i64 {
    let is_of_trial = of.trial_end == Some(ended_at);
    let lines = invoice.lines.data.iter();
    let beyond = lines.filter(|line| {
        let start = line.period.as_ref().map(|period| period.start);
        is_of_trial || start.is_some_and(|start| start >= ended_at)
    });
    beyond.fold(0, |sum, line| sum.saturating_add(line.amount))
}
