//! Prices: flat, for each unit, in tiers, in packages. What they cost never changes.

use serde_json::{Value, json};

use super::books::{Books, found, found_mut};
use super::calendar::{Every, Unit};
use super::currency;
use super::paging::page;
use super::params::Metadata;
use super::problem::Problem;
use super::rating::{Package, Scheme, Tier};
use crate::stripe::exact::Exact;
use crate::stripe::form::Form;

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

    /// Makes a price and answers its id.
    pub(super) fn make_price(&mut self, form: &Form, product: &str) -> Result<String, Problem> {
        if self.products.get(product).is_none() {
            return Err(Problem::unknown("product", "product", product));
        }
        let currency = form.word("currency").unwrap_or_default().to_lowercase();
        let scheme = scheme(form)?;
        let flat = scheme.unit().and_then(Exact::as_whole);
        if let Some(amount) = flat.filter(|_| form.member("recurring").is_none()) {
            currency::admit(&currency, amount, "unit_amount")?;
        }
        let recurring = form
            .member("recurring")
            .map(|it| self.recurring(it))
            .transpose()?;
        let lookup_key = form.owned("lookup_key");
        if let Some(key) = &lookup_key {
            self.free_lookup_key(key, form)?;
        }
        let package = form.member("transform_quantity").map(|it| Package {
            size: it
                .integer("divide_by")
                .and_then(|it| u64::try_from(it).ok())
                .unwrap_or(1)
                .max(1),
            is_up: it.word("round") == Some("up"),
        });
        let id = self.ids.make("price");
        let price = Price {
            id: id.clone(),
            created: self.now,
            active: form.flag("active").unwrap_or(true),
            currency,
            product: product.to_owned(),
            lookup_key,
            nickname: form.owned("nickname"),
            recurring,
            scheme,
            package,
            metadata: form.metadata(),
        };
        let told = price.json(self);
        self.prices.insert(&id, price);
        self.tell("price.created", &told);
        Ok(id)
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

    /// A lookup key leads to one price; it is taken from another only where that is asked for.
    fn free_lookup_key(&mut self, key: &str, form: &Form) -> Result<(), Problem> {
        let held = self
            .prices
            .ids_where(|it| it.lookup_key.as_deref() == Some(key));
        for id in held {
            if form.flag("transfer_lookup_key") != Some(true) {
                let message = format!("A price (`{id}`) already uses that lookup key.");
                return Err(Problem::invalid(message).param("lookup_key"));
            }
            if let Some(price) = self.prices.get_mut(&id) {
                price.lookup_key = None;
            }
        }
        Ok(())
    }

    fn recurring(&self, form: &Form) -> Result<Recurring, Problem> {
        let meter = form.owned("meter");
        if let Some(id) = &meter {
            let meter = self.meters.get(id);
            let meter = meter.ok_or_else(|| Problem::unknown("meter", "recurring[meter]", id))?;
            if meter.deactivated_at.is_some() {
                let message = format!("The meter {id} is inactive.");
                return Err(Problem::invalid(message).param("recurring[meter]"));
            }
        }
        let count = form
            .integer("interval_count")
            .and_then(|it| u32::try_from(it).ok());
        let every = Every {
            unit: Unit::read(form.word("interval").unwrap_or_default()),
            count: count.unwrap_or(1).max(1),
        };
        Ok(Recurring { every, meter })
    }
}

fn scheme(form: &Form) -> Result<Scheme, Problem> {
    if form.member("tiers").is_none() {
        return Ok(Scheme::Unit(
            amount(form, "unit_amount")?.unwrap_or_default(),
        ));
    }
    let mut tiers = Vec::new();
    for tier in form.elements("tiers") {
        let up_to = tier.word("up_to").unwrap_or_default();
        tiers.push(Tier {
            up_to: up_to.parse().ok(),
            unit: amount(tier, "unit_amount")?,
            flat: amount(tier, "flat_amount")?,
        });
    }
    let bounds: Vec<u64> = tiers.iter().filter_map(|it| it.up_to).collect();
    if bounds.windows(2).any(|pair| pair[0] >= pair[1]) || bounds.len() + 1 != tiers.len() {
        return Err(Problem::invalid("The tiers have to be in ascending order.").param("tiers"));
    }
    let is_volume = form.word("tiers_mode") == Some("volume");
    Ok(Scheme::Tiers { is_volume, tiers })
}

/// `name`, or `name_decimal`.
fn amount(form: &Form, name: &str) -> Result<Option<Exact>, Problem> {
    let decimal = format!("{name}_decimal");
    let Some(text) = form.word(name).or_else(|| form.word(&decimal)) else {
        return Ok(None);
    };
    match Exact::read(text) {
        Some(amount) if amount >= Exact::zero() => Ok(Some(amount)),
        Some(_) | None => {
            let message = format!("Invalid {name}: {text} has to be nothing or more.");
            Err(Problem::invalid(message).param(name))
        }
    }
}
