//! Access logs under a plan: what everybody would pay, against a count by hand; and what is no log.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod replay {
    mod billing;
    mod formats;
    mod hostile;
    mod million;
    mod naive;
    mod order;
    mod page;
    mod plans;
    mod processes;
    mod world;
}
