//! The fake Stripe, and the specification that it is held against.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may fail"
)]

mod stripe_fake {
    mod lives;
    mod requests;
    mod shop;
}
