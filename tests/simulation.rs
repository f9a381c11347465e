//! The whole core in one thread, by a seed: calls, retries, crashes at every call of a store, clocks
//! that are set, messages that come twice, and mistakes that have to be found.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::future_not_send,
    reason = "tests stop where something is not as it should be"
)]

#[path = "simulation/base.rs"]
mod base;
#[path = "simulation/check.rs"]
mod check;
#[path = "simulation/dice.rs"]
mod dice;
#[path = "simulation/flaws.rs"]
mod flaws;
#[path = "simulation/life.rs"]
mod life;
#[path = "simulation/oracle.rs"]
mod oracle;
#[path = "simulation/runner.rs"]
mod runner;
#[path = "simulation/steps.rs"]
mod steps;
#[path = "simulation/world.rs"]
mod world;
