#![doc = include_str!("../README.md")]
#![cfg_attr(
    test,
    expect(
        clippy::arithmetic_side_effects,
        reason = "tests compute what they expect"
    )
)]

mod decisions;
mod facts;
pub mod flows;
pub mod memory;
mod ports;
pub mod runtime;
pub mod storefront;
mod words;

#[cfg(feature = "plan-file")]
pub use decisions::plan_file;
pub use decisions::{access, estimate, metering, pricing, rating, routing};
pub use facts::{
    consumer, cursor, intent, invoice, key, plan, product, reference, subscription, tenant, usage,
};
pub use ports::{engine, rates, store};
pub use words::{clock, decimal, entropy, field, ids, money, period, secret, text};
