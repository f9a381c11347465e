//! The limiter against real servers. `scripts/servers.sh` starts the one that most tests share; those in `processes` start
//! and break their own.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests fail by panicking, tell what they measured, and read the machine's clock"
)]

mod agreement;
mod answers;
mod blocks;
mod machine;
mod overshoot;
mod processes;
