//! Lines of invoices.

use serde_json::{Value, json};

use super::super::books::Books;
use super::super::currency::payable;
use super::super::ids::derived;
use super::super::params::Metadata;
use super::{Invoice, shown};
use crate::stripe::exact::Exact;

/// A line of an invoice.
#[derive(Debug, Clone)]
pub(in super::super) struct Line {
    pub(in super::super) id: String,
    pub(in super::super) amount: i64,
    pub(in super::super) quantity: Option<Exact>,
    pub(in super::super) unit: Option<Exact>,
    pub(in super::super) description: Option<String>,
    pub(in super::super) period: (i64, i64),
    pub(in super::super) price: Option<String>,
    pub(in super::super) origin: Origin,
    pub(in super::super) metadata: Metadata,
}

/// Where a line comes from.
#[derive(Debug, Clone)]
pub(in super::super) enum Origin {
    /// From an item of a subscription.
    Item { subscription: String, item: String },
    /// From an invoice item.
    InvoiceItem {
        item: String,
        subscription: Option<String>,
        is_proration: bool,
    },
}

/// Use that is counted until the invoice is finalised.
#[derive(Debug, Clone)]
pub(in super::super) struct Measured {
    pub(in super::super) subscription: String,
    pub(in super::super) item: String,
    pub(in super::super) price: String,
    pub(in super::super) start: i64,
    pub(in super::super) end: i64,
}

impl Line {
    pub(in super::super) fn json(&self, of: &Invoice, books: &Books) -> Value {
        let price = self.price.as_ref().and_then(|id| books.prices.get(id));
        let pricing = price.map(|it| {
            json!({
                "type": "price_details", "price_details": { "price": it.id, "product": it.product },
                "unit_amount_decimal": self.unit.as_ref().map(Exact::to_string),
            })
        });
        let (parent, subscription) = self.origin.json();
        json!({
            "id": self.id, "object": "line_item", "livemode": books.livemode,
            "amount": self.amount, "subtotal": self.amount, "currency": of.currency,
            "description": self.description, "discountable": true, "discounts": [],
            "discount_amounts": [], "invoice": of.id, "metadata": self.metadata,
            "parent": parent, "subscription": subscription, "pricing": pricing,
            "period": { "start": self.period.0, "end": self.period.1 },
            "pretax_credit_amounts": [], "taxes": [],
            "quantity": self.quantity.as_ref().map(shown),
            "quantity_decimal": self.quantity.as_ref().map(Exact::to_string),
        })
    }
}

impl Origin {
    /// `parent`, and the subscription.
    fn json(&self) -> (Value, Value) {
        match self {
            Self::Item { subscription, item } => {
                let details = json!({
                    "subscription": subscription, "subscription_item": item, "proration": false,
                    "invoice_item": null, "proration_details": { "credited_items": null },
                });
                let parent = json!({
                    "type": "subscription_item_details", "subscription_item_details": details,
                    "invoice_item_details": null,
                });
                (parent, json!(subscription))
            }
            Self::InvoiceItem {
                item,
                subscription,
                is_proration,
            } => {
                let details = json!({
                    "invoice_item": item, "subscription": subscription, "proration": is_proration,
                    "proration_details": { "credited_items": null },
                });
                let parent = json!({
                    "type": "invoice_item_details", "invoice_item_details": details,
                    "subscription_item_details": null,
                });
                (parent, json!(subscription))
            }
        }
    }
}

impl Books {
    /// What was used, as lines.
    pub(in super::super) fn lines_of_use(&self, of: &Measured, customer: &str) -> Vec<Line> {
        let price = self.prices.get(&of.price);
        let meter = price.and_then(|it| self.meters.get(it.meter()?));
        let (Some(price), Some(meter)) = (price, meter) else {
            return Vec::new();
        };
        let used = (of.start, of.end);
        let used = self.usage.of(meter, customer, used, self.now);
        let charges = price.scheme.rate(&used, price.package.as_ref());
        let name = self
            .products
            .get(&price.product)
            .map_or("", |it| it.name.as_str());
        let subscription = self.subscriptions.get(&of.subscription);
        let metadata = subscription.map_or_else(Metadata::new, |it| it.metadata.clone());
        let lines = charges.into_iter().enumerate().map(|(index, charge)| Line {
            id: derived(
                "il",
                &[
                    &of.item,
                    &of.price,
                    &of.start.to_string(),
                    &index.to_string(),
                ],
            ),
            amount: payable(&price.currency, charge.amount.half_up()),
            description: Some(match &charge.label {
                Some(label) => format!("{} × {name} ({label})", charge.quantity),
                None => format!("{} × {name}", charge.quantity),
            }),
            quantity: Some(charge.quantity),
            unit: charge.unit,
            period: (of.start, of.end),
            price: Some(price.id.clone()),
            origin: Origin::Item {
                subscription: of.subscription.clone(),
                item: of.item.clone(),
            },
            metadata: metadata.clone(),
        });
        lines.collect()
    }
}
