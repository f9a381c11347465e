//! What a customer does on the page of a session.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::books::{Books, found};
use super::super::problem::Problem;
use crate::stripe::form::Form;

impl Books {
    /// What a customer does on the page: they enter a card that pays, and subscribe.
    pub(in super::super) fn complete_session(&mut self, id: &str) -> Result<Value, Problem> {
        let session = found(&self.sessions, "checkout.session", id)?.clone();
        if session.status != "open" {
            return Err(Problem::invalid(format!(
                "The session is {}.",
                session.status
            )));
        }
        let customer = match session.customer {
            Some(customer) => customer,
            None => {
                let made = self.create_customer(&customer_form(session.email.as_deref()))?;
                made["id"].as_str().unwrap_or_default().to_owned()
            }
        };
        let card = self.attach_to("pm_card_visa", &customer);
        // What is only stored is nobody's default yet.
        if session.mode != "setup"
            && let Some(customer) = self.customers.get_mut(&customer)
        {
            customer.payment_method = Some(card);
        }
        let mut made = (None, None);
        if session.mode == "subscription" {
            let wanted = subscription_form(&session.wanted, &customer);
            let answer = self.create_subscription(&wanted)?;
            let text = |name: &str| answer[name].as_str().map(str::to_owned);
            made = (text("id"), text("latest_invoice"));
        }
        if let Some(own) = self.sessions.get_mut(id) {
            own.status = "complete";
            own.customer = Some(customer);
            (own.subscription, own.invoice) = made;
        }
        let told = self.retrieve_session(id)?;
        self.tell("checkout.session.completed", &told);
        Ok(told)
    }
}

fn customer_form(email: Option<&str>) -> Form {
    Form::read(&email.map(|it| format!("email={it}")).unwrap_or_default()).0
}

/// `line_items` and `subscription_data` as a subscription is made of them. Prices that are charged
/// once are added to its first invoice.
fn subscription_form(wanted: &Form, customer: &str) -> Form {
    let mut members = match wanted.member("subscription_data") {
        Some(Form::Hash(members)) => members.clone(),
        _ => BTreeMap::new(),
    };
    members.insert("customer".to_owned(), Form::Text(customer.to_owned()));
    if let Some(items) = wanted.member("line_items") {
        members.insert("items".to_owned(), items.clone());
    }
    Form::Hash(members)
}
