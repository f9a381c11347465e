//! The flows of core over a store and Stripe: whatever breaks off, fails or comes late on the way.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "tests say what they expect and stop where it is not so"
)]

#[path = "stripe_flows/crashes.rs"]
mod crashes;
#[path = "stripe_flows/credentials.rs"]
mod credentials;
#[path = "flows/database.rs"]
mod database;
#[path = "stripe_flows/dying.rs"]
mod dying;
#[path = "stripe_flows/fault_matrix.rs"]
mod fault_matrix;
#[path = "stripe_flows/outage.rs"]
mod outage;
#[path = "stripe_flows/outcome.rs"]
mod outcome;
#[path = "stripe_flows/outside.rs"]
mod outside;
#[path = "stripe_flows/restoring.rs"]
mod restoring;
#[path = "stripe_flows/shop.rs"]
mod shop;
#[path = "stripe_flows/suspending.rs"]
mod suspending;
