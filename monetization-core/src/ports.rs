//! What core asks of the world: a store to keep things in, an engine to bill with, somebody who counts rates for
//! several gateways.
//!
//! All are dyn-safe, so that a program chooses them where it starts and nothing else knows which
//! they are. None calls back: flows ask, ports answer. A decorator (faults, metrics, limits)
//! implements a trait over another implementation of it.

pub mod engine;
pub mod rates;
pub mod store;
