//! The fake Stripe, and the specification that it is held against.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "tests may fail"
)]

mod stripe_fake {
    mod answers;
    mod changes;
    mod destinations;
    mod documents;
    mod keys;
    mod lives;
    mod messages;
    mod metering;
    mod mistakes;
    mod pages;
    mod payments;
    mod processes;
    mod requests;
    mod schedules;
    mod served;
    mod shop;
    mod tiers;
}
