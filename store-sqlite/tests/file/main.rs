//! What a store in a file owes beyond the suite that every store runs.
#![expect(
    clippy::unwrap_used,
    reason = "tests stop where something is not as it should be"
)]

mod abandonment;
mod beside;
mod cancellation;
mod contention;
mod crowding;
mod fullness;
mod inspection;
mod looking;
mod migrations;
mod ownership;
mod sample;
