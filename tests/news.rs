//! What engines tell, late, twice and in any order, take back and say again; and what is made of it over
//! the flows: over Stripe, and over the mock where it is the same.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "tests say what they expect and stop where it is not so"
)]

#[path = "news/deliveries.rs"]
mod deliveries;
#[path = "news/feed.rs"]
mod feed;
#[path = "news/market.rs"]
mod market;
#[path = "engine_mock/fixture.rs"]
#[expect(dead_code, reason = "the engine suite needs more of it")]
mod mock;
#[path = "news/occasions.rs"]
mod occasions;
#[path = "news/orders.rs"]
mod orders;
#[path = "news/payloads.rs"]
mod payloads;
#[cfg(feature = "postgres")]
#[path = "postgres/database.rs"]
mod postgres;
#[path = "news/rejections.rs"]
mod rejections;
#[path = "news/statuses.rs"]
mod statuses;
#[path = "engine_stripe/fixture.rs"]
mod stripe;
#[path = "news/withdrawals.rs"]
mod withdrawals;
