//! Who pays.
//!
//! A consumer is one customer in each account. How they pay is their own business and not core's:
//! tests and demos decide it, and the provider acts on it when it asks for money.

use std::collections::BTreeMap;

use monetization_core::ids::ConsumerId;
use monetization_core::money::Currency;
use monetization_core::text::{ForeignId, Name};
use serde::Serialize;

use super::{Account, PaymentBehaviour, Provider, Refusal, Reply};

/// A customer as the provider has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Customer {
    /// Their name here.
    pub id: ForeignId,
    /// Where they live.
    pub account: Account,
    /// Who they are at the caller's.
    pub consumer: ConsumerId,
    /// Their name, for people.
    pub name: Name,
    /// How they pay; `None` for how the rules say.
    pub behaviour: Option<PaymentBehaviour>,
    /// What pays for what they are asked for next, in minor units.
    pub balances: BTreeMap<Currency, i64>,
    /// How often they have stored what they pay with.
    pub methods_stored: u64,
}

impl Provider {
    pub(super) fn ensure_customer(
        &mut self,
        account: &Account,
        consumer: ConsumerId,
        name: Name,
    ) -> Reply {
        let slot = (account.clone(), consumer);
        let known = self.customers_by_consumer.get(&slot);
        if let Some(known) = known.and_then(|id| self.customers.get_mut(id)) {
            known.name = name;
            return Reply::Named(known.id.clone());
        }
        let id = self.name("cus");
        let customer = Customer {
            id: id.clone(),
            account: account.clone(),
            consumer,
            name,
            behaviour: None,
            balances: BTreeMap::new(),
            methods_stored: 0,
        };
        self.customers_by_consumer.insert(slot, id.clone());
        self.customers.insert(id.clone(), customer);
        Reply::Named(id)
    }

    /// The customer of this name, if they live in this account.
    pub(super) fn customer(&self, account: &Account, id: &ForeignId) -> Result<&Customer, Refusal> {
        let customer = self.customers.get(id);
        customer
            .filter(|customer| customer.account == *account)
            .ok_or_else(|| Refusal::missing(id))
    }

    /// How a customer pays: as was said of them, or as the rules say.
    pub(super) fn behaviour(&self, customer: &ForeignId) -> PaymentBehaviour {
        let customer = self.customers.get(customer);
        customer
            .and_then(|customer| customer.behaviour)
            .unwrap_or(self.rules.payment)
    }
}
