//! Stripe, as far as an engine needs one to be tested against: its specification, and a fake.
//!
//! [`spec`] holds requests and answers against Stripe's own description of its API, which
//! `spec.json` carries as data. [`fake`] is Stripe as a state machine without input or output, with
//! a clock that is moved by hand. [`FakeStripe`] serves it on loopback, plays [`faults`], and holds
//! every request that it gets and every answer that it gives against the specification:
//! [`FakeStripe::violations`] has to be empty in the end.
//!
//! What the fake knows is what Stripe documents; it proves nothing by itself. Where it is simpler
//! than Stripe is said in [`fake`].
#![expect(
    clippy::arithmetic_side_effects,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "counts what a test makes; whoever tests must know every case"
)]

pub use server::FakeStripe;

pub mod exact;
pub mod fake;
pub mod faults;
pub mod form;
pub mod server;
pub mod signature;
pub mod spec;

/// The version of Stripe's API that specification and fake speak.
pub const API_VERSION: &str = "2026-09-30.endive";
