//! What a database on a server owes beyond the suite that every store runs.
#![expect(
    clippy::unwrap_used,
    reason = "tests stop where something is not as it should be"
)]

mod held;
mod home;
mod inspection;
mod looking;
mod views;
