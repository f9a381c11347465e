//! What the items of a subscription come to.

use super::super::books::Books;
use super::super::currency::payable;
use super::super::invoices::{Line, Measured, Origin};
use super::{Debit, Item, Status, Subscription};
use crate::stripe::exact::{Exact, share};

impl Books {
    /// What a licensed item costs for a whole cycle.
    pub(super) fn full_amount(&self, item: &Item) -> i64 {
        let Some(price) = self.prices.get(&item.price) else {
            return 0;
        };
        let quantity = Exact::whole(item.quantity.unwrap_or(1));
        let charges = price.scheme.rate(&quantity, price.package.as_ref());
        charges
            .iter()
            .map(|it| payable(&price.currency, it.amount.half_up()))
            .sum()
    }

    /// Charges a licensed item ahead, and notes that on the item.
    pub(super) fn charge_ahead(
        &mut self,
        of: &Subscription,
        item: &mut Item,
        span: (i64, i64),
        amount: i64,
    ) -> Line {
        let (start, end) = span;
        item.debit = Some(Debit { amount, start, end });
        let price = self.prices.get(&item.price);
        let product = price.and_then(|it| self.products.get(&it.product));
        Line {
            amount,
            unit: price.and_then(|it| it.scheme.unit().cloned()),
            description: product.map(|it| it.name.clone()),
            quantity: Some(Exact::whole(item.quantity.unwrap_or(1))),
            period: span,
            price: Some(item.price.clone()),
            origin: Origin::Item {
                subscription: of.id.clone(),
                item: item.id.clone(),
            },
            metadata: of.metadata.clone(),
            id: self.ids.make("il"),
        }
    }

    /// What metered items have used until an instant and nobody has paid for.
    pub(super) fn measured(&self, of: &Subscription, until: i64) -> Vec<Measured> {
        let metered = of.items.iter().filter(|it| self.is_metered(it));
        let measured = metered.filter(|it| it.since < until).map(|it| Measured {
            subscription: of.id.clone(),
            item: it.id.clone(),
            price: it.price.clone(),
            start: it.since,
            end: until,
        });
        measured.collect()
    }

    /// What is to be paid of that: what was used in a trial is free.
    pub(super) fn owed_for_use(&self, of: &Subscription, until: i64) -> Vec<Measured> {
        match of.status {
            Status::Trialing => Vec::new(),
            _ => self.measured(of, until),
        }
    }

    pub(super) fn is_metered(&self, item: &Item) -> bool {
        self.prices
            .get(&item.price)
            .is_some_and(|it| it.meter().is_some())
    }

    /// What was charged ahead for the time after an instant.
    pub(super) fn unused(item: &Item, at: i64) -> i64 {
        let Some(debit) = item.debit.as_ref().filter(|it| it.end > at) else {
            return 0;
        };
        let from = at.max(debit.start);
        share(debit.amount, debit.end - from, debit.end - debit.start)
    }

    /// The share of a cycle that ends at `span.1`.
    pub(super) fn prorated(of: &Subscription, amount: i64, span: (i64, i64)) -> i64 {
        let cycle = of.cycle_before(span.1);
        let amount = share(amount, span.1 - span.0, cycle);
        payable(&of.currency, amount)
    }
}
