//! Consumers as customers.
//!
//! Stripe has no list of customers by metadata that is up to date at once: its search lags by a minute.
//! A customer is not older than its consumer, so those made since are looked through: all of them where
//! the call may have been made before, and otherwise the newest hundred.
//!
//! ```text
//! GET  /v1/customers    created[gte]=… limit=100
//! POST /v1/customers    name=Example+Ltd metadata[monetization_consumer]=con_1
//! ```
//!
//! Core keeps what it is told and asks once for each consumer and account, under a key of the two. So
//! the list is short, and two customers of one consumer come about only where somebody deletes what core
//! has kept.

use std::time::Duration;

use monetization_core::consumer::Consumer;
use monetization_core::engine::EngineError;
use monetization_core::text::ForeignId;
use stripe_core::customer::{CreateCustomer, ListCustomer};
use stripe_types::RangeQueryTs;

use super::foreign;
use crate::answer::{Customer, Page};
use crate::error::Failure;
use crate::names;
use crate::session::{Session, page};
use crate::time::seconds;

/// By how much our clock may be ahead of Stripe's.
const CLOCKS_APART: Duration = Duration::from_secs(86_400);

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
    /// That of the request that failed; `Conflict` where the key was used for another consumer.
    async fn known_customer(&self, consumer: &Consumer) -> Result<Option<Customer>, Failure> {
        let since = seconds(consumer.created_at.saturating_sub(CLOCKS_APART));
        let id = consumer.id.to_string();
        let is_theirs = |customer: &Customer| customer.metadata.get(names::CONSUMER) == Some(&id);
        let request = |after: Option<&str>| {
            page!(ListCustomer::new().created(RangeQueryTs::gte(since)), after)
        };
        if self.cx.repeated {
            return self.find(request, is_theirs).await;
        }
        let newest: Page<Customer> = self.ask(&request(None)).await?;
        Ok(newest.data.into_iter().find(is_theirs))
    }
}
