//! How a price comes to be.

use super::super::books::Books;
use super::super::calendar::{Every, Unit};
use super::super::currency;
use super::super::problem::Problem;
use super::super::rating::{Package, Scheme, Tier};
use super::{Price, Recurring};
use crate::stripe::exact::Exact;
use crate::stripe::form::Form;

impl Books {
    /// Makes a price and answers its id.
    pub(in super::super) fn make_price(
        &mut self,
        form: &Form,
        product: &str,
    ) -> Result<String, Problem> {
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

    /// A lookup key leads to one price; it is taken from another only where that is asked for.
    pub(super) fn free_lookup_key(&mut self, key: &str, form: &Form) -> Result<(), Problem> {
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
