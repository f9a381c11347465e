//! The real server as a process of its own: killed, told to stop, out of space, called by clients
//! that hang up. Afterwards its files are read, and must agree with what clients and upstream saw.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "tests stop where something is not as it should be"
)]

mod processes {
    mod client;
    mod dice;
    #[cfg(target_os = "linux")]
    mod full_disk;
    #[cfg(feature = "postgres")]
    mod gateways;
    mod hangups;
    mod kills;
    mod ledger;
    mod load;
    mod market;
    mod provider;
    mod publishers;
    mod publishing;
    mod repeats;
    mod server;
    #[cfg(target_os = "linux")]
    mod soak;
    mod standby;
    #[cfg(feature = "stripe")]
    mod stripe;
    mod termination;
    mod upstream;
}
