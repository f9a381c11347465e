//! What every store and every engine owes, as tests that a backend of your own can run too.
//!
//! Each behaviour is one function, named for it. A macro holds the list of them once and makes
//! one test of each for a backend. See [`store`] and [`engine`] for how to run them.

pub use size::size;

pub mod bench;
pub mod engine;
pub mod sample;
mod size;
pub mod store;
