//! The server from outside: its REST API, its gateway, its demos and its process.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod server {
    mod authorization;
    mod billing;
    mod buying;
    mod catalogue;
    mod check;
    mod demo;
    mod doctor;
    mod estimates;
    mod figures;
    mod forwarding;
    mod input;
    mod invoice_list;
    mod keys;
    mod operations;
    mod payments;
    mod periods;
    mod plan_changes;
    mod plans;
    mod processes;
    mod publishing;
    mod reports;
    mod resources;
    #[cfg(feature = "redis")]
    mod shared_rates;
    mod strangers;
    mod tls;
    mod upstream;
    mod world;
}
