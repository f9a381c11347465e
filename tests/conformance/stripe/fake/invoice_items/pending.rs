//! What waits for the next invoice, and what is added to the one that is made now.

use super::super::books::Books;
use super::super::currency;
use super::super::invoices::Line;
use super::super::params::Metadata;
use super::super::problem::Problem;
use super::super::subscriptions::Subscription;
use super::InvoiceItem;
use crate::stripe::exact::Exact;
use crate::stripe::form::Form;

/// What a change of a subscription charges or credits.
#[derive(Debug)]
pub(in super::super) struct Proration {
    pub(in super::super) price: String,
    pub(in super::super) item: String,
    pub(in super::super) amount: i64,
    pub(in super::super) period: (i64, i64),
    pub(in super::super) what: &'static str,
}

impl Books {
    /// `add_invoice_items`: prices that are charged once, with the invoice that is made now.
    pub(in super::super) fn one_off_lines(
        &mut self,
        form: &Form,
        of: &Subscription,
    ) -> Result<Vec<Line>, Problem> {
        let mut lines = Vec::new();
        for (index, one) in form.elements("add_invoice_items").into_iter().enumerate() {
            let id = match one.member("price_data") {
                Some(data) => {
                    let product = data.owned("product").unwrap_or_default();
                    self.make_price(data, &product)?
                }
                None => one.owned("price").unwrap_or_default(),
            };
            let param = format!("add_invoice_items[{index}][price]");
            let price = self.prices.get(&id);
            let price = price.ok_or_else(|| Problem::unknown("price", &param, &id))?;
            if price.recurring.is_some() || price.currency != of.currency {
                let message =
                    "add_invoice_items takes one_time prices in the currency of the subscription.";
                return Err(Problem::invalid(message).param(&param));
            }
            let quantity = one.integer("quantity").unwrap_or(1);
            let unit = price.scheme.unit().cloned().unwrap_or_default();
            let name = self.products.get(&price.product).map(|it| it.name.clone());
            let item = InvoiceItem {
                id: self.ids.make("ii"),
                created: self.now,
                customer: of.customer.clone(),
                subscription: Some(of.id.clone()),
                subscription_item: None,
                invoice: Some(String::new()),
                amount: unit.times(&Exact::whole(quantity)).half_up(),
                currency: of.currency.clone(),
                quantity,
                unit: Some(unit),
                price: Some(id),
                description: name,
                period: (self.now, self.now),
                is_proration: false,
                metadata: one.metadata(),
            };
            lines.push(item.line(self.ids.make("il")));
        }
        Ok(lines)
    }

    /// Notes what a change charges or credits, for the next invoice of the subscription.
    pub(in super::super) fn make_proration(&mut self, of: &Subscription, new: Proration) {
        let price = self.prices.get(&new.price);
        let name = price
            .and_then(|it| self.products.get(&it.product))
            .map_or("", |it| &it.name);
        let item = InvoiceItem {
            description: Some(format!("{}: {name}", new.what)),
            id: self.ids.make("ii"),
            created: self.now,
            customer: of.customer.clone(),
            subscription: Some(of.id.clone()),
            subscription_item: Some(new.item),
            invoice: None,
            amount: currency::payable(&of.currency, new.amount),
            currency: of.currency.clone(),
            quantity: 1,
            unit: None,
            price: Some(new.price),
            period: new.period,
            is_proration: true,
            metadata: Metadata::new(),
        };
        let told = item.json(self);
        self.invoice_items.insert(&item.id.clone(), item);
        self.tell("invoiceitem.created", &told);
    }

    /// Whether the next invoice of a customer, or of a subscription of theirs, has anything to take.
    pub(in super::super) fn has_pending(&self, customer: &str, subscription: Option<&str>) -> bool {
        self.invoice_items
            .oldest()
            .any(|(_, it)| it.is_pending(customer, subscription))
    }

    /// Moves what is pending to an invoice.
    pub(in super::super) fn take_pending(
        &mut self,
        customer: &str,
        subscription: Option<&str>,
        currency: &str,
        invoice: &str,
    ) -> Vec<Line> {
        let pending = self
            .invoice_items
            .ids_where(|it| it.is_pending(customer, subscription) && it.currency == currency);
        let mut lines = Vec::new();
        for id in pending {
            let line = self.ids.make("il");
            if let Some(item) = self.invoice_items.get_mut(&id) {
                item.invoice = Some(invoice.to_owned());
                lines.push(item.line(line));
            }
        }
        lines
    }
}

impl InvoiceItem {
    /// What belongs to no subscription is taken by whichever invoice comes next.
    fn is_pending(&self, customer: &str, subscription: Option<&str>) -> bool {
        let fits = self.subscription.is_none() || self.subscription.as_deref() == subscription;
        self.invoice.is_none() && self.customer == customer && fits
    }
}
