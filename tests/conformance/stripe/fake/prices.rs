//! Prices: flat, for each unit, in tiers, in packages. What they cost never changes.

use serde_json::{Value, json};

use super::books::{Books, found, found_mut};
use super::calendar::Every;
use super::paging::page;
use super::params::Metadata;
use super::problem::Problem;
use super::rating::{Package, Scheme};
use crate::stripe::exact::Exact;
use crate::stripe::form::Form;

mod making;

/// A price.
#[derive(Debug, Clone)]
pub(super) struct Price {
    pub(super) id: String,
    created: i64,
    pub(super) active: bool,
    pub(super) currency: String,
    pub(super) product: String,
    lookup_key: Option<String>,
    pub(super) nickname: Option<String>,
    pub(super) recurring: Option<Recurring>,
    pub(super) scheme: Scheme,
    pub(super) package: Option<Package>,
    metadata: Metadata,
}

/// How often a price is charged, and by which meter.
#[derive(Debug, Clone)]
pub(super) struct Recurring {
    pub(super) every: Every,
    pub(super) meter: Option<String>,
}

impl Price {
    /// Whether use decides what it comes to.
    pub(super) fn meter(&self) -> Option<&str> {
        self.recurring.as_ref().and_then(|it| it.meter.as_deref())
    }

    pub(super) fn json(&self, books: &Books) -> Value {
        let amount = self.scheme.unit();
        let mode = self.scheme.mode();
        let recurring = self.recurring.as_ref().map(|it| {
            json!({
                "interval": it.every.unit.name(), "interval_count": it.every.count,
                "meter": it.meter, "trial_period_days": null,
                "usage_type": if it.meter.is_some() { "metered" } else { "licensed" },
            })
        });
        let package = self.package.as_ref().map(
            |it| json!({ "divide_by": it.size, "round": if it.is_up { "up" } else { "down" } }),
        );
        json!({
            "id": self.id, "object": "price", "livemode": books.livemode, "created": self.created,
            "active": self.active, "currency": self.currency, "product": self.product,
            "lookup_key": self.lookup_key, "nickname": self.nickname, "metadata": self.metadata,
            "type": if recurring.is_some() { "recurring" } else { "one_time" },
            "recurring": recurring, "transform_quantity": package, "tax_behavior": "unspecified",
            "billing_scheme": if mode.is_some() { "tiered" } else { "per_unit" },
            "tiers_mode": mode, "custom_unit_amount": null,
            "unit_amount": amount.and_then(Exact::as_whole),
            "unit_amount_decimal": amount.map(Exact::to_string),
        })
    }

    /// The older form of a recurring price, which items of subscriptions have beside it.
    pub(super) fn plan(&self, books: &Books) -> Value {
        let price = self.json(books);
        let mut plan = json!({ "object": "plan", "amount": price["unit_amount"] });
        plan["amount_decimal"] = price["unit_amount_decimal"].clone();
        plan["transform_usage"] = price["transform_quantity"].clone();
        for name in [
            "id", "livemode", "created", "active", "currency", "product", "nickname",
        ] {
            plan[name] = price[name].clone();
        }
        for name in ["metadata", "billing_scheme", "tiers_mode"] {
            plan[name] = price[name].clone();
        }
        for name in [
            "interval",
            "interval_count",
            "usage_type",
            "meter",
            "trial_period_days",
        ] {
            plan[name] = price["recurring"][name].clone();
        }
        plan
    }

    /// What `expand[]=tiers` shows.
    pub(super) fn tiers(&self) -> Vec<Value> {
        let Scheme::Tiers { tiers, .. } = &self.scheme else {
            return Vec::new();
        };
        let decimal = |amount: &Option<Exact>| amount.as_ref().map(Exact::to_string);
        let whole = |amount: &Option<Exact>| amount.as_ref().and_then(Exact::as_whole);
        let tiers = tiers.iter().map(|tier| {
            json!({
                "up_to": tier.up_to,
                "unit_amount": whole(&tier.unit), "unit_amount_decimal": decimal(&tier.unit),
                "flat_amount": whole(&tier.flat), "flat_amount_decimal": decimal(&tier.flat),
            })
        });
        tiers.collect()
    }
}

impl Books {
    pub(super) fn create_price(&mut self, form: &Form) -> Result<Value, Problem> {
        let product = match form.member("product_data") {
            Some(data) => {
                let product = self.create_product(data)?;
                product["id"].as_str().unwrap_or_default().to_owned()
            }
            None => form.owned("product").unwrap_or_default(),
        };
        let id = self.make_price(form, &product)?;
        self.retrieve_price(&id)
    }

    pub(super) fn list_prices(&self, form: &Form) -> Result<Value, Problem> {
        let keys = form.words("lookup_keys");
        let is_wanted = |price: &Price| {
            let key = price.lookup_key.as_deref();
            form.flag("active").is_none_or(|it| it == price.active)
                && (keys.is_empty() || key.is_some_and(|it| keys.contains(&it)))
                && form.asks_for("product", &price.product)
                && form.asks_for("currency", &price.currency)
                && form.asks_for(
                    "type",
                    if price.recurring.is_some() {
                        "recurring"
                    } else {
                        "one_time"
                    },
                )
                && form.admits("created", price.created)
        };
        let prices = self.prices.newest().filter(|(_, it)| is_wanted(it));
        let ids: Vec<&str> = prices.map(|(id, _)| id).collect();
        page(&ids, form, "/v1/prices", |id| {
            self.prices.get(id).map(|it| it.json(self))
        })
    }

    pub(super) fn retrieve_price(&self, id: &str) -> Result<Value, Problem> {
        found(&self.prices, "price", id).map(|it| it.json(self))
    }

    pub(super) fn update_price(&mut self, id: &str, form: &Form) -> Result<Value, Problem> {
        found(&self.prices, "price", id)?;
        if let Some(key) = form.owned("lookup_key") {
            self.free_lookup_key(&key, form)?;
        }
        let price = found_mut(&mut self.prices, "price", id)?;
        if form.member("lookup_key").is_some() {
            price.lookup_key = form.owned("lookup_key");
        }
        if let Some(active) = form.flag("active") {
            price.active = active;
        }
        if form.member("nickname").is_some() {
            price.nickname = form.owned("nickname");
        }
        form.note(&mut price.metadata);
        let answer = self.retrieve_price(id)?;
        self.tell("price.updated", &answer);
        Ok(answer)
    }
}
