//! Products: what prices are for.

use serde_json::{Value, json};

use super::books::{Books, deleted, found, found_mut};
use super::paging::page;
use super::params::Metadata;
use super::problem::Problem;
use crate::stripe::form::Form;

/// A product.
#[derive(Debug, Clone)]
pub(super) struct Product {
    pub(super) id: String,
    created: i64,
    updated: i64,
    pub(super) name: String,
    active: bool,
    description: Option<String>,
    unit_label: Option<String>,
    default_price: Option<String>,
    metadata: Metadata,
}

impl Product {
    pub(super) fn json(&self, books: &Books) -> Value {
        json!({
            "id": self.id, "object": "product", "livemode": books.livemode, "type": "service",
            "created": self.created, "updated": self.updated, "active": self.active,
            "name": self.name, "description": self.description, "unit_label": self.unit_label,
            "default_price": self.default_price, "metadata": self.metadata,
            "images": [], "marketing_features": [], "package_dimensions": null,
            "shippable": null, "statement_descriptor": null, "tax_code": null, "url": null,
        })
    }

    fn take(&mut self, form: &Form) {
        if let Some(name) = form.owned("name") {
            self.name = name;
        }
        if let Some(active) = form.flag("active") {
            self.active = active;
        }
        if form.member("description").is_some() {
            self.description = form.owned("description");
        }
        if form.member("unit_label").is_some() {
            self.unit_label = form.owned("unit_label");
        }
        if form.member("default_price").is_some() {
            self.default_price = form.owned("default_price");
        }
        form.note(&mut self.metadata);
    }
}

impl Books {
    pub(super) fn create_product(&mut self, form: &Form) -> Result<Value, Problem> {
        let id = form.owned("id").unwrap_or_else(|| self.ids.make("prod"));
        if self.products.get(&id).is_some() {
            return Err(Problem::invalid("Product already exists.")
                .code("resource_already_exists")
                .param("id"));
        }
        let mut product = Product {
            id: id.clone(),
            created: self.now,
            updated: self.now,
            name: String::new(),
            active: true,
            description: None,
            unit_label: None,
            default_price: None,
            metadata: Metadata::new(),
        };
        product.take(form);
        self.products.insert(&id, product);
        if let Some(data) = form.member("default_price_data") {
            let price = self.make_price(data, &id)?;
            found_mut(&mut self.products, "product", &id)?.default_price = Some(price);
        }
        self.told_of_product(&id, "product.created")
    }

    pub(super) fn list_products(&self, form: &Form) -> Result<Value, Problem> {
        let wanted = form.words("ids");
        let is_wanted = |product: &Product| {
            form.flag("active").is_none_or(|it| it == product.active)
                && (wanted.is_empty() || wanted.contains(&product.id.as_str()))
                && form.admits("created", product.created)
        };
        let products = self.products.newest().filter(|(_, it)| is_wanted(it));
        let ids: Vec<&str> = products.map(|(id, _)| id).collect();
        page(&ids, form, "/v1/products", |id| {
            self.products.get(id).map(|it| it.json(self))
        })
    }

    pub(super) fn retrieve_product(&self, id: &str) -> Result<Value, Problem> {
        found(&self.products, "product", id).map(|it| it.json(self))
    }

    pub(super) fn update_product(&mut self, id: &str, form: &Form) -> Result<Value, Problem> {
        let now = self.now;
        let product = found_mut(&mut self.products, "product", id)?;
        product.take(form);
        product.updated = now;
        self.told_of_product(id, "product.updated")
    }

    pub(super) fn delete_product(&mut self, id: &str) -> Result<Value, Problem> {
        let before = self.retrieve_product(id)?;
        if self.prices.oldest().any(|(_, price)| price.product == id) {
            return Err(Problem::invalid(
                "This product cannot be deleted because it has one or more user-created prices.",
            ));
        }
        self.products.remove(id);
        self.tell("product.deleted", &before);
        Ok(deleted("product", id))
    }

    fn told_of_product(&mut self, id: &str, what: &str) -> Result<Value, Problem> {
        let answer = self.retrieve_product(id)?;
        self.tell(what, &answer);
        Ok(answer)
    }
}
