//! Gates of `monetization-core` that share their rates through real servers. `scripts/servers.sh` starts the one that
//! most tests share; those that break a server start their own.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking, tell what they measured, and read the machine's clock"
)]

#[path = "../redis/machine.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod machine;

mod agreement;
mod away;
mod quotas;
mod rates;
mod shop;
