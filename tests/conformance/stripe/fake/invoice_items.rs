//! Invoice items: what is added to an invoice, now or with the next one.

use serde_json::{Value, json};

use super::books::{Books, deleted, found};
use super::currency;
use super::invoices::{Line, Origin, Stage};
use super::paging::page;
use super::params::Metadata;
use super::problem::Problem;
use crate::stripe::exact::Exact;
use crate::stripe::form::Form;

mod pending;

pub(super) use pending::Proration;

/// An invoice item; pending as long as no invoice has it.
#[derive(Debug, Clone)]
pub(super) struct InvoiceItem {
    id: String,
    created: i64,
    customer: String,
    subscription: Option<String>,
    subscription_item: Option<String>,
    pub(super) invoice: Option<String>,
    amount: i64,
    currency: String,
    quantity: i64,
    unit: Option<Exact>,
    price: Option<String>,
    description: Option<String>,
    period: (i64, i64),
    is_proration: bool,
    metadata: Metadata,
}

impl InvoiceItem {
    pub(super) fn json(&self, books: &Books) -> Value {
        let price = self.price.as_ref().and_then(|id| books.prices.get(id));
        let pricing = price.map(|it| {
            json!({
                "type": "price_details", "price_details": { "price": it.id, "product": it.product },
                "unit_amount_decimal": self.unit.as_ref().map(Exact::to_string),
            })
        });
        let parent = self.subscription.as_ref().map(|id| {
            let details =
                json!({ "subscription": id, "subscription_item": self.subscription_item });
            json!({ "type": "subscription_details", "subscription_details": details })
        });
        json!({
            "id": self.id, "object": "invoiceitem", "livemode": books.livemode,
            "date": self.created, "customer": self.customer, "invoice": self.invoice,
            "amount": self.amount, "currency": self.currency, "description": self.description,
            "discountable": true, "discounts": [], "metadata": self.metadata, "parent": parent,
            "period": { "start": self.period.0, "end": self.period.1 }, "pricing": pricing,
            "proration": self.is_proration, "quantity": self.quantity,
            "quantity_decimal": self.quantity.to_string(), "tax_rates": [], "test_clock": null,
        })
    }

    fn line(&self, id: String) -> Line {
        Line {
            id,
            amount: self.amount,
            quantity: Some(Exact::whole(self.quantity)),
            unit: self.unit.clone(),
            description: self.description.clone(),
            period: self.period,
            price: self.price.clone(),
            origin: Origin::InvoiceItem {
                item: self.id.clone(),
                subscription: self.subscription.clone(),
                is_proration: self.is_proration,
            },
            metadata: self.metadata.clone(),
        }
    }
}

impl Books {
    pub(super) fn create_invoice_item(&mut self, form: &Form) -> Result<Value, Problem> {
        let mut item = self.new_item_of_invoice(form)?;
        if let Some(id) = &item.invoice {
            let invoice = self.invoices.get(id);
            let invoice = invoice.ok_or_else(|| Problem::unknown("invoice", "invoice", id))?;
            if invoice.stage != Stage::Draft {
                let message = "Invoice items can only be added to draft invoices.";
                return Err(Problem::invalid(message)
                    .code("invoice_not_editable")
                    .param("invoice"));
            }
            if invoice.customer != item.customer || invoice.currency != item.currency {
                let message = "The customer and the currency have to be those of the invoice.";
                return Err(Problem::invalid(message).param("invoice"));
            }
        }
        item.id = self.ids.make("ii");
        let id = item.id.clone();
        let line = item.line(self.ids.make("il"));
        if let Some(invoice) = item
            .invoice
            .as_ref()
            .and_then(|it| self.invoices.get_mut(it))
        {
            invoice.lines.push(line);
        }
        self.invoice_items.insert(&id, item);
        let answer = self.retrieve_invoice_item(&id)?;
        self.tell("invoiceitem.created", &answer);
        Ok(answer)
    }

    fn new_item_of_invoice(&self, form: &Form) -> Result<InvoiceItem, Problem> {
        let invoice = form.owned("invoice");
        let of = invoice.as_ref().and_then(|it| self.invoices.get(it));
        let customer = form
            .owned("customer")
            .or_else(|| of.map(|it| it.customer.clone()));
        let customer = customer.unwrap_or_default();
        if self.customers.get(&customer).is_none() {
            return Err(Problem::unknown("customer", "customer", &customer));
        }
        let pricing = form.member("pricing").and_then(|it| it.owned("price"));
        let price = pricing.as_ref().map(|id| {
            let price = self.prices.get(id);
            price.ok_or_else(|| Problem::unknown("price", "pricing[price]", id))
        });
        let price = price.transpose()?;
        let currency = form
            .owned("currency")
            .or_else(|| price.map(|it| it.currency.clone()));
        let currency = currency.or_else(|| of.map(|it| it.currency.clone()));
        let currency = currency.unwrap_or_else(|| "usd".to_owned()).to_lowercase();
        let quantity = form.integer("quantity").unwrap_or(1);
        let unit = form.word("unit_amount_decimal").and_then(Exact::read);
        let unit = unit.or_else(|| price.and_then(|it| it.scheme.unit().cloned()));
        let amount = match (form.integer("amount"), &unit) {
            (Some(amount), _) => amount,
            (None, Some(unit)) => unit.times(&Exact::whole(quantity)).half_up(),
            (None, None) => {
                let message = "One of amount, unit_amount_decimal and pricing has to be set.";
                return Err(Problem::invalid(message)
                    .code("parameter_missing")
                    .param("amount"));
            }
        };
        currency::admit(&currency, amount, "amount")?;
        let period = form.member("period");
        let at = |name| period.and_then(|it| it.integer(name)).unwrap_or(self.now);
        Ok(InvoiceItem {
            id: String::new(),
            created: self.now,
            customer,
            subscription: form.owned("subscription"),
            subscription_item: None,
            invoice,
            amount,
            currency,
            quantity,
            unit: unit.or_else(|| (quantity == 1).then(|| Exact::whole(amount))),
            price: pricing.clone(),
            description: form.owned("description"),
            period: (at("start"), at("end")),
            is_proration: false,
            metadata: form.metadata(),
        })
    }

    pub(super) fn list_invoice_items(&self, form: &Form) -> Result<Value, Problem> {
        let is_wanted = |it: &InvoiceItem| {
            form.asks_for("customer", &it.customer)
                && form.asks_for("invoice", it.invoice.as_deref().unwrap_or_default())
                && form
                    .flag("pending")
                    .is_none_or(|wanted| wanted == it.invoice.is_none())
                && form.admits("created", it.created)
        };
        let items = self.invoice_items.newest().filter(|(_, it)| is_wanted(it));
        let ids: Vec<&str> = items.map(|(id, _)| id).collect();
        let make = |id: &str| self.invoice_items.get(id).map(|it| it.json(self));
        page(&ids, form, "/v1/invoiceitems", make)
    }

    pub(super) fn retrieve_invoice_item(&self, id: &str) -> Result<Value, Problem> {
        found(&self.invoice_items, "invoiceitem", id).map(|it| it.json(self))
    }

    pub(super) fn delete_invoice_item(&mut self, id: &str) -> Result<Value, Problem> {
        let item = found(&self.invoice_items, "invoiceitem", id)?;
        let told = item.json(self);
        let of = item.invoice.clone();
        if let Some(invoice) = of.and_then(|it| self.invoices.get_mut(&it)) {
            if invoice.stage != Stage::Draft {
                return Err(
                    Problem::invalid("This invoice item belongs to a finalized invoice.")
                        .code("invoice_not_editable"),
                );
            }
            invoice.lines.retain(
                |line| !matches!(&line.origin, Origin::InvoiceItem { item, .. } if item == id),
            );
        }
        self.invoice_items.remove(id);
        self.tell("invoiceitem.deleted", &told);
        Ok(deleted("invoiceitem", id))
    }
}
