//! Stripe's invoices as core knows them.
//!
//! | of core | at Stripe |
//! |---|---|
//! | `external` | `id`; none of a preview |
//! | `period` | of core's own invoices what their metadata say; of Stripe's `period_start` and `period_end`, but none of the first one |
//! | `lines` | descriptions and amounts of `lines`, and one more of what they lack to the total |
//! | `total` | `total`, in the minor unit that core counts |
//! | `state` | `status` |
//! | `payment_url` | `hosted_invoice_url` while it is open |
//! | `issued_at` | when it was made final, or made |
//! | `due_at` | `due_date`; without one `days_until_due` after it was made, while it is a draft, or open and charged by itself |

use std::time::Duration;

use monetization_core::clock::{Span, Timestamp};
use monetization_core::engine::EngineInvoice;
use monetization_core::invoice::InvoiceState;

use crate::answer::Invoice;
use crate::currency::{CurrencyError, Unit};
use crate::names;
use crate::time::span;

const DAY: Duration = Duration::from_secs(86_400);

/// What an invoice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stated {
    /// There is one.
    Made,
    /// There would be one.
    Preview,
}

/// What makes an invoice no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvoiceError {
    #[error("its currency or an amount of it is not Stripe's")]
    Currency(#[from] CurrencyError),
    #[error("its lines add up to more than there is")]
    Overflow(#[from] monetization_core::money::MoneyError),
    #[error("its id is no name")]
    Id(#[from] monetization_core::text::TextError),
    #[error("its state {0:?} is not known")]
    State(String),
}

/// The invoice as core knows it. Taxes, discounts and lines that were not told are one line more, so
/// that lines add up to the total.
///
/// # Errors
/// [`InvoiceError`] for what core could not keep.
pub(crate) fn engine_invoice(
    invoice: &Invoice,
    stated: Stated,
    days_until_due: u32,
) -> Result<EngineInvoice, InvoiceError> {
    let unit = Unit::named(&invoice.currency)?;
    let total = unit.money(invoice.total)?;
    let mut lines = Vec::with_capacity(invoice.lines.data.len());
    let mut rest = total;
    for line in &invoice.lines.data {
        let amount = unit.money(line.amount)?;
        rest = rest.checked_sub(amount)?;
        let text = line.description.clone().unwrap_or_default();
        lines.push((text, amount));
    }
    if !rest.is_zero() {
        let text = if invoice.lines.has_more {
            "Further lines, taxes and discounts"
        } else {
            "Taxes and discounts"
        };
        lines.push((text.to_owned(), rest));
    }
    let (external, state) = match stated {
        Stated::Made => (Some(invoice.id.parse()?), state(invoice)?),
        Stated::Preview => (None, InvoiceState::Draft),
    };
    let url = invoice.hosted_invoice_url.clone();
    Ok(EngineInvoice {
        external,
        period: period(invoice),
        lines,
        total,
        state,
        payment_url: url.filter(|_| invoice.is("open") && stated == Stated::Made),
        issued_at: Timestamp::from_secs(issued_at(invoice)),
        due_at: due_at(invoice, days_until_due),
    })
}

/// How it stands. Stripe says nothing of invoices that are late: they are open.
///
/// # Errors
/// [`InvoiceError`] for what core could not keep.
pub(crate) fn state(invoice: &Invoice) -> Result<InvoiceState, InvoiceError> {
    match invoice.status.as_deref() {
        Some("draft") | None => Ok(InvoiceState::Draft),
        Some("open") => Ok(InvoiceState::Open),
        Some("paid") => Ok(InvoiceState::Paid),
        Some("void" | "deleted") => Ok(InvoiceState::Void),
        Some("uncollectible") => Ok(InvoiceState::Uncollectible),
        Some(other) => Err(InvoiceError::State(other.chars().take(32).collect())),
    }
}

/// The period whose use it bills: that of core's own where core made it, and none for a start.
fn period(invoice: &Invoice) -> Option<Span> {
    if let Some(ours) = invoice.metadata(names::PERIOD) {
        let (start, end) = ours.split_once('-')?;
        return Some(span((start.parse().ok()?, end.parse().ok()?)));
    }
    let is_of_a_period = invoice.subscription().is_some() && !invoice.is_first();
    let period = (invoice.period_start?, invoice.period_end?);
    (is_of_a_period && period.0 < period.1).then(|| span(period))
}

/// When it has to be paid. A draft has no date yet, and what is charged by itself never has one: it is
/// given as long as others are, and is late as soon as that has failed.
fn due_at(invoice: &Invoice, days_until_due: u32) -> Timestamp {
    let is_to_come = invoice.is("draft") || invoice.is("open");
    let days = if is_to_come { days_until_due } else { 0 };
    match invoice.due_date {
        Some(due) => Timestamp::from_secs(due),
        None => Timestamp::from_secs(invoice.created).saturating_add(DAY.saturating_mul(days)),
    }
}

/// When it was made final; before that, when it was made.
fn issued_at(invoice: &Invoice) -> i64 {
    let transitions = invoice.status_transitions.as_ref();
    let finalized_at = transitions.and_then(|transitions| transitions.finalized_at);
    finalized_at.unwrap_or(invoice.created)
}

#[cfg(test)]
mod tests;
