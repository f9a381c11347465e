//! What is to be told to webhook endpoints, and thinly to event destinations.

use super::books::Books;
use super::endpoints::Endpoint;
use crate::stripe::signature;

/// One event for one endpoint or event destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The account that the endpoint is of.
    pub account: String,
    /// The endpoint's id.
    pub endpoint: String,
    /// Where it goes.
    pub url: String,
    /// The event's id.
    pub event: String,
    /// Its type.
    pub kind: String,
    /// The body, byte for byte as it is signed.
    pub body: String,
    secrets: Vec<String>,
}

impl Delivery {
    /// The header `Stripe-Signature`, signed at this second with every secret of the endpoint.
    #[must_use]
    pub fn signature(&self, at: i64) -> String {
        let secrets: Vec<&str> = self.secrets.iter().map(String::as_str).collect();
        signature::header(&secrets, at, self.body.as_bytes())
    }
}

/// Turns what happened in `of` into deliveries for the endpoints and destinations of `to`: an account's own, or
/// the platform's for connected accounts.
pub(super) fn made(of: &Books, to: &Books, news: &[String]) -> Vec<Delivery> {
    let is_own = of.account == to.account;
    let mut made = Vec::new();
    for id in news {
        let Some(event) = of.events.get(id) else {
            continue;
        };
        let delivery = |(endpoint, url): (&str, &str), secrets: &[String], body: String| Delivery {
            account: to.account.clone(),
            endpoint: endpoint.to_owned(),
            url: url.to_owned(),
            event: id.clone(),
            kind: event.kind.clone(),
            body,
            secrets: secrets.to_vec(),
        };
        if event.is_thin {
            let all = to.destinations.oldest().map(|(_, it)| it);
            for it in all.filter(|it| it.hears(&event.kind, is_own)) {
                let secret = std::slice::from_ref(&it.secret);
                made.push(delivery((&it.id, &it.url), secret, event.told.to_string()));
            }
            continue;
        }
        let hears = |it: &&Endpoint| it.is_connect != is_own && it.hears(&event.kind);
        for it in to.endpoints.oldest().map(|(_, it)| it).filter(hears) {
            let mut told = event.told.clone();
            told["pending_webhooks"] = 1.into();
            if it.is_connect {
                told["account"] = of.account.clone().into();
            }
            made.push(delivery((&it.id, &it.url), &it.secrets, told.to_string()));
        }
    }
    made
}
