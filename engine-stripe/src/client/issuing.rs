//! Invoices that core has made.
//!
//! The invoice is made as a draft that Stripe does not finish by itself, then its lines are put into
//! it, then its total is compared with ours, then it is made final; each write has a key of its own.
//! Done again it goes on where it ended: an invoice that may be there is looked for by our id, and its
//! lines by their places.
//!
//! ```text
//! POST /v1/invoices                  customer=cus_1 auto_advance=false due_date=…
//!                                    pending_invoice_items_behavior=exclude
//!                                    metadata[monetization_invoice]=inv_1 and its total
//! POST /v1/invoiceitems              invoice=in_1 amount=2500 description=… metadata[…line]=0
//! POST /v1/invoiceitems              invoice=in_1 amount=200 description=… metadata[…line]=1
//! GET  /v1/invoices/in_1             is it over our total?
//! POST /v1/invoices/in_1/finalize    auto_advance=false
//! ```
//!
//! | found, where the call may have been made before | what is done |
//! |---|---|
//! | none | all of it |
//! | a draft | the lines that are missing, then it is compared and made final |
//! | open | it is charged where its customer has stored a payment method, and handed back |
//! | paid, given up | nothing: it is handed back |
//! | void | it is an error: somebody has taken it back |
//! | one over another total | a conflict |
//!
//! Nothing else reaches the invoice: items that wait for the customer are left out. A total that is not
//! ours, because Stripe adds taxes or takes a discount of the customer's off, is an error for an
//! operator, and nobody is asked for it: the draft stays, so that whoever has mended what was wrong opens the
//! operation again, which finds it, compares it again and makes it final. Deleted, it would be told again by its
//! key.

use std::collections::BTreeSet;

use async_trait::async_trait;
use monetization_core::engine::{
    EngineContext, EngineError, EngineErrorKind, InvoiceIssuing, Issued, Removal,
};
use monetization_core::invoice::{Credit, Invoice, InvoiceState, Occasion};
use monetization_core::money::{Money, Rounding};
use monetization_core::text::ForeignId;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use stripe_billing::InvoiceCollectionMethod;
use stripe_billing::invoice::{
    CreateInvoice, CreateInvoicePendingInvoiceItemsBehavior, DeleteInvoice, FinalizeInvoiceInvoice,
    ListInvoice, RetrieveInvoice, VoidInvoiceInvoice,
};
use stripe_billing::invoice_item::{CreateInvoiceItem, ListInvoiceItem};
use stripe_types::RangeQueryTs;

use super::plans::currency;
use super::{Client, foreign, missing_is_none, permanent};
use crate::answer::{AnyObject, Invoice as StripeInvoice, Line as StripeItem};
use crate::currency::Unit;
use crate::error::Failure;
use crate::names;
use crate::session::{Session, page};
use crate::time::{CLOCKS_APART, seconds};

#[async_trait]
impl InvoiceIssuing for Client {
    async fn issue(
        &self,
        cx: &EngineContext,
        customer: &ForeignId,
        invoice: &Invoice,
    ) -> Result<Issued, EngineError> {
        let refuse = |message: &str| permanent(message.to_owned());
        invoice
            .check()
            .map_err(|error| refuse("the invoice does not add up").because(error))?;
        let amounts = Amounts::of(invoice)?;
        let session = self.session(cx);
        let fee = self.fee_percent(cx);
        let known = session.known_invoice(customer, invoice).await?;
        let draft = match known {
            Some(known) if known.is("draft") => known,
            Some(known) => {
                let known = session.charged(known, invoice).await?;
                return issued(&known, &amounts);
            }
            None => {
                let create = create(invoice, customer, amounts.fee(fee)?);
                session
                    .step::<StripeInvoice>("invoice", &create)
                    .await?
                    .object
            }
        };
        session
            .add_lines(&draft, customer, invoice, &amounts)
            .await?;
        let retrieve = RetrieveInvoice::new(draft.id.as_str());
        check_total(&session.ask(&retrieve).await?, &amounts)?;
        let finalize = FinalizeInvoiceInvoice::new(draft.id.as_str())
            .auto_advance(false)
            .expand(["customer".to_owned()]);
        let made = session.step::<StripeInvoice>("finalize", &finalize).await?;
        let made = session.charged(made.object, invoice).await?;
        issued(&made, &amounts)
    }

    async fn void(&self, cx: &EngineContext, invoice: &ForeignId) -> Result<Removal, EngineError> {
        let Ok(id) = names::in_path(invoice) else {
            return Ok(Removal::AlreadyGone);
        };
        let session = self.session(cx);
        let known: Option<StripeInvoice> =
            missing_is_none(session.ask(&RetrieveInvoice::new(id)).await)?;
        let Some(known) = known.filter(|known| !known.is("void")) else {
            return Ok(Removal::AlreadyGone);
        };
        if known.is("draft") {
            let gone = session
                .step::<AnyObject>("delete", &DeleteInvoice::new(id))
                .await;
            let gone = missing_is_none(gone)?;
            return Ok(gone.map_or(Removal::AlreadyGone, |_| Removal::Deleted));
        }
        if known.is("paid") {
            return Err(permanent("the invoice is paid"));
        }
        session
            .order::<StripeInvoice>(&VoidInvoiceInvoice::new(id))
            .await?;
        Ok(Removal::Archived)
    }

    async fn payment_url(
        &self,
        cx: &EngineContext,
        invoice: &ForeignId,
    ) -> Result<Option<String>, EngineError> {
        let id = names::in_path(invoice)?;
        let known: StripeInvoice = self.session(cx).ask(&RetrieveInvoice::new(id)).await?;
        let is_owed = known.is("open") || known.is("uncollectible");
        Ok(known.hosted_invoice_url.filter(|_| is_owed))
    }

    async fn credit(
        &self,
        cx: &EngineContext,
        invoice: &ForeignId,
        credit: &Credit,
    ) -> Result<ForeignId, EngineError> {
        let id = names::in_path(invoice)?;
        self.session(cx).credit(id, credit).await
    }
}

/// The amounts of an invoice as Stripe counts them.
#[derive(Debug)]
struct Amounts {
    lines: Vec<i64>,
    total: i64,
}

impl Amounts {
    /// Refuses what Stripe could not ask for.
    ///
    /// # Errors
    /// `Permanent` for amounts that Stripe cannot ask for.
    fn of(invoice: &Invoice) -> Result<Self, EngineError> {
        let refuse = |error| permanent("Stripe cannot ask for this amount").because(error);
        let unit = Unit::of(invoice.currency).map_err(refuse)?;
        let amount = |money: Money| unit.amount(money).map_err(refuse);
        let lines = invoice.lines.iter().map(|line| amount(line.amount));
        Ok(Self {
            lines: lines.collect::<Result<_, _>>()?,
            total: amount(invoice.total)?,
        })
    }

    /// What the platform keeps, rounded down: never more than its share.
    ///
    /// # Errors
    /// `Permanent` for a fee that does not fit.
    fn fee(&self, percent: Option<Decimal>) -> Result<Option<i64>, EngineError> {
        let Some(percent) = percent.filter(|_| self.total > 0) else {
            return Ok(None);
        };
        // Hundredths of a per cent.
        let share = percent
            .checked_mul(Decimal::ONE_HUNDRED)
            .and_then(|share| share.to_i128());
        let share = share.and_then(|share| share.checked_mul(self.total.into()));
        let fee = share.and_then(|share| Rounding::Down.divide(share, 10_000));
        let fee = fee.and_then(|fee| i64::try_from(fee).ok());
        fee.map(Some)
            .ok_or_else(|| permanent("the platform's fee does not fit"))
    }
}

impl Session<'_> {
    /// Charges an invoice that was made final, where its customer wants it and nobody has taken it back.
    ///
    /// # Errors
    /// That of the request that failed.
    async fn charged(
        &self,
        made: StripeInvoice,
        invoice: &Invoice,
    ) -> Result<StripeInvoice, Failure> {
        if invoice.state != InvoiceState::Void && made.is_charged_to_stored() {
            return self.charge_invoice(made).await;
        }
        Ok(made)
    }

    /// The invoice, where an earlier call may have made it.
    ///
    /// # Errors
    /// `Conflict` for an invoice over another total; else that of the request that failed.
    async fn known_invoice(
        &self,
        customer: &ForeignId,
        invoice: &Invoice,
    ) -> Result<Option<StripeInvoice>, EngineError> {
        if !self.cx.repeated {
            return Ok(None);
        }
        let since = seconds(invoice.issued_at.saturating_sub(CLOCKS_APART));
        let id = invoice.id.to_string();
        let request = |after: Option<&str>| {
            page!(
                ListInvoice::new()
                    .customer(customer.as_str())
                    .created(RangeQueryTs::gte(since))
                    .expand(["data.customer".to_owned()]),
                after
            )
        };
        let is_it = |known: &StripeInvoice| known.metadata(names::INVOICE) == Some(&id);
        let known = self.find(request, is_it).await?;
        let total = invoice.total.minor().to_string();
        match known {
            Some(known) if known.metadata(names::TOTAL) != Some(&total) => {
                let message = format!("Stripe's invoice {} is one over another total", known.id);
                Err(EngineError::new(EngineErrorKind::Conflict, message))
            }
            known => Ok(known),
        }
    }

    /// Puts those lines into the draft that are not there.
    ///
    /// # Errors
    /// That of the request that failed: done again, it goes on with the line that is missing.
    async fn add_lines(
        &self,
        draft: &StripeInvoice,
        customer: &ForeignId,
        invoice: &Invoice,
        amounts: &Amounts,
    ) -> Result<(), Failure> {
        let there = self.places_there(&draft.id).await?;
        for (place, (line, amount)) in invoice.lines.iter().zip(&amounts.lines).enumerate() {
            let place = place.to_string();
            if there.contains(&place) {
                continue;
            }
            let create = CreateInvoiceItem::new()
                .customer(customer.as_str())
                .invoice(draft.id.as_str())
                .amount(*amount)
                .currency(currency(invoice.currency))
                .description(line.description.as_str())
                .metadata([(names::LINE.to_owned(), place.clone())]);
            self.step::<AnyObject>(&format!("line:{place}"), &create)
                .await?;
        }
        Ok(())
    }

    /// The places of the lines that an earlier call has put into the draft.
    ///
    /// # Errors
    /// That of the request that failed.
    async fn places_there(&self, draft: &str) -> Result<BTreeSet<String>, Failure> {
        if !self.cx.repeated {
            return Ok(BTreeSet::new());
        }
        let items: Vec<StripeItem> = self
            .all(|after| page!(ListInvoiceItem::new().invoice(draft), after))
            .await?;
        let places = items
            .into_iter()
            .filter_map(|mut item| item.metadata.remove(names::LINE));
        Ok(places.collect())
    }
}

/// The draft: everything of the invoice that never changes, and no line.
fn create(invoice: &Invoice, customer: &ForeignId, fee: Option<i64>) -> CreateInvoice {
    let told = [
        (names::TENANT, invoice.tenant.to_string()),
        (names::INVOICE, invoice.id.to_string()),
        (names::SUBSCRIPTION, invoice.subscription.to_string()),
        (names::TOTAL, invoice.total.minor().to_string()),
    ];
    let [tenant, id, subscription, total] = told.map(|(key, value)| (key.to_owned(), value));
    let create = CreateInvoice::new()
        .customer(customer.as_str())
        .currency(currency(invoice.currency))
        .collection_method(InvoiceCollectionMethod::SendInvoice)
        .due_date(seconds(invoice.due_at))
        .auto_advance(false)
        .pending_invoice_items_behavior(CreateInvoicePendingInvoiceItemsBehavior::Exclude);
    let create = match invoice.occasion {
        Occasion::Period { period, .. } => {
            let period = format!("{}-{}", seconds(period.start), seconds(period.end));
            let period = (names::PERIOD.to_owned(), period);
            create.metadata([tenant, id, subscription, total, period])
        }
        Occasion::Start | Occasion::Bundle => create.metadata([tenant, id, subscription, total]),
    };
    match fee {
        Some(fee) => create.application_fee_amount(fee),
        None => create,
    }
}

/// What was issued; its total is held against what was to be.
///
/// # Errors
/// `Permanent` for an invoice over another total, or one that was taken back.
fn issued(made: &StripeInvoice, amounts: &Amounts) -> Result<Issued, EngineError> {
    check_total(made, amounts)?;
    if made.is("void") {
        return Err(permanent(format!(
            "Stripe's invoice {} was taken back",
            made.id
        )));
    }
    Ok(Issued {
        external: foreign(&made.id)?,
        payment_url: made.hosted_invoice_url.clone().filter(|_| made.is("open")),
    })
}

/// Holds Stripe's total against ours.
///
/// # Errors
/// `Permanent` where they differ.
fn check_total(there: &StripeInvoice, amounts: &Amounts) -> Result<(), EngineError> {
    if there.total == amounts.total {
        return Ok(());
    }
    let stands = if there.is("draft") {
        "was not made final"
    } else {
        "is final already"
    };
    Err(permanent(format!(
        "Stripe's invoice {} is over {} and ours over {}, and it {stands}: look at the taxes of the account and at the taxes and discounts of the customer",
        there.id, there.total, amounts.total
    )))
}
