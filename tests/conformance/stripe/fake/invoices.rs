//! Invoices: drafts that grow, and bills that do not change any more.
//!
//! A draft of a subscription counts what its meters have until the moment it is finalised, an hour
//! after it was made. Its total is what its lines come to, each rounded by itself.

use serde_json::{Value, json};

use super::books::Books;
use super::calendar::DAY;
use super::paging::whole;
use super::params::Metadata;
use super::subscriptions::merge;
use crate::stripe::exact::Exact;

mod finalizing;
mod lines;
mod making;
mod manual;
mod preview;
mod settling;

pub(super) use lines::{Line, Measured, Origin};
pub(super) use making::NewInvoice;
pub(super) use settling::declined;

/// An invoice.
#[derive(Debug, Clone)]
pub(super) struct Invoice {
    pub(super) id: String,
    created: i64,
    pub(super) customer: String,
    pub(super) subscription: Option<String>,
    pub(super) stage: Stage,
    reason: &'static str,
    /// Days until it is due, where it is sent; without them, cards are charged.
    send_days: Option<i64>,
    pub(super) currency: String,
    metadata: Metadata,
    description: Option<String>,
    footer: Option<String>,
    pub(super) lines: Vec<Line>,
    /// What is counted until it is finalised.
    measured: Vec<Measured>,
    period: (i64, i64),
    number: Option<String>,
    auto_advance: bool,
    finalizes_at: Option<i64>,
    due_date: Option<i64>,
    is_overdue: bool,
    finalized_at: Option<i64>,
    paid_at: Option<i64>,
    voided_at: Option<i64>,
    given_up_at: Option<i64>,
    starting_balance: i64,
    ending_balance: Option<i64>,
    /// What is to be paid, once it is known.
    amount_due: i64,
    pub(super) amount_paid: i64,
    /// What was taken off before it was paid, and after.
    pub(super) credited: (i64, i64),
    attempts: u32,
    payment_method: Option<String>,
}

/// Where an invoice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Draft,
    Open,
    Paid,
    Void,
    Uncollectible,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Void => "void",
            Self::Uncollectible => "uncollectible",
        }
    }
}

impl Invoice {
    /// When something happens to it by itself.
    pub(super) fn due_at(&self) -> Option<i64> {
        match self.stage {
            Stage::Draft => self.finalizes_at.filter(|_| self.auto_advance),
            Stage::Open => self.due_date.filter(|_| !self.is_overdue),
            Stage::Paid | Stage::Void | Stage::Uncollectible => None,
        }
    }

    /// What is left to be paid.
    pub(super) fn remaining(&self) -> i64 {
        match self.stage {
            Stage::Void => 0,
            _ => self.amount_due - self.amount_paid - self.credited.0,
        }
    }

    /// What the customer owes by it: of a draft, what they would owe now.
    fn due(&self, books: &Books, total: i64) -> i64 {
        match self.stage {
            Stage::Draft => {
                let balance = books
                    .customers
                    .get(&self.customer)
                    .map_or(0, |it| it.balance);
                (total + balance).max(0)
            }
            _ => self.amount_due,
        }
    }

    pub(super) fn json(&self, books: &Books) -> Value {
        let lines = books.lines_of(self);
        let total: i64 = lines.iter().map(|it| it.amount).sum();
        let due = self.due(books, total);
        let remaining = if self.stage == Stage::Draft {
            due
        } else {
            self.remaining()
        };
        let url = format!("/v1/invoices/{}/lines", self.id);
        let lines: Vec<Value> = lines.iter().map(|it| it.json(self, books)).collect();
        let is_final = self.finalized_at.is_some();
        let page = |kind: &str| is_final.then(|| format!("{}/{kind}/{}", books.pages, self.id));
        let customer = books.customers.get(&self.customer);
        let mut object = json!({
            "id": self.id, "object": "invoice", "livemode": books.livemode,
            "created": self.created, "customer": self.customer, "status": self.stage.name(),
            "billing_reason": self.reason, "currency": self.currency, "number": self.number,
            "collection_method": if self.send_days.is_some() { "send_invoice" } else { "charge_automatically" },
            "description": self.description, "footer": self.footer, "metadata": self.metadata,
        });
        let money = json!({
            "lines": whole(&lines, &url), "subtotal": total, "total": total,
            "subtotal_excluding_tax": total, "total_excluding_tax": total,
            "amount_due": due, "amount_paid": self.amount_paid, "amount_remaining": remaining,
            "amount_overpaid": 0, "amount_shipping": 0,
            "starting_balance": self.starting_balance, "ending_balance": self.ending_balance,
            "pre_payment_credit_notes_amount": self.credited.0,
            "post_payment_credit_notes_amount": self.credited.1,
            "period_start": self.period.0, "period_end": self.period.1,
            "auto_advance": self.auto_advance, "due_date": self.due_date,
            "automatically_finalizes_at": self.finalizes_at.filter(|_| self.auto_advance && !is_final),
            "attempted": self.attempts > 0, "attempt_count": self.attempts,
        });
        let links = json!({
            "hosted_invoice_url": page("i"), "invoice_pdf": page("pdf"),
            "parent": self.parent(books), "effective_at": self.finalized_at,
            "customer_email": customer.and_then(|it| it.email.clone()),
            "customer_name": customer.and_then(|it| it.name.clone()),
            "default_payment_method": self.payment_method,
            "test_clock": customer.and_then(|it| it.test_clock.clone()),
            "status_transitions": {
                "finalized_at": self.finalized_at, "paid_at": self.paid_at,
                "voided_at": self.voided_at, "marked_uncollectible_at": self.given_up_at,
            },
        });
        merge(&mut object, money);
        merge(&mut object, links);
        merge(&mut object, rest());
        object
    }

    fn parent(&self, books: &Books) -> Value {
        let Some(id) = &self.subscription else {
            return Value::Null;
        };
        let metadata = books.subscriptions.get(id).map(|it| it.metadata.clone());
        json!({
            "type": "subscription_details", "quote_details": null,
            "subscription_details": { "subscription": id, "metadata": metadata.unwrap_or_default() },
        })
    }

    /// When it has to be paid, if it is finalised now.
    fn due_date_from(&self, now: i64) -> Option<i64> {
        self.due_date
            .or_else(|| self.send_days.map(|days| now + days * DAY))
    }
}

impl Books {
    /// The lines of an invoice: of a draft, as of now.
    pub(super) fn lines_of(&self, invoice: &Invoice) -> Vec<Line> {
        let mut lines = invoice.lines.clone();
        for measured in &invoice.measured {
            lines.extend(self.lines_of_use(measured, &invoice.customer));
        }
        lines
    }

    /// Tells of an invoice, and answers it.
    pub(super) fn told_of_invoice(&mut self, id: &str, what: &str) -> Value {
        let told = self
            .invoices
            .get(id)
            .map(|it| it.json(self))
            .unwrap_or_default();
        self.tell(what, &told);
        told
    }
}

/// What every invoice here says.
fn rest() -> Value {
    json!({
        "account_country": "US", "account_name": "Fake", "account_tax_ids": null,
        "application": null, "automatic_tax": { "enabled": false, "liability": null, "status": null },
        "custom_fields": null, "customer_address": null, "customer_phone": null,
        "customer_shipping": null, "customer_tax_exempt": "none", "customer_tax_ids": [],
        "default_source": null, "default_tax_rates": [], "discounts": [], "from_invoice": null,
        "issuer": { "type": "self" }, "last_finalization_error": null, "latest_revision": null,
        "next_payment_attempt": null, "on_behalf_of": null,
        "payment_settings": {
            "default_mandate": null, "payment_method_options": null, "payment_method_types": null,
        },
        "receipt_number": null, "rendering": null, "shipping_cost": null, "shipping_details": null,
        "statement_descriptor": null, "total_discount_amounts": [],
        "total_pretax_credit_amounts": [], "total_taxes": [], "webhooks_delivered_at": null,
    })
}

/// A quantity as an invoice shows it: whole numbers only.
fn shown(quantity: &Exact) -> i64 {
    quantity.as_whole().unwrap_or_else(|| quantity.half_up())
}
