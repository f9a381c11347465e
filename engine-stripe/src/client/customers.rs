//! Consumers as customers.
//!
//! Three requests at most, however many customers there are. None of the ways to find one is exact by
//! itself; together they leave nothing out:
//!
//! | way | knows | for how long |
//! |---|---|---|
//! | the newest hundred | at once, those made last | until a hundred others were made |
//! | the search by our id | a minute later, an hour where Stripe has an outage | for ever |
//! | the key of the call | at once | for a day |
//!
//! ```text
//! GET  /v1/customers           created[gte]=… limit=100
//! GET  /v1/customers/search    query=metadata['monetization_consumer']:'con_1'
//! POST /v1/customers           name=Example+Ltd metadata[monetization_consumer]=con_1
//! ```
//!
//! A customer is not older than its consumer: where fewer than a hundred were made since, the list is
//! all there is and nothing is searched for. Nor is anything where the call was not made before. An
//! account that may not search, as none of India may, is looked through page by page.
//!
//! Core keeps what it is told and asks under a key of the consumer. Two customers of one consumer come
//! about only where somebody asks under another key, within a minute of the first time, and after a
//! hundred others.

use monetization_core::consumer::Consumer;
use monetization_core::engine::EngineError;
use monetization_core::text::ForeignId;
use stripe_core::customer::{CreateCustomer, ListCustomer, SearchCustomer};
use stripe_types::RangeQueryTs;

use super::foreign;
use crate::answer::{Customer, Page};
use crate::error::Failure;
use crate::names;
use crate::session::{Session, page};
use crate::time::{CLOCKS_APART, seconds};

impl Session<'_> {
    /// What Stripe calls a consumer, who is made known there if need be.
    ///
    /// # Errors
    /// That of the request that failed; `Conflict` where the key was used for another consumer.
    pub(super) async fn customer(&self, consumer: &Consumer) -> Result<ForeignId, EngineError> {
        let known = self.known_customer(consumer).await?;
        if let Some(known) = known {
            return foreign(&known.id);
        }
        let create = CreateCustomer::new()
            .name(consumer.name.to_string())
            .metadata([
                (names::TENANT.to_owned(), consumer.tenant.to_string()),
                (names::CONSUMER.to_owned(), consumer.id.to_string()),
            ]);
        let made = self.order::<Customer>(&create).await?;
        foreign(&made.object.id)
    }

    /// The customer that a consumer is already.
    ///
    /// # Errors
    /// That of the request that failed.
    async fn known_customer(&self, consumer: &Consumer) -> Result<Option<Customer>, Failure> {
        let since = seconds(consumer.created_at.saturating_sub(CLOCKS_APART));
        let id = consumer.id.to_string();
        let is_theirs = |customer: &Customer| customer.metadata.get(names::CONSUMER) == Some(&id);
        let request = |after: Option<&str>| {
            page!(ListCustomer::new().created(RangeQueryTs::gte(since)), after)
        };
        let newest: Page<Customer> = self.ask(&request(None)).await?;
        let found = newest.data.into_iter().find(is_theirs);
        if found.is_some() || !newest.has_more || !self.cx.repeated {
            return Ok(found);
        }
        let query = format!("metadata['{}']:'{id}'", names::CONSUMER);
        match self
            .ask::<Page<Customer>>(&SearchCustomer::new(query))
            .await
        {
            Ok(found) => Ok(found.data.into_iter().find(is_theirs)),
            Err(failure) if failure.is_refusal => self.find(request, is_theirs).await,
            Err(failure) => Err(failure),
        }
    }
}
