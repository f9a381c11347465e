//! What the layer does, in process over a store in memory, and over real sockets where the wire
//! matters.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may fail"
)]

mod forwarding;
mod limits;
mod metering;
mod refusals;
mod streaming;
mod support;
mod wire;
