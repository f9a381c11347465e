//! Money: asked for, paid, declined, asked for again, given up; and the links to pay by.
//!
//! A payment link leads to a page, and pages come and go: each lifetime of a link makes a new page
//! and closes the one before the last. Nothing has to happen for that, the page's number follows
//! from the age of the invoice; so asking for a fresh link changes nothing and can be done by
//! whoever may look.

use monetization_core::invoice::InvoiceState;
use monetization_core::text::ForeignId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::agenda::Due;
use super::{Invoice, NoticeAbout, PaymentBehaviour, Provider};

/// What a customer does about an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Payment {
    /// They pay it.
    Pays,
    /// They try, and their bank says no.
    Fails,
}

/// How that ended: a decline is a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum PaymentOutcome {
    /// It is paid now.
    Paid,
    /// It was paid before; no money moved.
    AlreadyPaid,
    /// The payment failed; it is past due.
    Declined,
    /// It cannot be paid: it is a draft, or was taken back.
    NotPayable,
    /// The page behind the link is gone; a fresh link leads to a new one.
    LinkExpired,
}

impl Provider {
    /// The token of the page at which an invoice can be paid now; `None` where nothing is owed.
    /// Tokens change with time, so that old links expire; the one before the newest still works.
    #[must_use]
    pub fn link(&self, invoice: &Invoice) -> Option<String> {
        is_payable(invoice).then(|| token(invoice, self.page(invoice)))
    }

    /// The invoice that a payment link leads to, and whether the page is still there.
    #[must_use]
    pub fn behind_link(&self, link: &str) -> Option<(&Invoice, bool)> {
        let (digits, _) = link.strip_prefix("pay_")?.split_once('_')?;
        let invoice = self.invoices.get(&format!("inv_{digits}").parse().ok()?)?;
        let newest = self.page(invoice);
        let mut pages = 0..=newest;
        let page = pages.find(|page| token(invoice, *page) == link)?;
        Some((invoice, page.saturating_add(1) >= newest))
    }

    /// The number of the newest page of an invoice: one more for each lifetime since it was issued.
    fn page(&self, invoice: &Invoice) -> u64 {
        let age = self.now.saturating_since(invoice.issued_at).as_secs();
        age.checked_div(self.rules.link_lives_for.as_secs())
            .unwrap_or(0)
    }

    /// Opens an invoice: asks for the money, by the customer's habit. Nobody is asked for nothing:
    /// a total of zero is paid without ever having been open.
    pub(super) fn demand(&mut self, id: &ForeignId) {
        let Some(invoice) = self.invoices.get(id) else {
            return;
        };
        if invoice.total.is_zero() {
            return self.becomes(id, InvoiceState::Paid);
        }
        let (due_at, customer) = (invoice.due_at, invoice.customer.clone());
        self.pay_from_balance(id);
        if self
            .invoices
            .get(id)
            .is_some_and(|it| it.outstanding().is_zero())
        {
            return self.becomes(id, InvoiceState::Paid);
        }
        self.becomes(id, InvoiceState::Open);
        match self.behaviour(&customer) {
            PaymentBehaviour::Automatically => self.becomes(id, InvoiceState::Paid),
            PaymentBehaviour::Declines => self.becomes_late(id),
            PaymentBehaviour::WaitsForLink => {
                self.agenda.insert((due_at, Due::PaymentLate(id.clone())));
            }
        }
    }

    /// An open invoice is past due from now on, and money will be asked for again. One that is not
    /// open any more is left as it is: the entry in the agenda was made before it was paid.
    pub(super) fn becomes_late(&mut self, id: &ForeignId) {
        let open = self
            .invoices
            .get(id)
            .is_some_and(|invoice| invoice.state == InvoiceState::Open);
        if !open {
            return;
        }
        self.becomes(id, InvoiceState::PastDue);
        self.plan_retry(id, 0);
    }

    /// Plans the next time to ask for the money, or gives the invoice up after the last.
    fn plan_retry(&mut self, id: &ForeignId, attempt: usize) {
        match self.rules.retries.get(attempt) {
            Some(wait) => {
                let due = Due::Retry {
                    invoice: id.clone(),
                    attempt,
                };
                self.agenda.insert((self.now.saturating_add(*wait), due));
            }
            None => self.becomes(id, InvoiceState::Uncollectible),
        }
    }

    /// Asks for the money of a late invoice once more.
    pub(super) fn retry(&mut self, id: &ForeignId, attempt: usize) {
        let late = self
            .invoices
            .get(id)
            .filter(|invoice| invoice.state == InvoiceState::PastDue);
        let Some(customer) = late.map(|invoice| invoice.customer.clone()) else {
            return;
        };
        match self.behaviour(&customer) {
            PaymentBehaviour::Automatically => self.becomes(id, InvoiceState::Paid),
            PaymentBehaviour::Declines | PaymentBehaviour::WaitsForLink => {
                self.becomes(id, InvoiceState::PastDue);
                self.plan_retry(id, attempt.saturating_add(1));
            }
        }
    }

    /// A customer acts of their own accord; `None` where there is no such invoice. What was given up
    /// can still be paid.
    pub(super) fn pay(&mut self, id: &ForeignId, payment: Payment) -> Option<PaymentOutcome> {
        let invoice = self.invoices.get(id)?;
        Some(match (invoice.state, payment) {
            (InvoiceState::Paid, _) => PaymentOutcome::AlreadyPaid,
            (InvoiceState::Draft | InvoiceState::Void, _) => PaymentOutcome::NotPayable,
            (_, Payment::Pays) => {
                self.becomes(id, InvoiceState::Paid);
                PaymentOutcome::Paid
            }
            (InvoiceState::Open, Payment::Fails) => {
                self.becomes_late(id);
                PaymentOutcome::Declined
            }
            (InvoiceState::PastDue | InvoiceState::Uncollectible, Payment::Fails) => {
                PaymentOutcome::Declined
            }
        })
    }

    /// Nobody is asked for this any more.
    pub(super) fn take_back(&mut self, id: &ForeignId) {
        self.return_to_balance(id);
        self.becomes(id, InvoiceState::Void);
    }

    /// The invoice stands so from now on, and everybody is told.
    pub(super) fn becomes(&mut self, id: &ForeignId, state: InvoiceState) {
        let now = self.now;
        let Some(invoice) = self.invoices.get_mut(id) else {
            return;
        };
        invoice.state = state;
        invoice.version = invoice.version.saturating_add(1);
        if state == InvoiceState::Paid {
            invoice.paid_at = Some(now);
        }
        let (account, version) = (invoice.account.clone(), invoice.version);
        let stated = self.invoices.get(id).map(|invoice| self.stated(invoice));
        if let Some(stated) = stated {
            self.tell(account, version, NoticeAbout::Invoice(Box::new(stated)));
        }
    }
}

/// Whether money for it would be taken now.
fn is_payable(invoice: &Invoice) -> bool {
    matches!(
        invoice.state,
        InvoiceState::Open | InvoiceState::PastDue | InvoiceState::Uncollectible
    )
}

/// The number in an invoice's name.
fn invoice_digits(invoice: &Invoice) -> &str {
    invoice
        .id
        .as_str()
        .trim_start_matches(|character: char| !character.is_ascii_digit())
}

/// The token of one page: the invoice's number, by which it is found, and a check that differs from
/// page to page. It can be computed and is no secret: nothing but a mock's money hangs on it.
fn token(invoice: &Invoice, page: u64) -> String {
    let mut digest = Sha256::new();
    digest.update(invoice.id.as_str());
    digest.update(page.to_be_bytes());
    let mut token = format!("pay_{}_", invoice_digits(invoice));
    for byte in digest.finalize().iter().take(8) {
        token.push_str(&format!("{byte:02x}"));
    }
    token
}
