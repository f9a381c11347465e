//! The prices that a subscription is to have.

use super::super::books::Books;
use super::super::calendar::Every;
use super::super::prices::Price;
use super::super::problem::Problem;
use super::Item;
use crate::stripe::form::Form;

impl Books {
    /// New items, of prices that can be charged again and again. Nothing is kept yet.
    pub(in super::super) fn new_items(
        &mut self,
        forms: &[&Form],
        since: i64,
    ) -> Result<Vec<Item>, Problem> {
        let mut items: Vec<Item> = Vec::new();
        for (index, form) in forms.iter().enumerate() {
            let item = self.new_item(form, index, since)?;
            if items.iter().any(|it| it.price == item.price) {
                return Err(twice(&item.price));
            }
            items.push(item);
        }
        Ok(items)
    }

    pub(super) fn new_item(
        &mut self,
        form: &Form,
        index: usize,
        since: i64,
    ) -> Result<Item, Problem> {
        let param = format!("items[{index}][price]");
        let id = form
            .owned("price")
            .or_else(|| form.owned("plan"))
            .unwrap_or_default();
        let price = self.prices.get(&id);
        let price = price.ok_or_else(|| Problem::unknown("price", &param, &id))?;
        if !price.active {
            let message = format!("The price specified is inactive: {id}");
            return Err(Problem::invalid(message).param(&param));
        }
        if price.recurring.is_none() {
            let message = format!(
                "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`: {id}"
            );
            return Err(Problem::invalid(message).param(&param));
        }
        let quantity = quantity(form, price, index)?;
        let price = price.id.clone();
        Ok(Item {
            id: self.ids.make("si"),
            created: self.now,
            price,
            quantity,
            metadata: form.metadata(),
            since,
            debit: None,
        })
    }

    /// The currency and the interval that all items share.
    pub(in super::super) fn agreed(&self, items: &[Item]) -> Result<(String, Every), Problem> {
        let mut agreed: Option<(String, Every)> = None;
        for item in items {
            let price = self.prices.get(&item.price);
            let of = price.and_then(|it| Some((it.currency.clone(), it.recurring.as_ref()?.every)));
            let Some(of) = of else { continue };
            if agreed.as_ref().is_some_and(|it| it.0 != of.0) {
                return Err(Problem::invalid(
                    "All prices on a subscription must have the same currency.",
                )
                .param("items"));
            }
            if agreed.as_ref().is_some_and(|it| it.1 != of.1) {
                return Err(Problem::invalid("All prices on a subscription must have the same `recurring.interval` and `recurring.interval_count`.").param("items"));
            }
            agreed = Some(of);
        }
        agreed.ok_or_else(|| {
            Problem::invalid("A subscription needs at least one item.")
                .code("parameter_missing")
                .param("items")
        })
    }
}

/// One of a licensed price unless it says otherwise; none of a metered one.
pub(super) fn quantity(form: &Form, price: &Price, index: usize) -> Result<Option<i64>, Problem> {
    let own = form.integer("quantity");
    match (price.meter(), own) {
        (Some(_), Some(_)) => {
            let message = "Quantity should not be specified where usage_type is `metered`. Remove quantity from `items`.";
            Err(Problem::invalid(message).param(&format!("items[{index}][quantity]")))
        }
        (Some(_), None) => Ok(None),
        (None, own) => Ok(Some(own.unwrap_or(1))),
    }
}

/// One price cannot be on a subscription twice.
pub(super) fn twice(price: &str) -> Problem {
    let message = format!("Cannot add multiple subscription items with the same plan: {price}");
    Problem::invalid(message).param("items")
}
