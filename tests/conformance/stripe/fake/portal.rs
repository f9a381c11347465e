//! The customer portal: a page on which customers see their bills.

use serde_json::{Value, json};

use super::books::{Books, found, found_mut};
use super::paging::page;
use super::params::Metadata;
use super::problem::Problem;
use crate::stripe::form::Form;

/// What customers may do in the portal.
#[derive(Debug, Clone)]
pub(super) struct Configuration {
    id: String,
    created: i64,
    updated: i64,
    active: bool,
    is_default: bool,
    return_url: Option<String>,
    headline: Option<String>,
    /// Which features are switched on.
    features: Vec<String>,
    metadata: Metadata,
}

impl Configuration {
    pub(super) fn json(&self, books: &Books) -> Value {
        let is_on = |name: &str| self.features.iter().any(|it| it == name);
        json!({
            "id": self.id, "object": "billing_portal.configuration", "livemode": books.livemode,
            "created": self.created, "updated": self.updated, "active": self.active,
            "is_default": self.is_default, "default_return_url": self.return_url,
            "application": null, "metadata": self.metadata, "name": null,
            "business_profile": {
                "headline": self.headline, "privacy_policy_url": null,
                "terms_of_service_url": null,
            },
            "features": {
                "customer_update": { "allowed_updates": [], "enabled": is_on("customer_update") },
                "invoice_history": { "enabled": is_on("invoice_history") },
                "payment_method_update": {
                    "enabled": is_on("payment_method_update"),
                    "payment_method_configuration": null,
                },
                "subscription_cancel": {
                    "enabled": is_on("subscription_cancel"), "mode": "at_period_end",
                    "proration_behavior": "none",
                    "cancellation_reason": { "enabled": false, "options": [] },
                },
                "subscription_update": {
                    "enabled": is_on("subscription_update"), "default_allowed_updates": [],
                    "proration_behavior": "none", "products": [], "trial_update_behavior": "end_trial",
                    "schedule_at_period_end": { "conditions": [] },
                },
            },
            "login_page": { "enabled": false, "url": null },
        })
    }

    fn take(&mut self, form: &Form) {
        let features = form.member("features").into_iter().flat_map(Form::members);
        for (name, feature) in features {
            self.features.retain(|it| it != name);
            if feature.flag("enabled") == Some(true) {
                self.features.push(name.to_owned());
            }
        }
        if let Some(active) = form.flag("active") {
            self.active = active;
        }
        if form.member("default_return_url").is_some() {
            self.return_url = form.owned("default_return_url");
        }
        if let Some(profile) = form.member("business_profile") {
            self.headline = profile.owned("headline").or_else(|| self.headline.take());
        }
        form.note(&mut self.metadata);
    }
}

impl Books {
    /// A page for a customer. As at Stripe, somebody has to have saved a configuration before.
    pub(super) fn create_portal_session(&mut self, form: &Form) -> Result<Value, Problem> {
        let customer = form.word("customer").unwrap_or_default();
        if self.customers.get(customer).is_none() {
            return Err(Problem::unknown("customer", "customer", customer));
        }
        let configuration = match form.word("configuration") {
            Some(id) => {
                let known = self.configurations.get(id).filter(|it| it.active);
                known.ok_or_else(|| Problem::unknown("configuration", "configuration", id))?
            }
            None => {
                let usual = self.configurations.oldest().find(|(_, it)| it.is_default);
                let message = "No configuration provided and your test mode default configuration has not been created.";
                usual.ok_or_else(|| Problem::invalid(message))?.1
            }
        };
        let (configuration, usual) = (configuration.id.clone(), configuration.return_url.clone());
        let id = self.ids.make("bps");
        Ok(json!({
            "id": id, "object": "billing_portal.session", "livemode": self.livemode,
            "created": self.now, "configuration": configuration, "customer": customer,
            "flow": null, "locale": null, "on_behalf_of": null,
            "return_url": form.owned("return_url").or(usual),
            "url": format!("{}/p/session/{id}", self.pages),
        }))
    }

    pub(super) fn create_configuration(&mut self, form: &Form) -> Result<Value, Problem> {
        let mut configuration = Configuration {
            id: self.ids.make("bpc"),
            created: self.now,
            updated: self.now,
            active: true,
            is_default: self.configurations.len() == 0,
            return_url: None,
            headline: None,
            features: Vec::new(),
            metadata: Metadata::new(),
        };
        configuration.take(form);
        let answer = configuration.json(self);
        self.configurations
            .insert(&configuration.id.clone(), configuration);
        Ok(answer)
    }

    pub(super) fn list_configurations(&self, form: &Form) -> Result<Value, Problem> {
        let is_wanted = |it: &Configuration| {
            form.flag("active").is_none_or(|wanted| wanted == it.active)
                && form
                    .flag("is_default")
                    .is_none_or(|wanted| wanted == it.is_default)
        };
        let configurations = self.configurations.newest().filter(|(_, it)| is_wanted(it));
        let ids: Vec<&str> = configurations.map(|(id, _)| id).collect();
        let make = |id: &str| self.configurations.get(id).map(|it| it.json(self));
        page(&ids, form, "/v1/billing_portal/configurations", make)
    }

    pub(super) fn retrieve_configuration(&self, id: &str) -> Result<Value, Problem> {
        found(&self.configurations, "configuration", id).map(|it| it.json(self))
    }

    pub(super) fn update_configuration(&mut self, id: &str, form: &Form) -> Result<Value, Problem> {
        let now = self.now;
        let configuration = found_mut(&mut self.configurations, "configuration", id)?;
        configuration.take(form);
        configuration.updated = now;
        self.retrieve_configuration(id)
    }
}
