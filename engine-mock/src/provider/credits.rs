//! Money that is given back, or no longer asked for; and the balances of customers, which pay for what
//! they are asked for next.
//!
//! | an invoice is | a credit of it | and where nothing is left to be paid |
//! |---|---|---|
//! | open or past due | is asked for no longer | it is paid |
//! | paid | goes to the balance, or back to where it came from | |
//! | a draft, void or given up | is refused | |
//!
//! Balances are kept by customer and currency. A new invoice is paid from them first, and what they have
//! paid of one that is taken back, or credited, goes back to them.

use monetization_core::invoice::{CreditTo, InvoiceState};
use monetization_core::money::Money;
use monetization_core::text::ForeignId;
use serde::Serialize;

use super::{Account, Invoice, Provider, Refusal, Reply};

/// A credit of an invoice, as the provider has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct GivenCredit {
    /// Its name here.
    pub id: ForeignId,
    /// Which of the invoice's it is at the caller's.
    pub number: u32,
    /// How much.
    pub amount: Money,
    /// Where it went, of money that was paid; `None` where it was not paid yet.
    pub went: Option<CreditTo>,
}

impl Invoice {
    /// What is left to be paid: not what was credited, nor what the customer's balance has paid.
    #[must_use]
    pub fn outstanding(&self) -> Money {
        let credited = self.credits.iter().map(|credit| credit.amount.minor());
        let settled = credited.fold(self.from_balance.minor(), i64::saturating_add);
        let left = self.total.minor().saturating_sub(settled);
        Money::new(left, self.total.currency())
    }
}

impl Provider {
    /// Credits an invoice. The same credit again, by its number, is found.
    pub(super) fn credit(
        &mut self,
        account: &Account,
        id: &ForeignId,
        (number, amount, to): (u32, Money, CreditTo),
    ) -> Result<Reply, Refusal> {
        let invoice = self.invoices.get(id);
        let invoice = invoice.filter(|invoice| invoice.account == *account);
        let invoice = invoice.ok_or_else(|| Refusal::missing(id))?;
        let state = invoice.state;
        if let Some(known) = invoice.credits.iter().find(|it| it.number == number) {
            return if known.amount == amount {
                Ok(Reply::Named(known.id.clone()))
            } else {
                Err(Refusal::conflict(
                    "the credit was given over another amount",
                ))
            };
        }
        let may = matches!(
            state,
            InvoiceState::Open | InvoiceState::PastDue | InvoiceState::Paid
        );
        if !may {
            return Err(Refusal::permanent(format!("{id} is {}", state.as_str())));
        }
        let credited = invoice.credits.iter().map(|credit| credit.amount.minor());
        let credited = credited.fold(0, i64::saturating_add);
        let left = invoice.total.minor().saturating_sub(credited);
        if amount.currency() != invoice.total.currency() || amount.minor() <= 0 {
            return Err(Refusal::permanent("the amount makes no sense"));
        }
        if amount.minor() > left {
            return Err(Refusal::permanent("it is more than is left of the invoice"));
        }
        let name = self.name("crd");
        let is_paid = state == InvoiceState::Paid;
        let given = GivenCredit {
            id: name.clone(),
            number,
            amount,
            went: is_paid.then_some(to),
        };
        let Some(invoice) = self.invoices.get_mut(id) else {
            return Err(Refusal::missing(id));
        };
        invoice.credits.push(given);
        let (outstanding, customer) = (invoice.outstanding(), invoice.customer.clone());
        if is_paid && to == CreditTo::Balance {
            self.add_to_balance(&customer, amount);
        } else if !is_paid && outstanding.minor() <= 0 {
            // What the balance had paid of it is too much now.
            let excess = Money::new(outstanding.minor().saturating_neg(), amount.currency());
            self.add_to_balance(&customer, excess);
            self.becomes(id, InvoiceState::Paid);
        }
        Ok(Reply::Named(name))
    }

    /// Pays as much of a new invoice from its customer's balance as there is.
    pub(super) fn pay_from_balance(&mut self, id: &ForeignId) {
        let Some(invoice) = self.invoices.get_mut(id) else {
            return;
        };
        let Some(customer) = self.customers.get_mut(&invoice.customer) else {
            return;
        };
        let Some(balance) = customer.balances.get_mut(&invoice.total.currency()) else {
            return;
        };
        let paid = (*balance).min(invoice.total.minor()).max(0);
        *balance = balance.saturating_sub(paid);
        invoice.from_balance = Money::new(paid, invoice.total.currency());
    }

    /// What the balance has paid of an invoice goes back to it.
    pub(super) fn return_to_balance(&mut self, id: &ForeignId) {
        let Some(invoice) = self.invoices.get_mut(id) else {
            return;
        };
        let paid = std::mem::replace(
            &mut invoice.from_balance,
            Money::zero(invoice.total.currency()),
        );
        let customer = invoice.customer.clone();
        self.add_to_balance(&customer, paid);
    }

    fn add_to_balance(&mut self, customer: &ForeignId, amount: Money) {
        if let Some(customer) = self
            .customers
            .get_mut(customer)
            .filter(|_| amount.minor() > 0)
        {
            let balance = customer.balances.entry(amount.currency()).or_default();
            *balance = balance.saturating_add(amount.minor());
        }
    }
}
