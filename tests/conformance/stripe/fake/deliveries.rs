//! What is to be told to webhook endpoints.

use super::books::Books;
use crate::stripe::signature;

/// One event for one endpoint.
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

/// Turns what happened in `of` into deliveries for the endpoints of `to`: an account's own, or the
/// platform's for connected accounts.
pub(super) fn made(of: &Books, to: &Books, news: &[String]) -> Vec<Delivery> {
    let is_own = of.account == to.account;
    let mut made = Vec::new();
    for id in news {
        let Some(event) = of.events.get(id) else {
            continue;
        };
        let hears =
            |it: &&super::endpoints::Endpoint| it.is_connect != is_own && it.hears(&event.kind);
        let endpoints = to.endpoints.oldest().map(|(_, it)| it);
        for endpoint in endpoints.filter(hears) {
            let mut told = event.told.clone();
            if !event.is_thin {
                told["pending_webhooks"] = 1.into();
                if endpoint.is_connect {
                    told["account"] = of.account.clone().into();
                }
            }
            made.push(Delivery {
                account: to.account.clone(),
                endpoint: endpoint.id.clone(),
                url: endpoint.url.clone(),
                event: id.clone(),
                kind: event.kind.clone(),
                body: told.to_string(),
                secrets: endpoint.secrets.clone(),
            });
        }
    }
    made
}
