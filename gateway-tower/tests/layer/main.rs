//! What the layer does, in process over a store in memory, and over real sockets where the wire
//! matters.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::future_not_send,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail, and runs on one thread"
)]

mod forwarding;
mod hangups;
mod limits;
mod metering;
mod meters;
mod refusals;
mod sockets;
mod streaming;
mod support;
mod tokens;
mod wire;
