//! What core asks of the world: a store to keep things in, an engine to bill with.

pub mod engine;
pub mod store;
