//! What the mock does beyond what every engine owes: its journal, its clock, its customers, its
//! messages and its faults.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "provider"]
mod provider {
    mod deliveries;
    mod dunning;
    mod faults;
    mod forgeries;
    mod journal;
    mod memory;
    mod payments;
    mod usage;
    mod world;
}
