use serde::{Deserialize, Serialize};

use super::{Invoice, InvoiceState};
use crate::clock::Timestamp;
use crate::field::FieldError;
use crate::money::{Money, MoneyError};
use crate::text::{ForeignId, Prose};

/// Money of an invoice that is given back, or that is no longer asked for. Its lines and its total stay
/// as they are: what was billed once never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// Which one of the invoice's, from 1.
    pub number: u32,
    /// How much, in the invoice's currency; above zero.
    pub amount: Money,
    /// Why, for the consumer to read.
    pub reason: Prose,
    /// Where money goes that was paid already.
    pub to: CreditTo,
    /// By which the order is recognised when it comes again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_key: Option<ForeignId>,
    /// When it was given.
    pub made_at: Timestamp,
    /// What the engine calls it, once it has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ForeignId>,
    /// Why the engine does not give it, where it has refused: then it counts for nothing, and another one
    /// can be given in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_because: Option<String>,
}

/// Where money goes that was paid. What was not paid yet is no longer asked for, either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum CreditTo {
    /// To the consumer's balance at the engine, which pays for what they owe next.
    #[default]
    Balance,
    /// Back to where it came from.
    Payment,
}

impl Invoice {
    /// What of it was credited; what the engine has refused is not in it.
    ///
    /// # Errors
    /// [`MoneyError`] where the credits cannot be added.
    pub fn credited(&self) -> Result<Money, MoneyError> {
        let given = self
            .credits
            .iter()
            .filter(|it| it.refused_because.is_none());
        Money::sum(self.currency, given.map(|credit| credit.amount))
    }

    /// What it comes to: its total, less what was credited.
    ///
    /// # Errors
    /// [`MoneyError`] where the credits cannot be added.
    pub fn net(&self) -> Result<Money, MoneyError> {
        self.total.checked_sub(self.credited()?)
    }

    /// Adds a credit, which is numbered here.
    ///
    /// # Errors
    /// A [`FieldError`] naming `credit` for one that is not above zero, in another currency, or more than
    /// what is left of the invoice; naming `invoice` where nobody was asked for its money, or not any more.
    pub fn add_credit(&mut self, credit: Credit) -> Result<u32, FieldError> {
        let refuse = |problem: String| Err(FieldError::new("credit", problem));
        let may = matches!(
            self.state,
            InvoiceState::Open | InvoiceState::PastDue | InvoiceState::Paid
        );
        if !may {
            let problem = format!(
                "it is {}: allowed are invoices that are open, past_due or paid",
                self.state.as_str()
            );
            return Err(FieldError::new("invoice", problem));
        }
        if credit.amount.currency() != self.currency {
            return refuse(format!(
                "it is in another currency than the invoice: {}",
                self.currency
            ));
        }
        let Ok(net) = self.net() else {
            return refuse("what was credited cannot be added up".to_owned());
        };
        if credit.amount.minor() <= 0 || credit.amount.minor() > net.minor() {
            return refuse(format!(
                "it is {}: allowed is more than nothing and at most what is left of the invoice, {net}",
                credit.amount
            ));
        }
        let last = self.credits.last().map_or(0, |credit| credit.number);
        let number = last.saturating_add(1);
        self.credits.push(Credit { number, ..credit });
        Ok(number)
    }
}
